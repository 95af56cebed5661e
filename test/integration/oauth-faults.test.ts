import { expect, test } from 'vitest';
import { alerts } from '../../lib/alerts.ts';
import { days, hours, iso, minutes } from '../../lib/clock.ts';
import { aadsts } from '../../lib/oauth/aadsts.ts';
import { oauthStack } from '../helpers/oauth.ts';

/** A stack with a connected account whose access token has run out. */
const connected = async () => {
  const stack = await oauthStack();
  await stack.save();
  await stack.connect();
  stack.clock.pass(hours(2));
  return { ...stack, view: async () => (await stack.first.ask('getToken', { path: '/api/oauth/token' })).json };
};

test('every scripted code at the renewal has its class and remedy; what lasts is alerted once, what passes never', async () => {
  const stack = await connected();
  for (const [code, { kind, remedy }] of Object.entries(aadsts)) {
    stack.log.lines.length = 0;
    stack.entra.faults.set([{ at: 'token', code: Number(code) }]);
    stack.clock.pass(hours(1));
    const lasting = kind !== 'temporary';
    for (let mail = 0; mail < 3; mail++) {
      const outcome = await stack.first.send();
      expect(outcome, code).toMatchObject({ class: lasting ? 'auth' : 'connection', phase: 'token', remedy });
    }
    expect(
      stack.log.alerts().map(({ event }) => event),
      code,
    ).toEqual(lasting ? [alerts.tokenBroken] : []);
    expect(await stack.view(), code).toMatchObject({ state: lasting ? 'broken' : 'connected' });
    stack.entra.faults.clear();
    stack.clock.pass(hours(1));
    expect(await stack.first.send(), code).toMatchObject({ class: 'accepted' });
    expect(await stack.view(), code).toMatchObject({ state: 'connected', fault: null });
  }
});

test.each([
  ['the network', { drop: true }],
  ['a page of a proxy', { status: 502 }],
  ['429', { status: 429, code: 90055 }],
  ['a throttled invalid_grant', { status: 429, code: 70008 }],
] as const)('trap 3: %s failing at the renewal leaves everything in place', async (_, fault) => {
  const stack = await connected();
  const before = await stack.secrets.get('oauth-token-cache');
  stack.entra.faults.set([{ at: 'token', ...fault }]);
  expect(await stack.first.send()).toMatchObject({ class: 'connection', phase: 'token' });
  expect(await stack.view()).toMatchObject({ state: 'connected', fault: null });
  expect(await stack.secrets.get('oauth-token-cache')).toEqual(before);
  stack.entra.faults.clear();
  stack.clock.pass(minutes(6));
  expect(await stack.first.send()).toMatchObject({ class: 'accepted' });
});

test('trap 2: the refresh token of the last renewal is used, not the first one', async () => {
  const stack = await connected();
  for (let month = 0; month < 4; month++) {
    stack.clock.pass(days(60));
    expect(await stack.first.send()).toMatchObject({ class: 'accepted' });
  }
});

test('a refresh token that nobody used for 90 days is dead, and the remedy says what to do', async () => {
  const stack = await connected();
  stack.clock.pass(days(91));
  expect(await stack.first.send()).toMatchObject({ class: 'auth', remedy: 'grant-expired' });
  expect(await stack.connect()).toMatchObject({ status: 200 });
  expect(await stack.first.send()).toMatchObject({ class: 'accepted' });
});

test('trap 4: SMTP AUTH switched off is an auth fault that stops the relay, never a recipient fault', async () => {
  const stack = await connected();
  for (const which of ['off-for-tenant', 'off-for-mailbox', 'security-defaults', 'conditional-access'] as const) {
    stack.entra.throwSwitch(which);
    expect(await stack.first.send(), which).toMatchObject({ class: 'auth', enhanced: '5.7.139' });
  }
});

test('while Entra refuses, it is asked ever more seldom', async () => {
  const stack = await connected();
  stack.entra.faults.set([{ at: 'token', code: 50196 }]);
  for (let minute = 0; minute < 60; minute++) {
    await stack.first.send();
    stack.clock.pass(minutes(1));
  }
  expect(stack.refreshes()).toBeLessThanOrEqual(12);
  expect(stack.refreshes()).toBeGreaterThan(1);
});

test('Retry-After is obeyed, by a forced renewal too', async () => {
  const stack = await connected();
  stack.entra.faults.set([{ at: 'token', code: 90055, retryAfter: 600 }]);
  expect(await stack.first.send()).toMatchObject({ retryAfter: 600_000 });
  stack.entra.faults.clear();
  stack.clock.pass(minutes(9));
  expect(await stack.first.send()).toMatchObject({ class: 'connection' });
  await expect(stack.first.oauth.tokens.accessToken({ renew: true })).rejects.toThrow();
  stack.clock.pass(minutes(2));
  expect(await stack.first.send()).toMatchObject({ class: 'accepted' });
});

test('who asks to try now does not wait for a setback; a failure after that makes it no shorter', async () => {
  const stack = await connected();
  stack.entra.faults.set([{ at: 'token', code: 53003 }]);
  await stack.first.send();
  const asked = stack.refreshes();
  await stack.first.send();
  expect(stack.refreshes()).toBe(asked);
  stack.first.oauth.tryAgain();
  await stack.first.send();
  expect(stack.refreshes()).toBe(asked + 1);
  stack.clock.pass(minutes(1) + 1000);
  await stack.first.send();
  expect(stack.refreshes()).toBe(asked + 1);
  stack.entra.faults.clear();
  stack.first.oauth.tryAgain();
  expect(await stack.first.send()).toMatchObject({ class: 'accepted' });
});

test('Entra is silent in the last five minutes of a token: it serves on', async () => {
  const stack = await oauthStack();
  await stack.save();
  await stack.connect();
  stack.clock.pass(minutes(57));
  stack.entra.faults.set([{ at: 'token', drop: true }]);
  expect(await stack.first.send()).toMatchObject({ class: 'accepted' });
  expect(await stack.first.send()).toMatchObject({ class: 'accepted' });
});

test('a new client secret works at once, without a new sign-in', async () => {
  const stack = await connected();
  const registration = stack.directory.registrations[0]!;
  registration.secrets = [{ value: 'local~client~secret', ends: stack.clock.now() }, { value: 'the-next-secret' }];
  expect(await stack.first.send()).toMatchObject({ class: 'auth', remedy: 'secret-expired' });
  stack.clock.pass(1000);
  await stack.save(stack.draft({ oauth: { clientSecret: 'the-next-secret' } }));
  expect(await stack.first.send()).toMatchObject({ class: 'accepted' });
});

test('renewed consent is told to whoever waits, and serves every host at once', async () => {
  const stack = await connected();
  const other = stack.start();
  stack.clock.pass(minutes(2));
  stack.entra.revoke('files@example.com');
  for (const host of [stack.first, other]) {
    expect(await host.send()).toMatchObject({ class: 'auth', remedy: 'grant-revoked' });
  }
  expect(stack.log.alerts(), 'one alert for all hosts').toHaveLength(1);
  const told = stack.first.told.connected;
  stack.clock.pass(minutes(1));
  expect(await stack.connect()).toMatchObject({ status: 200 });
  expect(stack.first.told.connected).toBe(told + 1);
  expect(await other.send()).toMatchObject({ class: 'accepted' });
});

test('what mends itself is told too', async () => {
  const stack = await connected();
  stack.entra.faults.set([{ at: 'token', code: 53003, times: 1 }]);
  await stack.first.oauth.daily();
  const told = stack.first.told.connected;
  await stack.first.oauth.daily();
  expect(stack.first.told.connected).toBe(told + 1);
  expect(await stack.view()).toMatchObject({ state: 'connected' });
});

test('three clocks: each is shown, and each end is told at 30, 7 and 1 days, once, by whichever host', async () => {
  const stack = await oauthStack();
  const other = stack.start();
  const expires = iso(stack.clock.now() + days(40)).slice(0, 10);
  await stack.save(stack.draft({ oauth: { clientSecretExpires: expires } }));
  await stack.connect();
  expect((await stack.first.ask('getToken', { path: '/api/oauth/token' })).json).toMatchObject({
    state: 'connected',
    account: { username: 'files@example.com', connectedBy: 'master@example.com' },
    clocks: { accessToken: { daysLeft: 0 }, refreshToken: { daysLeft: 89 }, clientSecret: { daysLeft: 40 } },
  });
  stack.log.lines.length = 0;
  for (let day = 0; day < 42; day++) {
    stack.clock.pass(days(1));
    await stack.first.oauth.daily();
    await other.oauth.daily();
  }
  expect(stack.log.alerts().map(({ event, days: at }) => [event, at])).toEqual([
    [alerts.secretExpiring, 30],
    [alerts.secretExpiring, 7],
    [alerts.secretExpiring, 1],
  ]);
});

test('a refresh token that is not renewed is told of before it ends', async () => {
  const stack = await connected();
  stack.entra.faults.set([{ at: 'token', drop: true }]);
  stack.log.lines.length = 0;
  for (let day = 0; day < 90; day++) {
    stack.clock.pass(days(1));
    await stack.first.oauth.daily();
  }
  expect(stack.log.alerts().map(({ event, days: at }) => [event, at])).toEqual([
    [alerts.tokenExpiring, 30],
    [alerts.tokenExpiring, 7],
    [alerts.tokenExpiring, 1],
  ]);
});

test('the daily timer leaves everybody alone who uses no XOAUTH2, or has connected nothing', async () => {
  const stack = await oauthStack();
  await stack.save();
  await stack.first.oauth.daily();
  await stack.save({ from: { address: 'files@example.com' }, smtp: { host: 'localhost', port: 25, security: 'none' } });
  await stack.first.oauth.daily();
  expect(stack.entra.requests).toEqual([]);
  expect(stack.log.alerts()).toEqual([]);
});
