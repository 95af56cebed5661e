import PostalMime from 'postal-mime';
import { expect, test } from 'vitest';
import { smtpSettings, submission, tokens } from '../helpers/relay.ts';
import { basic, relayStack, scripted, sized, user } from '../helpers/relay-server.ts';

const { smtp, log, relayWith, clear, withLogin, exchange } = await relayStack();

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
  const server = await scripted({ EHLO: '250 plain.example.com' });
  const outcome = await relayWith().submit(submission(), smtpSettings({ ...server, auth: basic }));
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

test('a mail larger than the server takes fails by itself, before it is sent', async () => {
  const server = await scripted({ EHLO: '250-small\r\n250 SIZE 1000' });
  const outcome = await relayWith().submit(sized(5_000), smtpSettings(server));
  expect(outcome).toMatchObject({ class: 'message', phase: 'mail' });
});

test('law 6: neither password nor token is in any outcome or log line', async () => {
  const wrong = 'hunter2-not-the-password';
  smtp.faults.set([{ at: 'auth', reply: '535 5.7.8 no' }]);
  const byPassword = await relayWith({ settings: { secret: async () => wrong } }).submit(submission(), withLogin());
  const byToken = await relayWith({ tokens: tokens(user, 'eyJsecret.token.value') }).submit(submission(), exchange());
  const said = JSON.stringify([byPassword, byToken, log.lines]);
  for (const secret of [wrong, 'eyJsecret.token.value']) {
    expect(said).not.toContain(secret);
    expect(said).not.toContain(Buffer.from(secret).toString('base64').slice(0, 12));
  }
});
