import { expect, test } from 'vitest';
import { checkRoutes } from '../../functions/http/check.ts';
import { systemClock } from '../../lib/clock.ts';
import type { TokenSource } from '../../lib/oauth/tokens.ts';
import type { CheckResult } from '../../lib/relay/check.ts';
import { isForbidden } from '../../lib/relay/reach.ts';
import { settingsRoom } from '../../lib/settings/room.ts';
import { ask } from '../helpers/http.ts';
import { memoryLog } from '../helpers/log.ts';
import { tokens } from '../helpers/relay.ts';
import { noTokens, password, trustedRelay, user } from '../helpers/relay-server.ts';
import { ownStorage } from '../helpers/storage.ts';
import { ownVault } from '../helpers/vault.ts';

const smtp = await trustedRelay();

const stack = async (source: TokenSource = noTokens, timeout = 10_000) => {
  const [{ azure }, { secrets }] = await Promise.all([ownStorage(), ownVault()]);
  const settings = settingsRoom({ table: azure.table('settings'), secrets, clock: systemClock, log: memoryLog() });
  const [route] = checkRoutes({ settings, tokens: source, clock: systemClock, timeout });
  if (!route) throw new Error('no route');
  return {
    save: (draft: object) =>
      settings.save(draft, { ifMatch: '*', ifNoneMatch: null, actor: { id: 'u', name: 'U' }, mayMaster: true }),
    post: (draft: object, as: readonly ('Admin' | 'Send')[] = ['Admin']) =>
      ask(route, { path: '/api/settings/check', as, body: draft }),
    check: async (draft: object) => {
      const answer = await ask(route, { path: '/api/settings/check', as: ['Admin'], body: draft });
      expect(answer).toMatchObject({ status: 200 });
      return answer.json as CheckResult;
    },
  };
};

const draft = (listener: keyof typeof smtp.ports, security: 'none' | 'ssl' | 'tls', auth: object = {}) => ({
  from: { address: user },
  smtp: { host: 'localhost', port: smtp.ports[listener], security, auth },
});
const basic = { enabled: true, user, password };
const xoauth2 = {
  enabled: true,
  type: 'xoauth2',
  user,
  oauth: {
    tenantId: '11111111-1111-4111-8111-111111111111',
    clientId: '22222222-2222-4222-8222-222222222222',
    redirectUri: 'https://postern.example.com/api/getoauthtoken',
  },
};

const failedAt = (result: CheckResult) => result.stages.find((it) => !it.ok);

test.each([
  ['starttls', 'tls'],
  ['tls', 'ssl'],
] as const)('all stages pass against a good server (%s), and no mail is sent', async (listener, security) => {
  const { check } = await stack();
  const result = await check(draft(listener, security, basic));
  expect(result).toMatchObject({ ok: true, skipped: [] });
  expect(result.stages.map(({ stage, ok }) => [stage, ok])).toEqual([
    ['dns', true],
    ['tcp', true],
    ['tls', true],
    ['auth', true],
    ['sender', true],
  ]);
  expect(result.stages[2]?.detail).toMatch(/TLSv1\.[23]/);
  expect(smtp.accepted).toEqual([]);
});

test('without TLS and login, as set, the stages say so', async () => {
  const { check } = await stack();
  const result = await check(draft('clear', 'none'));
  expect(result.ok).toBe(true);
  expect(result.stages[2]?.detail).toMatch(/not encrypted/);
  expect(result.stages[3]?.detail).toMatch(/No login/);
});

test('a name that nobody has stops at DNS with its remedy, and the rest is skipped', async () => {
  const { check } = await stack();
  const result = await check({ from: { address: user }, smtp: { host: 'nobody.invalid' } });
  expect(result).toMatchObject({ ok: false, skipped: ['tcp', 'tls', 'auth', 'sender'] });
  expect(result.stages).toMatchObject([
    { stage: 'dns', ok: false, remedy: { key: 'dns-name', title: expect.any(String) } },
  ]);
});

test('a port where nobody listens stops at TCP', async () => {
  const { check } = await stack();
  const result = await check({ from: { address: user }, smtp: { host: '127.0.0.1', port: 1 } });
  expect(failedAt(result)).toMatchObject({ stage: 'tcp', remedy: { key: 'connection-refused' } });
  expect(result.skipped).toEqual(['tls', 'auth', 'sender']);
});

test.each([
  ['ssl on a port that begins in the clear', 'starttls', 'ssl', 'no-tls-on-port'],
  ['a certificate for another name', 'otherName', 'tls', 'certificate-name'],
] as const)('%s stops at TLS, before any login', async (_, listener, security, key) => {
  const { check } = await stack();
  const result = await check(draft(listener, security, basic));
  expect(failedAt(result)).toMatchObject({ stage: 'tls', remedy: { key } });
  expect(smtp.logins).toEqual([]);
});

test('tls where STARTTLS is not offered stops at TLS, before any login', async () => {
  const { check } = await stack();
  expect(failedAt(await check(draft('clear', 'tls', basic)))).toMatchObject({
    stage: 'tls',
    remedy: expect.anything(),
  });
  expect(smtp.logins).toEqual([]);
});

test('a wrong password stops at the login, with the server’s own words', async () => {
  const { check } = await stack();
  const result = await check(draft('starttls', 'tls', { ...basic, password: 'wrong' }));
  expect(failedAt(result)).toMatchObject({
    stage: 'auth',
    reply: expect.stringMatching(/^535 /),
    remedy: expect.anything(),
  });
  expect(result.skipped).toEqual(['sender']);
  expect(smtp.logins).toHaveLength(1);
});

test.each([
  ['a password', () => draft('exchange', 'tls', basic), 'wrong-password'],
  ['a token', () => draft('exchange', 'tls', xoauth2), 'token-refused'],
])('535 5.7.3 to %s comes with the remedy for it', async (_, own, key) => {
  const { save, check } = await stack(tokens(user, 'fresh'));
  await save(draft('exchange', 'tls', xoauth2));
  smtp.faults.set([{ at: 'auth', reply: '535 5.7.3 Authentication unsuccessful' }]);
  expect(failedAt(await check(own()))).toMatchObject({
    ...{ stage: 'auth', reply: '535 5.7.3 Authentication unsuccessful', remedy: { key } },
  });
});

test.each([
  ['at MAIL FROM', { at: 'mail', reply: '550 5.7.60 SMTP; Client does not have permissions to send as this sender' }],
  [
    'at the first recipient',
    { at: 'rcpt', reply: '553 5.7.1 <files@example.com>: Sender address rejected: not owned by user' },
  ],
] as const)('a sender that the server refuses %s stops at the sender', async (_, fault) => {
  const { check } = await stack();
  smtp.faults.set([fault]);
  const result = await check(draft('starttls', 'tls', basic));
  expect(failedAt(result)).toMatchObject({ stage: 'sender', reply: fault.reply });
});

test('a sender without a mailbox of its own is no fault', async () => {
  const { check } = await stack();
  smtp.faults.set([{ at: 'rcpt', reply: '550 5.1.1 User unknown' }]);
  expect(await check(draft('starttls', 'tls', basic))).toMatchObject({ ok: true });
});

test('a server that says nothing ends the check in its time', async () => {
  const { check } = await stack(noTokens, 500);
  smtp.faults.set([{ at: 'connect', delayMs: 60_000 }]);
  expect(failedAt(await check(draft('clear', 'none')))).toMatchObject({ stage: 'tls' });
});

test('the stored password serves a draft for the same server and user', async () => {
  const { save, check } = await stack();
  await save(draft('starttls', 'tls', basic));
  expect(await check(draft('starttls', 'tls', { enabled: true, user }))).toMatchObject({ ok: true });
});

test('law 6: the stored password is not sent to another server than the one it was given for', async () => {
  const { save, check } = await stack();
  await save(draft('starttls', 'tls', basic));
  const elsewhere = await check(draft('tls', 'ssl', { enabled: true, user }));
  expect(failedAt(elsewhere)).toMatchObject({ stage: 'auth' });
  expect(smtp.logins).toEqual([]);
});

test('a token is tried fresh with the settings it belongs to', async () => {
  const { save, check } = await stack(tokens(user, 'old', 'fresh'));
  await save(draft('exchange', 'tls', xoauth2));
  expect(await check(draft('exchange', 'tls', xoauth2))).toMatchObject({ ok: true });
});

test.each([
  ['another server', () => draft('starttls', 'tls', xoauth2)],
  [
    'another app',
    () =>
      draft('exchange', 'tls', {
        ...xoauth2,
        oauth: { ...xoauth2.oauth, clientId: '33333333-3333-4333-8333-333333333333' },
      }),
  ],
])('law 6: a token is not sent to %s than the saved settings say', async (_, other) => {
  const { save, check } = await stack(tokens(user, 'fresh'));
  await save(draft('exchange', 'tls', xoauth2));
  expect(failedAt(await check(other()))).toMatchObject({ stage: 'auth', detail: expect.stringMatching(/Save these/) });
  expect(smtp.logins).toEqual([]);
});

test('settings that cannot be saved cannot be checked: every field is named', async () => {
  const { post } = await stack();
  const answer = await post({ from: { address: 'not an address' }, smtp: { host: 'localhost', port: 0 } });
  expect(answer.status).toBe(422);
  expect(answer.json).toMatchObject({
    code: 'invalid-settings',
    faults: expect.arrayContaining([expect.objectContaining({ path: 'smtp.port' })]),
  });
});

test('law 8: who is no admin may not check', async () => {
  const { post } = await stack();
  expect((await post(draft('clear', 'none'), ['Send'])).status).toBe(403);
  expect((await post(draft('clear', 'none'), [])).status).toBe(403);
});

test('law 6: neither password nor token is in the answer', async () => {
  const { check } = await stack();
  const result = await check(draft('starttls', 'tls', { ...basic, password: 'hunter2-not-the-password' }));
  expect(JSON.stringify(result)).not.toContain('hunter2');
});

test.each([
  '169.254.169.254',
  '168.63.129.16',
  '0.0.0.0',
  'fe80::1',
  '::ffff:169.254.169.254',
  '239.1.2.3',
])('the address %s, where platform services listen, is forbidden', (address) =>
  expect(isForbidden(address)).toBe(true));

test.each([
  '127.0.0.1',
  '10.0.0.5',
  '192.168.1.25',
  '::1',
  '52.96.0.1',
  'fd12:3456::25',
])('the address %s, where a relay may stand, is allowed', (address) => expect(isForbidden(address)).toBe(false));

test('a host at a forbidden address is not connected to', async () => {
  const { check } = await stack();
  const result = await check({
    from: { address: user },
    smtp: { host: '169.254.169.254', port: 80, security: 'none' },
  });
  expect(failedAt(result)).toMatchObject({ stage: 'dns', reply: expect.stringMatching(/no mail server can be/) });
});

test('the type sendmail is checked by looking for its command', async () => {
  const { post } = await stack();
  const answer = await post({ from: { address: user }, type: 'sendmail', sendmail: { path: process.execPath } });
  expect(answer.json).toMatchObject({ ok: true, stages: [{ stage: 'command', ok: true }] });
});
