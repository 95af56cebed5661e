import { expect, test } from 'vitest';
import { TokenFault, type TokenSource } from '../../lib/oauth/tokens.ts';
import { smtpSettings, submission, tokens } from '../helpers/relay.ts';
import { basic, relayStack, user } from '../helpers/relay-server.ts';

const { smtp, relayWith, clear, withLogin, exchange } = await relayStack();

test('connections are kept: five mails one after the other take one login', async () => {
  const relay = relayWith();
  const before = smtp.connections.total;
  for (let n = 0; n < 5; n++) {
    expect(await relay.submit(submission(), withLogin())).toMatchObject({ class: 'accepted' });
  }
  expect(smtp.logins).toHaveLength(1);
  expect(smtp.connections.total - before).toBe(1);
});

test('a refused recipient does not cost the next mail a new connection', async () => {
  const relay = relayWith();
  const before = smtp.connections.total;
  smtp.faults.set([{ at: 'rcpt', match: 'nobody@', reply: '550 5.1.1 User unknown' }]);
  await relay.submit(submission({ to: { address: 'nobody@example.com' } }), clear());
  expect(await relay.submit(submission(), clear())).toMatchObject({ class: 'accepted' });
  expect(smtp.connections.total - before).toBe(1);
});

test.each([
  ['with a 421', { at: 'mail', reply: '421 4.4.2 idle for too long', times: 1 }],
  ['without a word', { at: 'mail', drop: 'before', times: 1 }],
] as const)('a kept connection that the server closed %s is replaced within the same attempt', async (_, fault) => {
  const relay = relayWith();
  await relay.submit(submission(), clear());
  smtp.faults.set([fault]);
  expect(await relay.submit(submission(), clear())).toMatchObject({ class: 'accepted' });
  expect(smtp.accepted).toHaveLength(2);
});

test('changed settings use a connection of their own, and the old one is closed', async () => {
  const relay = relayWith();
  await relay.submit(submission(), withLogin());
  await relay.submit(submission(), smtpSettings({ port: smtp.ports.tls, security: 'ssl', auth: basic }));
  expect(smtp.logins).toHaveLength(2);
  await expect.poll(() => smtp.connections.now).toBe(1);
});

test('law 4: a wrong password with twenty mails in flight is one failed login, and each mail learns of it', async () => {
  const relay = relayWith({ settings: { secret: async () => 'wrong' } });
  const outcomes = await Promise.all(Array.from({ length: 20 }, () => relay.submit(submission(), withLogin(5))));
  expect(outcomes.map((it) => it.class)).toEqual(Array(20).fill('auth'));
  expect(smtp.logins).toHaveLength(1);
});

test('a first login that succeeds lets the others open theirs', async () => {
  const relay = relayWith();
  const outcomes = await Promise.all(Array.from({ length: 4 }, () => relay.submit(submission(), withLogin(4))));
  expect(outcomes.map((it) => it.class)).toEqual(Array(4).fill('accepted'));
  expect(smtp.logins.length).toBeLessThanOrEqual(4);
});

test('XOAUTH2: a valid token logs in, and the id that Exchange gives is kept', async () => {
  const outcome = await relayWith({ tokens: tokens(user, 'fresh') }).submit(submission(), exchange());
  expect(outcome).toMatchObject({ class: 'accepted', relayId: expect.stringMatching(/^<.+@.+prod\.outlook\.com>$/) });
});

test('XOAUTH2: a token refused with 535 is renewed once, and the mail goes in the same attempt', async () => {
  const source = tokens(user, 'stale', 'fresh');
  expect(await relayWith({ tokens: source }).submit(submission(), exchange())).toMatchObject({ class: 'accepted' });
  expect(source.renewals).toBe(1);
  expect(smtp.logins.map(({ ok }) => ok)).toEqual([false, true]);
});

test('XOAUTH2: a token that stays refused is one renewal, two logins and a fault of class auth, for all mails together', async () => {
  const source = tokens(user, 'stale', 'stale too');
  const relay = relayWith({ tokens: source });
  const outcomes = await Promise.all(Array.from({ length: 5 }, () => relay.submit(submission(), exchange())));
  for (const outcome of outcomes) {
    expect(outcome).toMatchObject({ class: 'auth', phase: 'auth', code: 535, enhanced: '5.7.3' });
  }
  expect(source.renewals).toBe(1);
  expect(smtp.logins).toHaveLength(2);
});

test('XOAUTH2: where no token can be had, its fault is the outcome and no connection is made', async () => {
  const fault = { class: 'auth', phase: 'token', rule: 'test', reply: 'consent was revoked' } as const;
  const source: TokenSource = { accessToken: () => Promise.reject(new TokenFault(fault)) };
  const before = smtp.connections.total;
  expect(await relayWith({ tokens: source }).submit(submission(), exchange())).toMatchObject(fault);
  expect(smtp.connections.total).toBe(before);
});

test('a token that does not come ends the hand-over in its time, and nothing is unknown about it', async () => {
  const relay = relayWith({ tokens: { accessToken: () => new Promise(() => undefined) }, submitTimeout: 100 });
  expect(await relay.submit(submission(), exchange())).toMatchObject({ class: 'connection', phase: 'token' });
});

test('closing lets the mail under way finish', async () => {
  const relay = relayWith();
  smtp.faults.set([{ at: 'accept', delayMs: 200 }]);
  const submitted = relay.submit(submission(), clear());
  await expect.poll(() => smtp.faults.list()[0]?.hits).toBe(1);
  await relay.close();
  expect(await submitted).toMatchObject({ class: 'accepted' });
  await expect.poll(() => smtp.connections.now).toBe(0);
});
