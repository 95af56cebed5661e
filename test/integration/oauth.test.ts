import { expect, test } from 'vitest';
import { days, hours, minutes } from '../../lib/clock.ts';
import { type OAuthStack, oauthStack, signIn } from '../helpers/oauth.ts';

test('an admin fills in, signs in once, and mail goes for good: expiry, rotation, restart, two hosts at once', async () => {
  const stack = await oauthStack();
  const { clock, entra, first, smtp } = stack;
  await stack.save();
  const url = await stack.generate();
  expect(new URL(url).searchParams.get('login_hint')).toBe('files@example.com');
  expect(new URL(url).searchParams.get('prompt')).toBe('login');
  expect(new URL(url).searchParams.get('code_challenge_method')).toBe('S256');

  const answer = await stack.callback(await signIn(url, { as: 'files@example.com' }), { accept: 'text/html,*/*' });
  expect(answer.status).toBe(200);
  expect(answer.headers['content-type']).toBe('application/xml; charset=utf-8');
  expect(answer.body).toContain('<result>1</result>');
  expect(answer.body).toContain('files@example.com');
  expect(first.told.connected).toBe(1);

  expect(await first.send()).toMatchObject({ class: 'accepted' });
  expect(stack.refreshes(), 'the token of the sign-in serves').toBe(0);

  clock.pass(hours(2));
  expect(await first.send()).toMatchObject({ class: 'accepted' });

  const refreshTokens = new Set<string>();
  for (let day = 0; day < 5; day++) {
    clock.pass(days(1));
    const before = stack.refreshes();
    await first.oauth.daily();
    expect(stack.refreshes(), 'the timer really renews').toBe(before + 1);
    refreshTokens.add(await keptRefreshToken(stack));
  }
  expect(refreshTokens.size, 'every rotated token was stored').toBe(5);

  // 90 days after the sign-in the first refresh token is long dead.
  for (let week = 0; week < 14; week++) {
    clock.pass(days(7));
    await first.oauth.daily();
  }
  const restarted = stack.start();
  clock.pass(hours(2));
  expect(await restarted.send()).toMatchObject({ class: 'accepted' });

  clock.pass(hours(2));
  // Exchange takes three connections of a mailbox at a time.
  const outcomes = await Promise.all([first.send(), restarted.send(), restarted.send()]);
  expect(outcomes.map((it) => it.class)).toEqual(['accepted', 'accepted', 'accepted']);
  clock.pass(hours(2));
  expect(await first.send()).toMatchObject({ class: 'accepted' });
  await restarted.relay.close();
  expect(await stack.start().send()).toMatchObject({ class: 'accepted' });
  expect(smtp.logins.every(({ ok, method }) => ok && method === 'XOAUTH2')).toBe(true);
  expect(entra.requests.every(({ status }) => status === 200)).toBe(true);
});

test('law 6: no secret and no token is in a log line, an answer or a table', async () => {
  const stack = await oauthStack();
  const { clock, entra, first, directory } = stack;
  const answers: unknown[] = [await stack.save()];
  answers.push(await first.ask('generateToken', { path: '/api/oauth/token' }));
  const url = (answers[1] as { json: { authorizationUrl: string } }).json.authorizationUrl;
  answers.push(await stack.callback(await signIn(url, { as: 'files@example.com' })));
  answers.push(await first.send());
  for (const code of [7000215, 700082, 90033]) {
    entra.faults.set([{ at: 'token', code }]);
    clock.pass(hours(2));
    answers.push(await first.send(), await first.ask('getToken', { path: '/api/oauth/token' }));
    await first.oauth.daily();
  }
  entra.faults.clear();
  clock.pass(hours(2));
  entra.throwSwitch('off-for-tenant');
  answers.push(await first.send());
  answers.push(await first.ask('disconnectToken', { path: '/api/oauth/token' }));

  const rows: unknown[] = [];
  for (const name of ['oauth', 'settings', 'audit', 'relay'] as const) {
    for await (const row of stack.azure.table(name).listEntities()) rows.push(row);
  }
  const secrets = [directory.registrations[0]?.secrets[0]?.value ?? '', ...entra.issued];
  expect(secrets.length).toBeGreaterThan(6);
  expect(rows.length).toBeGreaterThan(3);
  expect(stack.log.lines.length).toBeGreaterThan(3);
  const seen = JSON.stringify([answers, rows, stack.log.lines]);
  for (const secret of secrets) {
    expect(seen.includes(secret)).toBe(false);
    expect(seen.includes(Buffer.from(secret).toString('base64'))).toBe(false);
  }
});

test('the vault keeps account and refresh token only', async () => {
  const stack = await oauthStack();
  await stack.save();
  await stack.connect();
  const { cache } = JSON.parse((await stack.secrets.get('oauth-token-cache'))?.value ?? '{}') as { cache: string };
  expect(Object.keys(JSON.parse(cache)).sort()).toEqual(['Account', 'AppMetadata', 'RefreshToken']);
});

test('many mails cost one token, and no read of the vault', async () => {
  const stack = await oauthStack();
  await stack.save();
  await stack.connect();
  stack.clock.pass(hours(2));
  await Promise.all([1, 2, 3, 4].map(() => stack.first.oauth.tokens.accessToken()));
  expect(stack.refreshes()).toBe(1);
  const reads = stack.vault.requests.get;
  for (let mail = 0; mail < 10; mail++) await stack.first.send();
  expect(stack.vault.requests.get).toBe(reads);
  expect(stack.refreshes()).toBe(1);
});

test('a token is renewed five minutes before its end', async () => {
  const stack = await oauthStack();
  await stack.save();
  await stack.connect();
  stack.clock.pass(minutes(54));
  await stack.first.oauth.tokens.accessToken();
  expect(stack.refreshes()).toBe(0);
  stack.clock.pass(minutes(2));
  await stack.first.oauth.tokens.accessToken();
  expect(stack.refreshes()).toBe(1);
});

test('535 5.7.3: one forced renewal, one retry, then the fault goes to the breaker', async () => {
  const stack = await oauthStack();
  await stack.save();
  await stack.connect();
  stack.smtp.faults.set([{ at: 'auth', reply: '535 5.7.3 Authentication unsuccessful', times: 1 }]);
  expect(await stack.first.send()).toMatchObject({ class: 'accepted' });
  expect(stack.refreshes()).toBe(1);
});

test('a relay that refuses every token makes no loop at Entra', async () => {
  const stack = await oauthStack();
  await stack.save();
  await stack.connect();
  stack.smtp.faults.set([{ at: 'auth', reply: '535 5.7.3 Authentication unsuccessful' }]);
  for (let mail = 0; mail < 20; mail++) expect(await stack.first.send()).toMatchObject({ class: 'auth' });
  expect(stack.refreshes()).toBe(1);
});

test('a day of mail by the application grant stores nothing in the vault', async () => {
  const stack = await oauthStack();
  await stack.save(stack.draft({ oauth: { grant: 'application' } }));
  const { set: before } = stack.vault.requests;
  for (let hour = 0; hour < 24; hour++) {
    stack.clock.pass(hours(1));
    expect(await stack.first.send()).toMatchObject({ class: 'accepted' });
  }
  expect(stack.vault.requests.set).toBe(before);
});

test('a failing vault does not lose the rotated refresh token: it is stored later', async () => {
  const stack = await oauthStack();
  const { clock, first, vault, entra } = stack;
  await stack.save();
  await stack.connect();
  const old = await keptRefreshToken(stack);
  vault.faults.set([{ op: 'set', status: 403 }]);
  clock.pass(hours(2));
  expect(await first.send()).toMatchObject({ class: 'accepted' });
  expect(await keptRefreshToken(stack)).toBe(old);
  clock.pass(hours(2));
  expect(await first.send(), 'renewed by the token in memory').toMatchObject({ class: 'accepted' });
  vault.faults.clear();
  clock.pass(minutes(2));
  await first.oauth.tokens.accessToken();
  const stored = await keptRefreshToken(stack);
  expect(stored).not.toBe(old);
  expect(entra.issued.filter((it) => it.startsWith('1.')).at(-1)).toBe(stored);
});

test('a vault that does not answer is a fault that passes, and mail waits', async () => {
  const stack = await oauthStack();
  await stack.save();
  await stack.connect();
  const restarted = stack.start();
  stack.vault.faults.set([{ op: 'get', status: 403 }]);
  expect(await restarted.send()).toMatchObject({ class: 'connection', phase: 'token', rule: 'vault-unreachable' });
  stack.vault.faults.clear();
  stack.clock.pass(minutes(1));
  expect(await restarted.send()).toMatchObject({ class: 'accepted' });
});

test('disconnecting takes the account and its secret away, for a host that has a token in memory too', async () => {
  const stack = await oauthStack();
  const { first, clock } = stack;
  await stack.save();
  await stack.connect();
  const other = stack.start();
  await other.oauth.tokens.accessToken();
  const answer = await first.ask('disconnectToken', { path: '/api/oauth/token' });
  expect(answer).toMatchObject({ status: 200, json: { token: { state: 'not-connected', account: null } } });
  expect(JSON.stringify(answer.json)).toContain('revoke');
  expect(await stack.secrets.get('oauth-token-cache')).toBeUndefined();
  clock.pass(minutes(1));
  for (const host of [first, other, stack.start()]) {
    expect(await host.send()).toMatchObject({ class: 'auth', rule: 'not-connected', remedy: 'reconnect' });
  }
  await stack.connect();
  expect(await other.send()).toMatchObject({ class: 'accepted' });
});

test('law 6, trap 20: an account that was connected for one server or user is not used for another', async () => {
  const stack = await oauthStack();
  await stack.save();
  await stack.connect();
  await stack.save(stack.draft({ smtp: { host: '127.0.0.1' } }));
  stack.clock.pass(minutes(1));
  expect(await stack.first.send()).toMatchObject({ class: 'auth', rule: 'connected-for-other-settings' });
  expect(stack.smtp.logins).toEqual([]);
  expect((await stack.first.ask('getToken', { path: '/api/oauth/token' })).json).toMatchObject({
    state: 'not-connected',
  });
});

test('trap 21: an unsaved draft gets a token only where it uses it as the saved settings do', async () => {
  const stack = await oauthStack();
  await stack.save();
  await stack.connect();
  const check = async (draft: object) => {
    const answer = await stack.first.ask('checkSettings', { path: '/api/settings/check', body: draft });
    return answer.json as { ok: boolean; stages: { stage: string; ok: boolean }[] };
  };
  const own = stack.draft({ oauth: { clientSecret: undefined } });
  expect(await check(own)).toMatchObject({ ok: true });
  const asked = stack.refreshes();
  expect(asked, 'the check really renews').toBe(1);
  const elsewhere = await check(stack.draft({ smtp: { host: '127.0.0.1' }, oauth: { clientSecret: undefined } }));
  expect(elsewhere.ok).toBe(false);
  expect(stack.refreshes()).toBe(asked);
  expect(stack.smtp.logins).toHaveLength(1);
});

const keptRefreshToken = async (stack: OAuthStack): Promise<string> => {
  const { cache } = JSON.parse((await stack.secrets.get('oauth-token-cache'))?.value ?? '{}') as { cache: string };
  const { RefreshToken } = JSON.parse(cache) as { RefreshToken: Record<string, { secret: string }> };
  return Object.values(RefreshToken)[0]?.secret ?? '';
};
