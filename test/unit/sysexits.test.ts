import { describe, expect, test } from 'vitest';
import { classifyExit } from '../../lib/relay/classify.ts';
import { complaints, exits } from '../../lib/relay/sysexits.ts';

const ended = (exitCode: number, output = '') => classifyExit({ exitCode, signal: null, output });

test.each(exits)('exit code $code ($id) is $is', (exit) => {
  expect(ended(exit.code)).toMatchObject({
    rule: exit.id,
    class: exit.is,
    phase: 'spawn',
    reply: `exit code ${exit.code}`,
    cap: exit.cap,
    remedy: exit.remedy,
  });
});

test.each([
  [67, 'recipient'],
  [68, 'recipient'],
  [65, 'message'],
  [75, 'temporary'],
  [71, 'temporary'],
  [77, 'auth'],
  [78, 'connection'],
  [127, 'connection'],
  [1, 'temporary'],
  [42, 'temporary'],
] as const)('exit code %i is a fault of class %s', (code, expected) => {
  expect(ended(code).class).toBe(expected);
});

describe("the relay's reply in the output goes before the exit code", () => {
  const msmtp = (complaint: string, ...server: string[]) =>
    [
      `msmtp: ${complaint}`,
      ...server.map((line) => `msmtp: server message: ${line}`),
      'msmtp: could not send mail (account default from /etc/msmtprc)',
    ].join('\n');

  test('a recipient that is refused', () => {
    const output = msmtp(
      'recipient address ana@example.net not accepted by the server',
      '550 5.1.1 <ana@example.net>: Recipient address rejected: User unknown',
    );
    expect(ended(65, output)).toMatchObject({
      class: 'recipient',
      phase: 'rcpt',
      code: 550,
      enhanced: '5.1.1',
      suppressible: true,
    });
  });

  test('a recipient that is to be tried later, although the exit code is the same', () => {
    const output = msmtp(
      'recipient address ana@example.net not accepted by the server',
      '451 4.7.1 Greylisting in action, please come back in 00:05:00',
    );
    expect(ended(65, output)).toMatchObject({ class: 'temporary', phase: 'rcpt', retryAfter: 300_000 });
  });

  test('a reply of several lines', () => {
    const output = msmtp(
      'the server did not accept the mail',
      '550-5.7.26 This mail has been blocked because the sender is unauthenticated.',
      '550 5.7.26 See https://support.google.com/mail/answer/81126',
    );
    expect(ended(69, output)).toMatchObject({ class: 'sender', phase: 'accept', enhanced: '5.7.26' });
  });

  test('a login that is refused', () => {
    const output = msmtp('authentication failed (method PLAIN)', '535 5.7.8 Error: authentication failed');
    expect(ended(77, output)).toMatchObject({ class: 'auth', phase: 'auth', remedy: 'wrong-password' });
  });

  test('a sender that is refused', () => {
    const output = msmtp('envelope from address bo@example.com not accepted by the server', '550 5.7.1 not yours');
    expect(ended(65, output)).toMatchObject({ class: 'sender', phase: 'mail' });
  });
});

describe('without a reply, what the command complains of goes before its exit code', () => {
  test("EX_NOHOST is the recipient's host in sysexits.h and the relay's for msmtp", () => {
    const output = 'msmtp: cannot locate host smtp.example.com: Name or service not known';
    expect(ended(68, output)).toMatchObject({ class: 'connection', phase: 'dns', remedy: 'dns-name' });
  });

  test('a port where nothing listens', () => {
    const output = 'msmtp: cannot connect to 127.0.0.1, port 25: Connection refused';
    expect(ended(75, output)).toMatchObject({ class: 'connection', phase: 'connect', remedy: 'connection-refused' });
  });

  test('the name of a recipient is no complaint', () => {
    const output = 'sendmail: fatal: account(s) of too.big@example.com unknown';
    expect(ended(67, output)).toMatchObject({ class: 'recipient', rule: 'EX_NOUSER' });
  });

  test('ids are unique', () => {
    expect(new Set(complaints.map((complaint) => complaint.id)).size).toBe(complaints.length);
  });
});

describe('law 5: a command that was killed', () => {
  test('may have queued the mail once it had all of it', () => {
    expect(classifyExit({ exitCode: null, signal: 'SIGKILL', output: '', handedOver: 'whole' })).toMatchObject({
      class: 'unknown',
      reply: 'ended by SIGKILL',
    });
  });

  test('has queued nothing before that', () => {
    const fault = classifyExit({ exitCode: null, signal: 'SIGKILL', output: '', handedOver: 'partly' });
    expect(fault).toMatchObject({ class: 'temporary', phase: 'spawn' });
  });
});
