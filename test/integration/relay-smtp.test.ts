import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import PostalMime from 'postal-mime';
import { afterAll, afterEach, beforeAll, beforeEach, expect, onTestFinished, test } from 'vitest';
import { type SmtpServer, startSmtp } from '../../dev/smtp/server.ts';
import { systemClock } from '../../lib/clock.ts';
import { type Log, logTo } from '../../lib/log.ts';
import { TokenFault, type TokenSource } from '../../lib/oauth/tokens.ts';
import { type Relay, type RelayParts, relayRoom } from '../../lib/relay/relay.ts';
import { smtpSettings, submission, tokens, trustedCertificates } from '../helpers/relay.ts';

const listeners = {
  clear: { security: 'none' },
  clearWithLogin: { security: 'none' },
  starttls: { security: 'starttls', requireAuth: true },
  tls: { security: 'tls', requireAuth: true },
  otherName: { security: 'starttls' },
  exchange: { security: 'starttls', profile: 'exchange' },
} as const;

const user = 'files@example.com';
const password = 'correct horse';
const basic = { enabled: true, user };
const xoauth2 = { enabled: true, type: 'xoauth2', user } as const;

let smtp: SmtpServer<keyof typeof listeners>;
let removeCertificates: () => Promise<void>;
const lines: string[] = [];
const log: Log = logTo({ info: (it) => lines.push(it), warn: (it) => lines.push(it), error: (it) => lines.push(it) });

beforeAll(async () => {
  const files = await trustedCertificates();
  removeCertificates = files.remove;
  smtp = await startSmtp({
    listeners: { ...listeners, otherName: { ...listeners.otherName, cert: files.other.cert, key: files.other.key } },
    cert: files.cert,
    key: files.key,
    users: { [user]: password },
    checkToken: (_, token) => (token === 'fresh' ? 'ok' : '535 5.7.3 Authentication unsuccessful [host date id]'),
  });
});
afterAll(async () => {
  await smtp.close();
  await removeCertificates();
});
beforeEach(() => {
  smtp.accepted.length = 0;
  smtp.logins.length = 0;
});
afterEach(() => smtp.faults.clear());

const noTokens: TokenSource = {
  accessToken: () => Promise.reject(new Error('no token was to be fetched')),
};

const relayWith = (parts: Partial<RelayParts> = {}): Relay => {
  const relay = relayRoom({
    settings: { secret: async () => password },
    tokens: noTokens,
    submitTimeout: 10_000,
    clock: systemClock,
    log,
    ...parts,
  });
  onTestFinished(() => relay.close());
  return relay;
};

const clear = () => smtpSettings({ port: smtp.ports.clear });
const withLogin = (connections?: number) =>
  smtpSettings({ port: smtp.ports.starttls, security: 'tls', auth: basic }, connections);
const exchange = () => smtpSettings({ port: smtp.ports.exchange, security: 'tls', auth: xoauth2 });
/** A mail of about so many bytes. */
const sized = (bytes: number) => submission({ text: `${'x'.repeat(76)}\n`.repeat(Math.ceil(bytes / 77)) });

test('a mail arrives as it was given, and the outcome says what the relay answered', async () => {
  const outcome = await relayWith().submit(
    submission({
      from: { address: 'bo@example.com', name: 'Bø, "the" boss' },
      replyTo: { address: 'reply@example.com' },
      html: '<p>See <img src="cid:plan"></p>',
      attachments: [
        {
          name: 'plän.png',
          contentType: 'image/png',
          content: Buffer.from([1, 2, 3]).toString('base64'),
          contentId: 'plan',
        },
      ],
      headers: { 'List-Unsubscribe': '<https://files.example.com/unsubscribe/1>' },
    }),
    clear(),
  );
  expect(outcome).toMatchObject({ class: 'accepted', reply: expect.stringMatching(/^250 /) });
  expect(outcome.class === 'accepted' && outcome.relayId).toMatch(/\w+/);
  expect(outcome.class === 'accepted' && outcome.tls).toBeUndefined();
  const [mail] = smtp.accepted;
  expect(mail?.envelope).toEqual({ from: 'files@example.com', to: ['ana@example.com'] });
  const read = await PostalMime.parse(mail?.raw ?? '');
  expect(read).toMatchObject({
    messageId: '<one@files.example.com>',
    from: { address: 'bo@example.com', name: 'Bø, "the" boss' },
    to: [{ address: 'ana@example.com', name: 'Ana' }],
    replyTo: [{ address: 'reply@example.com' }],
    subject: 'Plans',
    text: 'See the plans.\n',
    attachments: [{ filename: 'plän.png', mimeType: 'image/png', contentId: '<plan>' }],
  });
  expect(read.headers).toContainEqual(expect.objectContaining({ key: 'list-unsubscribe' }));
});

test.each([
  ['STARTTLS and a login', 'starttls', 'tls'],
  ['TLS from the first byte and a login', 'tls', 'ssl'],
] as const)('by %s, and the outcome names version and cipher', async (_, listener, security) => {
  const settings = smtpSettings({ port: smtp.ports[listener], security, auth: basic });
  const outcome = await relayWith().submit(submission(), settings);
  expect(outcome).toMatchObject({ class: 'accepted', tls: expect.stringMatching(/^TLSv1\.[23] TLS_\w+$/) });
  expect(smtp.accepted).toMatchObject([{ user, secure: true }]);
});

test('security none logs in without TLS, where that is what the settings say', async () => {
  const settings = smtpSettings({ port: smtp.ports.clearWithLogin, security: 'none', auth: basic });
  expect(await relayWith().submit(submission(), settings)).toMatchObject({ class: 'accepted' });
  expect(smtp.accepted).toMatchObject([{ user, secure: false }]);
});

test('security none does not try STARTTLS, so that a certificate for another name does not matter', async () => {
  const settings = smtpSettings({ port: smtp.ports.otherName, security: 'none' });
  expect(await relayWith().submit(submission(), settings)).toMatchObject({ class: 'accepted' });
});

test('where STARTTLS is wanted and not offered, no password and no mail leaves in the clear', async () => {
  const settings = smtpSettings({ port: smtp.ports.clear, security: 'tls', auth: basic });
  expect(await relayWith().submit(submission(), settings)).toMatchObject({ class: 'connection', phase: 'tls' });
  expect(smtp.logins).toEqual([]);
});

test('a certificate for another name is refused before the login', async () => {
  const settings = smtpSettings({ port: smtp.ports.otherName, security: 'tls', auth: basic });
  expect(await relayWith().submit(submission(), settings)).toMatchObject({ class: 'connection', phase: 'tls' });
  expect(smtp.logins).toEqual([]);
});

test('ssl on a port that begins in the clear is a fault of the connection in the TLS phase', async () => {
  const settings = smtpSettings({ port: smtp.ports.starttls, security: 'ssl' });
  expect(await relayWith().submit(submission(), settings)).toMatchObject({ class: 'connection', phase: 'tls' });
});

test('a login that the server does not offer is a fault, not a mail without login', async () => {
  const server = createServer((socket) => scripted(socket, { EHLO: '250 plain.example.com' })).listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  const { port } = server.address() as AddressInfo;
  const outcome = await relayWith().submit(submission(), smtpSettings({ host: '127.0.0.1', port, auth: basic }));
  expect(outcome).toMatchObject({ class: 'auth', phase: 'auth' });
});

test('without a stored password nobody is asked to log in', async () => {
  const relay = relayWith({ settings: { secret: async () => undefined } });
  expect(await relay.submit(submission(), withLogin())).toMatchObject({ class: 'auth', phase: 'auth' });
  expect(smtp.logins).toEqual([]);
});

test('the vault not answering is no fault of the relay, and passes through', async () => {
  const relay = relayWith({ settings: { secret: () => Promise.reject(new Error('vault')) } });
  await expect(relay.submit(submission(), withLogin())).rejects.toThrow('vault');
});

test.each([
  [{ at: 'connect', reply: '421 4.3.2 Service not available' }, 'greeting'],
  [{ at: 'rcpt', reply: '550 5.1.1 User unknown' }, 'rcpt'],
  [{ at: 'mail', reply: '451 4.7.1 later' }, 'mail'],
  [{ at: 'data', reply: '451 4.3.0 later' }, 'data'],
  [{ at: 'accept', reply: '554 5.6.0 Message refused' }, 'accept'],
] as const)('%o is classified with its phase and the exact reply', async (fault, phase) => {
  smtp.faults.set([fault]);
  const outcome = await relayWith().submit(submission(), clear());
  expect(outcome).toMatchObject({
    phase,
    reply: expect.stringContaining(fault.reply),
    code: Number(fault.reply.slice(0, 3)),
  });
  expect(outcome.class).not.toBe('unknown');
  expect(smtp.accepted).toEqual([]);
});

test('a port where nobody listens, and a name that nobody has', async () => {
  const relay = relayWith();
  const refused = smtpSettings({ host: '127.0.0.1', port: 1 });
  expect(await relay.submit(submission(), refused)).toMatchObject({ class: 'connection', phase: 'connect' });
  const unknown = smtpSettings({ host: 'nobody.invalid', port: 25 });
  expect(await relay.submit(submission(), unknown)).toMatchObject({ phase: 'dns' });
});

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

test.each([
  ['before the server stored it', 'before', 0],
  ['after the server stored it', 'after', 1],
] as const)('law 5: a connection lost after the final dot, %s, is unknown', async (_, drop, stored) => {
  smtp.faults.set([{ at: 'accept', drop }]);
  expect(await relayWith().submit(submission(), clear())).toMatchObject({ class: 'unknown', phase: 'accept' });
  expect(smtp.accepted).toHaveLength(stored);
});

test('law 5: a server that is silent after the final dot until the time-out is unknown', async () => {
  smtp.faults.set([{ at: 'accept', delayMs: 60_000 }]);
  const relay = relayWith({ submitTimeout: 300 });
  expect(await relay.submit(submission(), clear())).toMatchObject({ class: 'unknown', phase: 'accept' });
});

test('law 5: a reply to the final dot that ends the session is a reply, not unknown', async () => {
  smtp.faults.set([{ at: 'accept', reply: '421 4.3.0 shutting down', drop: 'before' }]);
  expect(await relayWith().submit(submission(), clear())).toMatchObject({
    phase: 'accept',
    code: 421,
    class: 'temporary',
  });
});

test.each([
  ['a small mail', 100],
  ['a large mail', 12_000_000],
])('a connection lost right after 354 has not taken %s: it may be sent again', async (_, bytes) => {
  smtp.faults.set([{ at: 'data', drop: 'after' }]);
  expect(await relayWith().submit(sized(bytes), clear())).toMatchObject({ class: 'connection', phase: 'data' });
});

test('a connection lost in the middle of the mail has not taken it', async () => {
  const server = createServer((socket) =>
    scripted(socket, { DATA: '354 go' }, (bytes) => {
      if (bytes > 100_000) socket.destroy();
    }),
  ).listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  const { port } = server.address() as AddressInfo;
  const outcome = await relayWith().submit(sized(20_000_000), smtpSettings({ host: '127.0.0.1', port }));
  expect(outcome).toMatchObject({ class: 'connection', phase: 'data' });
});

test('a mail that the server stopped reading in the middle has not been taken', async () => {
  const stop = new AbortController();
  const server = createServer((socket) =>
    scripted(socket, { DATA: '354 go' }, () => {
      socket.pause();
      setImmediate(() => stop.abort());
    }),
  ).listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  const { port } = server.address() as AddressInfo;
  const settings = smtpSettings({ host: '127.0.0.1', port });
  const outcome = await relayWith().submit(sized(30_000_000), settings, { signal: stop.signal });
  expect(outcome).toMatchObject({ phase: 'data' });
  expect(outcome.class).not.toBe('unknown');
});

test('stopped before the mail went: nothing is unknown about it', async () => {
  smtp.faults.set([{ at: 'mail', delayMs: 60_000 }]);
  const stop = new AbortController();
  const submitted = relayWith().submit(submission(), clear(), { signal: stop.signal });
  await expect.poll(() => smtp.faults.list()[0]?.hits).toBe(1);
  stop.abort();
  const outcome = await submitted;
  expect(outcome.class).not.toBe('unknown');
  expect(outcome.class).not.toBe('accepted');
  expect(outcome).toMatchObject({ phase: 'mail' });
});

test('stopped after the final dot: unknown', async () => {
  smtp.faults.set([{ at: 'accept', delayMs: 60_000 }]);
  const stop = new AbortController();
  const submitted = relayWith().submit(submission(), clear(), { signal: stop.signal });
  await expect.poll(() => smtp.faults.list()[0]?.hits).toBe(1);
  stop.abort();
  expect(await submitted).toMatchObject({ class: 'unknown', phase: 'accept' });
});

test('a mail larger than the server takes fails by itself, before it is sent', async () => {
  const server = createServer((socket) => scripted(socket, { EHLO: '250-small\r\n250 SIZE 1000' })).listen(
    0,
    '127.0.0.1',
  );
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  const { port } = server.address() as AddressInfo;
  const outcome = await relayWith().submit(sized(5_000), smtpSettings({ host: '127.0.0.1', port }));
  expect(outcome).toMatchObject({ class: 'message', phase: 'mail' });
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

test('law 6: neither password nor token is in any outcome or log line', async () => {
  const wrong = 'hunter2-not-the-password';
  smtp.faults.set([{ at: 'auth', reply: '535 5.7.8 no' }]);
  const byPassword = await relayWith({ settings: { secret: async () => wrong } }).submit(submission(), withLogin());
  const byToken = await relayWith({ tokens: tokens(user, 'eyJsecret.token.value') }).submit(submission(), exchange());
  const said = JSON.stringify([byPassword, byToken, lines]);
  for (const secret of [wrong, 'eyJsecret.token.value']) {
    expect(said).not.toContain(secret);
    expect(said).not.toContain(Buffer.from(secret).toString('base64').slice(0, 12));
  }
});

/** A tiny server for what a real one does not do: the replies given, 250 to all else. */
function scripted(socket: Socket, replies: Record<string, string>, onBody?: (bytes: number) => void): void {
  let body = 0;
  let inBody = false;
  socket.on('error', () => undefined);
  socket.write('220 scripted.example.com\r\n');
  socket.on('data', (chunk: Buffer) => {
    if (inBody) {
      body += chunk.length;
      onBody?.(body);
      return;
    }
    for (const line of chunk.toString().trim().split('\r\n')) {
      const verb = line.split(/[ :]/)[0]?.toUpperCase() ?? '';
      inBody ||= verb === 'DATA' && replies.DATA !== undefined;
      socket.write(`${replies[verb] ?? '250 ok'}\r\n`);
    }
  });
}
