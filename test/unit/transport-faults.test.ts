import { readFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { createTransport, type SendMailOptions, type SMTPTransportOptions } from 'nodemailer';
import { generate } from 'selfsigned';
import { describe, expect, test } from 'vitest';
import { TokenFault } from '../../lib/oauth/tokens.ts';
import { classifyError, classifyRejected, type Progress, phaseOf } from '../../lib/relay/classify.ts';
import type { Fault } from '../../lib/relay/outcome.ts';
import { ownCertificates } from '../helpers/relay.ts';
import { listen, password, relayServer } from '../helpers/relay-server.ts';

const files = await ownCertificates();
const ca = [await readFile(files.ca, 'utf8')];
const { cert, key } = files.other;
const smtp = await relayServer(files, {
  listeners: {
    clear: { security: 'none' },
    withoutLogin: { security: 'none' },
    starttls: { security: 'starttls', requireAuth: true },
    tls: { security: 'tls' },
    otherName: { security: 'tls', cert, key },
  },
});

const mail: SendMailOptions = {
  envelope: { from: 'files@example.com', to: ['ana@example.net'] },
  from: 'files@example.com',
  to: 'ana@example.net',
  subject: 'Plans',
  text: 'Bo shared Plans with you',
};

/** What nodemailer rejects with: the real one, over a real socket. */
const errorOf = async (options: SMTPTransportOptions, own: SendMailOptions = {}): Promise<unknown> => {
  const transport = createTransport({ host: 'localhost', connectionTimeout: 5000, ...options });
  const failed = await transport.sendMail({ ...mail, ...own }).then(
    () => undefined,
    (error: unknown) => error,
  );
  expect(failed).toBeInstanceOf(Error);
  return failed;
};

const at = (phase: Progress['phase'], handedOver: Progress['handedOver'] = 'no'): Progress => ({ phase, handedOver });

describe('before anything was said', () => {
  test('a name that DNS does not know', async () => {
    const error = await errorOf({ host: 'relay.invalid', port: 587 });
    expect(classifyError(error, at('connect'))).toMatchObject({
      class: 'connection',
      phase: 'dns',
      remedy: 'dns-name',
    });
  });

  test('a port where nothing listens', async () => {
    const server = createServer();
    const port = await listen(server);
    server.close();
    const error = await errorOf({ host: '127.0.0.1', port });
    expect(classifyError(error, at('connect'))).toMatchObject({
      class: 'connection',
      phase: 'connect',
      remedy: 'connection-refused',
    });
  });

  test('a server that says nothing, as a TLS port does to a client that waits for a greeting', async () => {
    const error = await errorOf({ port: smtp.ports.tls, secure: false, greetingTimeout: 100 });
    expect(classifyError(error, at('connect'))).toMatchObject({
      class: 'connection',
      phase: 'greeting',
      remedy: 'silent-greeting',
    });
  });

  test('a server that hangs up at once', async () => {
    const port = await listen(createServer((socket) => socket.end()));
    const error = await errorOf({ host: '127.0.0.1', port });
    expect(classifyError(error, at('greeting'))).toMatchObject({
      class: 'connection',
      phase: 'greeting',
      remedy: 'relay-closed',
    });
  });

  test('a server that resets the connection', async () => {
    const port = await listen(createServer((socket) => socket.resetAndDestroy()));
    const error = await errorOf({ host: '127.0.0.1', port });
    expect(classifyError(error, at('greeting'))).toMatchObject({ class: 'connection', remedy: 'relay-closed' });
  });

  test('a server that speaks another language', async () => {
    const port = await listen(createServer((socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n')));
    const error = await errorOf({ host: '127.0.0.1', port });
    expect(classifyError(error, at('connect'))).toMatchObject({
      class: 'connection',
      phase: 'greeting',
      remedy: 'not-smtp',
    });
  });

  test('421 as greeting', async () => {
    smtp.faults.set([{ at: 'connect', reply: '421 4.3.2 Service not available' }]);
    const error = await errorOf({ port: smtp.ports.clear });
    expect(classifyError(error, at('connect'))).toMatchObject({
      class: 'connection',
      phase: 'greeting',
      code: 421,
      remedy: 'relay-unavailable',
    });
  });
});

describe('encryption', () => {
  const tls = () => ({ ca });

  test('TLS from the first byte where the relay speaks plain text', async () => {
    const error = await errorOf({ port: smtp.ports.clear, secure: true });
    expect(classifyError(error, at('connect'))).toMatchObject({
      class: 'connection',
      phase: 'tls',
      remedy: 'no-tls-on-port',
    });
  });

  test('a certificate for another name', async () => {
    const error = await errorOf({ port: smtp.ports.otherName, secure: true, tls: tls() });
    expect(classifyError(error, at('connect'))).toMatchObject({
      class: 'connection',
      phase: 'tls',
      remedy: 'certificate-name',
    });
  });

  test('a certificate that nobody known has signed, at STARTTLS', async () => {
    const error = await errorOf({ port: smtp.ports.starttls, requireTLS: true, tls: { ca: [] } });
    expect(classifyError(error, at('tls'))).toMatchObject({
      class: 'connection',
      phase: 'tls',
      remedy: 'certificate-untrusted',
    });
  });

  test('a certificate that has ended', async () => {
    const old = await generate([{ name: 'commonName', value: 'localhost' }], {
      notBeforeDate: new Date('2020-01-01'),
      notAfterDate: new Date('2021-01-01'),
      keyType: 'ec',
      extensions: [{ name: 'subjectAltName', altNames: [{ type: 2, value: 'localhost' }] }],
    });
    const port = await listen(createTlsServer({ cert: old.cert, key: old.private }));
    const error = await errorOf({ port, secure: true, tls: { ca: [old.cert] } });
    expect(classifyError(error, at('connect'))).toMatchObject({
      class: 'connection',
      phase: 'tls',
      remedy: 'certificate-expired',
    });
  });

  test('no common version of TLS', async () => {
    const own = { cert: await readFile(files.cert), key: await readFile(files.key) };
    const port = await listen(createTlsServer({ ...own, minVersion: 'TLSv1.3' }));
    const error = await errorOf({ port, secure: true, tls: { ca, maxVersion: 'TLSv1.2' } });
    expect(classifyError(error, at('connect'))).toMatchObject({
      class: 'connection',
      phase: 'tls',
      remedy: 'tls-version',
    });
  });

  test('STARTTLS is not offered', async () => {
    const error = await errorOf({ port: smtp.ports.clear, requireTLS: true });
    expect(classifyError(error, at('ehlo'))).toMatchObject({
      class: 'connection',
      phase: 'tls',
      remedy: 'starttls-refused',
    });
  });

  test('STARTTLS is refused for the time being', async () => {
    smtp.faults.set([{ at: 'tls', reply: '454 4.7.0 TLS not available' }]);
    const error = await errorOf({ port: smtp.ports.starttls, requireTLS: true });
    expect(classifyError(error, at('ehlo'))).toMatchObject({
      class: 'connection',
      phase: 'tls',
      code: 454,
      remedy: 'starttls-refused',
    });
  });
});

describe('login', () => {
  const options = () => ({ port: smtp.ports.starttls, requireTLS: true, tls: { ca } });

  test('a wrong password', async () => {
    const error = await errorOf({ ...options(), auth: { user: 'files@example.com', pass: 'wrong' } });
    expect(classifyError(error, at('ehlo'))).toMatchObject({ class: 'auth', phase: 'auth', remedy: 'wrong-password' });
  });

  test('535 5.7.139 in the words of Exchange is a fault of the login, with the switch that helps', async () => {
    smtp.faults.set([
      {
        at: 'auth',
        reply: '535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the Tenant.',
      },
    ]);
    const error = await errorOf({ ...options(), auth: { user: 'files@example.com', pass: password } });
    expect(classifyError(error, at('ehlo'))).toMatchObject({ class: 'auth', remedy: 'smtp-auth-off-for-tenant' });
  });

  test('a password that is missing', async () => {
    const error = await errorOf({ ...options(), auth: { user: 'files@example.com', pass: '' } });
    expect(classifyError(error, at('ehlo'))).toMatchObject({
      class: 'auth',
      phase: 'auth',
      remedy: 'credentials-missing',
    });
  });

  test('a login that is wanted where the relay has none', async () => {
    const port = await listen(
      createServer((socket) => {
        socket.write('220 relay\r\n');
        socket.on('data', (line) => {
          socket.write(line.toString().startsWith('EHLO') ? '250 relay\r\n' : '502 5.5.1 Command not implemented\r\n');
        });
      }),
    );
    const auth = { user: 'files@example.com', pass: password };
    const error = await errorOf({ host: '127.0.0.1', port, forceAuth: true, auth });
    expect(classifyError(error, at('ehlo'))).toMatchObject({
      class: 'auth',
      phase: 'auth',
      remedy: 'auth-not-offered',
    });
  });

  test('a token that could not be had is the fault that its source found', () => {
    const fault: Fault = { class: 'auth', phase: 'token', rule: 'invalid_grant', reply: 'x', remedy: 'reconnect' };
    expect(classifyError(new TokenFault(fault), at('auth'))).toBe(fault);
  });
});

describe('the mail', () => {
  test('the sender is refused', async () => {
    smtp.faults.set([
      { at: 'mail', reply: '550 5.7.60 SMTP; Client does not have permissions to send as this sender' },
    ]);
    const error = await errorOf({ port: smtp.ports.clear });
    expect(classifyError(error, at('mail'))).toMatchObject({ class: 'sender', phase: 'mail', remedy: 'send-as' });
  });

  test('the recipient is refused', async () => {
    smtp.faults.set([{ at: 'rcpt', match: 'ana@', reply: '550 5.1.1 User unknown' }]);
    const error = await errorOf({ port: smtp.ports.clear });
    expect(phaseOf(error)).toBe('rcpt');
    expect(classifyError(error, at('mail'))).toMatchObject({ class: 'recipient', phase: 'rcpt', suppressible: true });
  });

  test('the sender is refused only when the recipient is named: the recipient is not to blame', async () => {
    smtp.faults.set([
      { at: 'rcpt', reply: '553 5.7.1 <files@example.com>: Sender address rejected: not owned by user x' },
    ]);
    const error = await errorOf({ port: smtp.ports.clear });
    expect(classifyError(error, at('rcpt'))).toMatchObject({ class: 'sender', scope: 'from' });
  });

  test('one recipient of two is refused: the other has the mail', async () => {
    smtp.faults.set([{ at: 'rcpt', match: 'ana@', reply: '550 5.1.1 User unknown' }]);
    const info = await createTransport({ host: 'localhost', port: smtp.ports.clear }).sendMail({
      ...mail,
      envelope: { from: 'files@example.com', to: ['ana@example.net', 'bo@example.net'] },
    });
    expect(info.accepted).toEqual(['bo@example.net']);
    expect(classifyRejected(info.rejectedErrors ?? [])).toMatchObject([
      { recipient: 'ana@example.net', fault: { class: 'recipient', phase: 'rcpt' } },
    ]);
  });

  test('421 in the middle of RCPT passes', async () => {
    smtp.faults.set([{ at: 'rcpt', reply: '421 4.3.2 Service shutting down', drop: 'after' }]);
    const error = await errorOf({ port: smtp.ports.clear });
    expect(classifyError(error, at('rcpt'))).toMatchObject({ class: 'temporary', phase: 'rcpt', code: 421 });
  });

  test('the message is refused', async () => {
    smtp.faults.set([{ at: 'accept', reply: '554 5.7.1 Spam message rejected' }]);
    const error = await errorOf({ port: smtp.ports.clear });
    expect(classifyError(error, at('accept', 'whole'))).toMatchObject({ class: 'message', phase: 'accept', code: 554 });
  });

  test("the relay's quota, a 554 after the message, waits", async () => {
    smtp.faults.set([
      { at: 'accept', reply: '554 5.2.0 STOREDRV.Submission.Exception:SubmissionQuotaExceededException' },
    ]);
    const error = await errorOf({ port: smtp.ports.clear });
    expect(classifyError(error, at('accept', 'whole'))).toMatchObject({ class: 'quota', remedy: 'relay-day-limit' });
  });

  test('a recipient that nodemailer itself refuses', async () => {
    const error = await errorOf({ port: smtp.ports.clear }, { envelope: { from: 'files@example.com', to: [] } });
    expect(classifyError(error, at('mail'))).toMatchObject({ class: 'recipient', phase: 'rcpt' });
  });

  test('a message that may not be made', async () => {
    const attachments = [{ path: '/etc/hostname' }];
    const error = await errorOf({ port: smtp.ports.clear, disableFileAccess: true }, { attachments });
    expect(classifyError(error, at('data'))).toMatchObject({ class: 'message', phase: 'data' });
  });
});

describe('law 5: an outcome that nobody knows is unknown, and only then', () => {
  test.each(['before', 'after'] as const)('the link breaks after the dot, %s the relay took the mail', async (drop) => {
    smtp.faults.set([{ at: 'accept', drop }]);
    const error = await errorOf({ port: smtp.ports.clear });
    expect(classifyError(error, at('accept', 'whole'))).toMatchObject({ class: 'unknown', phase: 'accept' });
  });

  test('the link breaks before: nothing has happened', async () => {
    smtp.faults.set([{ at: 'mail', drop: 'before' }]);
    const error = await errorOf({ port: smtp.ports.clear });
    for (const handedOver of ['no', 'partly'] as const) {
      expect(classifyError(error, at('mail', handedOver))).toMatchObject({ class: 'connection', phase: 'mail' });
    }
  });

  test('no reply comes to the message', async () => {
    smtp.faults.set([{ at: 'accept', delayMs: 5000 }]);
    const error = await errorOf({ port: smtp.ports.clear, socketTimeout: 200 });
    expect(classifyError(error, at('accept', 'whole')).class).toBe('unknown');
    expect(classifyError(error, at('data', 'partly'))).toMatchObject({ class: 'connection', remedy: 'relay-slow' });
  });

  test('the hand-over is stopped', async () => {
    smtp.faults.set([{ at: 'mail', delayMs: 5000 }]);
    const error = await errorOf({ port: smtp.ports.clear }, { signal: AbortSignal.timeout(100) });
    expect(classifyError(error, at('mail'))).toMatchObject({ class: 'connection', phase: 'mail' });
    expect(classifyError(error, at('accept', 'whole')).class).toBe('unknown');
  });
});
