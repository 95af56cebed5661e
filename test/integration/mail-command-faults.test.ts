import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { expect, test } from 'vitest';
import type { FaultInput } from '../../dev/smtp/faults.ts';
import { classifyExit } from '../../lib/relay/classify.ts';
import { commandExists } from '../../lib/relay/command.ts';
import type { Fault } from '../../lib/relay/outcome.ts';
import { ownCertificates } from '../helpers/relay.ts';
import { relayServer } from '../helpers/relay-server.ts';

const files = await ownCertificates();
const smtp = await relayServer(files, {
  listeners: { clear: { security: 'none' }, login: { security: 'starttls', requireAuth: true } },
});

/** Runs the real msmtp without any configuration but what is given, and classifies how it ended. */
const faultOf = async (...options: string[]): Promise<Fault> => {
  const command = spawn('msmtp', [...options, '-f', 'bo@example.com', 'ana@example.net'], {
    env: { PATH: process.env.PATH, HOME: files.folder },
    stdio: ['pipe', 'ignore', 'pipe'],
  });
  command.stdin.on('error', () => undefined);
  command.stdin.end('Subject: Plans\n\nBo shared Plans with you\n');
  const [output, [exitCode, signal]] = await Promise.all([text(command.stderr), once(command, 'close')]);
  expect(exitCode).not.toBe(0);
  return classifyExit({ exitCode, signal, output });
};

const clear = () => ['--host=localhost', `--port=${smtp.ports.clear}`];
const login = (trust = `--tls-trust-file=${files.ca}`) => [
  ...['--host=localhost', `--port=${smtp.ports.login}`, '--tls=on', '--tls-starttls=on', trust],
];

const mta = await commandExists('sendmail', '/usr/bin/msmtp');
const missing = 'reason' in mta;
if (missing) console.log(`No real mail command is tried: ${mta.reason}`);
if (missing && process.env.CI === 'true') throw new Error('The build machine needs msmtp');
const withMsmtp = test.skipIf(missing);

withMsmtp.each<[FaultInput, Partial<Fault>]>([
  [
    { at: 'connect', reply: '421 4.3.2 down' },
    { class: 'connection', phase: 'greeting', code: 421 },
  ],
  [
    { at: 'connect', reply: '554 5.7.1 no service' },
    { class: 'connection', phase: 'greeting', code: 554 },
  ],
  [
    { at: 'ehlo', reply: '550 no' },
    { class: 'connection', phase: 'ehlo', code: 550 },
  ],
  [
    { at: 'mail', reply: '550 5.7.60 no permission' },
    { class: 'sender', phase: 'mail', remedy: 'send-as' },
  ],
  [
    { at: 'rcpt', reply: '550 5.1.1 User unknown' },
    { class: 'recipient', phase: 'rcpt', suppressible: true },
  ],
  [
    { at: 'rcpt', reply: '451 4.7.1 later' },
    { class: 'temporary', phase: 'rcpt', code: 451 },
  ],
  [
    { at: 'data', reply: '451 4.3.0 later' },
    { class: 'temporary', phase: 'data', code: 451 },
  ],
  [
    { at: 'accept', reply: '554 5.7.1 spam' },
    { class: 'message', phase: 'accept', code: 554 },
  ],
  [
    { at: 'accept', reply: '421 4.3.2 bye' },
    { class: 'temporary', phase: 'accept', code: 421 },
  ],
  [
    { at: 'accept', drop: 'after' },
    { class: 'unknown', phase: 'accept', rule: 'msmtp-lost' },
  ],
])('%j', async (fault, expected) => {
  smtp.faults.set([fault]);
  expect(await faultOf(...clear())).toMatchObject(expected);
});

withMsmtp('a relay that is not there', async () => {
  expect(await faultOf('--host=localhost', '--port=1')).toMatchObject({
    class: 'connection',
    phase: 'connect',
    remedy: 'connection-refused',
  });
  expect(await faultOf('--host=relay.invalid')).toMatchObject({
    class: 'connection',
    phase: 'dns',
    remedy: 'dns-name',
  });
});

withMsmtp('encryption that fails', async () => {
  expect(await faultOf(...login('--tls-fingerprint='))).toMatchObject({
    remedy: 'certificate-untrusted',
    phase: 'tls',
  });
  const trust = `--tls-trust-file=${files.ca}`;
  expect(await faultOf(...clear(), '--tls=on', '--tls-starttls=on', trust)).toMatchObject({
    class: 'connection',
    remedy: 'starttls-refused',
  });
  expect(await faultOf(...clear(), '--tls=on', '--tls-starttls=off', trust)).toMatchObject({
    class: 'connection',
    remedy: 'no-tls-on-port',
  });
});

withMsmtp('a login that is wrong, or missing', async () => {
  const wrong = ['--auth=plain', '--user=files@example.com', '--passwordeval=echo wrong'];
  expect(await faultOf(...login(), ...wrong)).toMatchObject({ class: 'auth', phase: 'auth', remedy: 'wrong-password' });
  expect(await faultOf(...login())).toMatchObject({ class: 'auth', phase: 'mail', remedy: 'not-logged-in' });
});

withMsmtp('a command without configuration', async () => {
  expect(await faultOf()).toMatchObject({ class: 'connection', phase: 'spawn', remedy: 'command-configuration' });
});
