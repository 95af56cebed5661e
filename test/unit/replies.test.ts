import { describe, expect, test } from 'vitest';
import { hours, minutes } from '../../lib/clock.ts';
import { classifyRejected, classifyReply } from '../../lib/relay/classify.ts';
import type { Fault, Phase } from '../../lib/relay/outcome.ts';
import { type Rule, replies } from '../../lib/relay/replies.ts';
import { parseReply, presentable, toldWait } from '../../lib/relay/reply.ts';

const phaseOf = (rule: Rule): Phase => rule.phase?.[0] ?? 'accept';
const classOf = (phase: Phase, reply: string): Fault['class'] => classifyReply({ phase, reply }).class;

describe('every row of the table', () => {
  test.each(replies)('$id: $example', (rule) => {
    const fault = classifyReply({ phase: phaseOf(rule), reply: rule.example, login: rule.login });
    expect(fault).toMatchObject({
      rule: rule.id,
      class: rule.is,
      phase: phaseOf(rule),
      code: Number(rule.example.slice(0, 3)),
      remedy: rule.remedy,
      cap: rule.cap,
      scope: rule.scope,
      suppressible: rule.suppressible,
    });
    expect(fault.retryAfter).toBe(toldWait(parseReply(rule.example)!.text) ?? rule.wait);
    expect(fault.enhanced ?? '').toBe(/^\d{3}[ -](\d\.\d{1,3}\.\d{1,3})?/.exec(rule.example)![1] ?? '');
  });

  test('ids are unique', () => {
    expect(new Set(replies.map((rule) => rule.id)).size).toBe(replies.length);
  });

  test.each(replies)('no earlier row takes the example of $id from it, in any of its phases', (rule) => {
    const phases = rule.phase ?? ['accept' as const];
    expect(
      phases.filter((phase) => classifyReply({ phase, reply: rule.example, login: rule.login }).rule !== rule.id),
    ).toEqual([]);
  });

  test.each([
    'dns',
    'connect',
    'greeting',
    'ehlo',
    'tls',
    'auth',
    'mail',
    'rcpt',
    'data',
    'accept',
    'spawn',
  ] as const)('some row speaks for every 4xx and 5xx at %s', (phase) => {
    for (let code = 400; code < 600; code++) {
      const fault = classifyReply({ phase, reply: `${code} whatever` });
      expect(fault.code).toBe(code);
      expect(fault.class).not.toBe('unknown');
      expect(fault.rule).not.toBe('not-smtp');
    }
  });
});

/** What the replies mean, written down apart from the table. */
const known: [Phase, string, Partial<Fault>][] = [
  [
    'auth',
    '535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the Tenant. Visit https://aka.ms/smtp_auth_disabled for more information.',
    { class: 'auth', remedy: 'smtp-auth-off-for-tenant' },
  ],
  [
    'auth',
    '535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the Mailbox. Visit https://aka.ms/smtp_auth_disabled for more information.',
    { class: 'auth', remedy: 'smtp-auth-off-for-mailbox' },
  ],
  [
    'auth',
    '535 5.7.139 Authentication unsuccessful, the user credentials were incorrect. [X]',
    { class: 'auth', remedy: 'wrong-password' },
  ],
  [
    'auth',
    '535 5.7.139 Authentication unsuccessful, federated STS service was unreachable [X]',
    { class: 'temporary', cap: { attempts: 3, to: 'auth' } },
  ],
  [
    'mail',
    '550 5.7.30 Basic authentication is not supported for Client Submission.',
    { class: 'auth', remedy: 'basic-auth-refused' },
  ],
  ['mail', '530 5.7.57 Client not authenticated to send mail.', { class: 'auth', remedy: 'not-logged-in' }],
  [
    'mail',
    '550 5.7.60 SMTP; Client does not have permissions to send as this sender',
    { class: 'sender', scope: 'from', remedy: 'send-as' },
  ],
  [
    'accept',
    '554 5.2.252 SendAsDenied; a@x.example not allowed to send as b@y.example; STOREDRV.Submission.Exception:SendAsDeniedException.MapiExceptionSendAsDenied; x',
    { class: 'sender', scope: 'from', remedy: 'send-as' },
  ],
  [
    'accept',
    '550 5.2.252 Sender throttled due to continuous send as denied errors',
    { class: 'sender', remedy: 'throttled-for-errors' },
  ],
  [
    'accept',
    '554 5.2.0 STOREDRV.Submission.Exception:SendAsDeniedException.MapiExceptionSendAsDenied',
    { class: 'sender', remedy: 'send-as' },
  ],
  [
    'accept',
    '554 5.2.2 mailbox full; STOREDRV.Submission.Exception:QuotaExceededException.MapiExceptionShutoffQuotaExceeded',
    { class: 'sender', remedy: 'sender-mailbox-full' },
  ],
  [
    'connect',
    '432 4.3.2 Concurrent connections limit exceeded. Visit https://aka.ms/concurrent_sending for more information. [Hostname=X]',
    { class: 'temporary', remedy: 'too-many-connections' },
  ],
  [
    'accept',
    '432 4.3.2 STOREDRV.ClientSubmit; sender thread limit exceeded',
    { class: 'temporary', remedy: 'too-many-connections' },
  ],
  ['accept', '432 4.3.2 STOREDRV.Deliver; recipient thread limit exceeded', { class: 'temporary' }],
  ['accept', '451 4.7.0 Temporary server error. Please try again later.', { class: 'temporary' }],
  ['greeting', '421 4.3.2 Service not available', { class: 'connection' }],
  ['auth', '421 4.7.0 Too many errors', { class: 'connection' }],
  ['rcpt', '421 4.4.2 Timeout', { class: 'temporary' }],
  ['accept', '550 5.1.8 Access denied, bad outbound sender', { class: 'sender', remedy: 'mailbox-blocked' }],
  ['accept', '550 5.7.705 Access denied, tenant has exceeded threshold', { class: 'sender', remedy: 'tenant-blocked' }],
  [
    'rcpt',
    '550 5.7.708 Access denied, traffic not accepted from this IP',
    { class: 'sender', remedy: 'traffic-not-accepted' },
  ],
  ['accept', '550 5.7.232 tenant limit', { class: 'quota', retryAfter: hours(24) }],
  ['accept', '550 5.7.501 Access denied, spam abuse detected', { class: 'sender', remedy: 'account-banned' }],
  ['rcpt', '452 4.5.3 Too many recipients', { class: 'temporary', remedy: 'too-many-recipients' }],
  ['rcpt', '550 5.1.10 RESOLVER.ADR.RecipientNotFound', { class: 'recipient', suppressible: true }],
  ['rcpt', '550 5.1.1 User unknown', { class: 'recipient', suppressible: true }],
  ['rcpt', '553 5.7.1 <a@x.example>: Sender address rejected: not owned by user b', { class: 'sender', scope: 'from' }],
  ['rcpt', '553 5.7.1 <a@x.example>: Sender address rejected: Access denied', { class: 'sender', scope: 'from' }],
  ['rcpt', '550 5.1.0 <a@x.example>: Sender address rejected: User unknown', { class: 'sender', scope: 'from' }],
  ['rcpt', '554 5.7.1 <a@x.example>: Relay access denied', { class: 'sender', remedy: 'relaying-denied' }],
  ['rcpt', '550 5.7.1 Unable to relay', { class: 'sender', remedy: 'relaying-denied' }],
  ['rcpt', '550 5.7.1 policy', { class: 'sender' }],
  ['rcpt', '550 5.7.133 RESOLVER.RST.SenderNotAuthenticatedForGroup', { class: 'recipient' }],
  ['rcpt', '450 4.1.1 <a@x.example>: Recipient address rejected: unverified address', { class: 'temporary' }],
  ['rcpt', '452 4.2.2 The email account is over quota', { class: 'temporary' }],
  ['rcpt', '552 5.2.2 The email account is over quota', { class: 'recipient', remedy: 'recipient-mailbox-full' }],
  ['rcpt', '556 5.1.10 Recipient address has null MX', { class: 'recipient', suppressible: true }],
  ['mail', '552 5.3.4 Message size exceeds fixed limit', { class: 'message', remedy: 'message-too-big' }],
  ['accept', '552 5.3.4 Error: message file too big', { class: 'message', remedy: 'message-too-big' }],
  ['accept', '554 5.6.1 Body type not supported', { class: 'message' }],
  ['accept', '554 5.7.1 Spam message rejected', { class: 'message', remedy: 'content-refused' }],
  ['accept', '550 5.7.1 Blocked', { class: 'message' }],
  ['auth', '454 4.7.0 Temporary authentication failure', { class: 'temporary' }],
  ['auth', '450 Too many login attempts', { class: 'temporary', remedy: 'too-many-logins' }],
  ['auth', '538 5.7.11 Encryption required', { class: 'connection', remedy: 'starttls-required' }],
  ['auth', '534 5.7.9 Mechanism too weak', { class: 'auth', remedy: 'auth-mechanism' }],
  ['greeting', '554 5.7.1 go away', { class: 'connection', remedy: 'client-refused' }],
  ['tls', '454 4.7.0 TLS not available', { class: 'connection', remedy: 'starttls-refused' }],
];

test.each(known)('at %s, %s', (phase, reply, expected) => {
  expect(classifyReply({ phase, reply })).toMatchObject({ phase, ...expected });
});

describe('the digit alone never decides', () => {
  test('554 5.2.0 SubmissionQuotaExceeded waits for hours', () => {
    const reply = '554 5.2.0 STOREDRV.Submission.Exception:SubmissionQuotaExceededException; Failed to process';
    const fault = classifyReply({ phase: 'accept', reply });
    expect(fault).toMatchObject({ class: 'quota', remedy: 'relay-day-limit', code: 554, enhanced: '5.2.0' });
    expect(fault.retryAfter).toBeGreaterThanOrEqual(hours(1));
    expect(classOf('accept', '554 5.3.0 Transaction failed')).toBe('message');
  });

  test('430 4.2.0 mailbox logon failure is given few attempts and then stops the relay', () => {
    const reply =
      '430 4.2.0 STOREDRV; mailbox logon failure; STOREDRV.Submission.Exception:ConnectionFailedTransientException.MapiExceptionLogonFailed';
    expect(classifyReply({ phase: 'accept', reply })).toMatchObject({
      class: 'temporary',
      remedy: 'app-only-permission',
      cap: { attempts: 3, to: 'auth' },
    });
    expect(classifyReply({ phase: 'accept', reply: '430 4.2.0 mailbox busy' }).cap).toBeUndefined();
  });

  test('5.7.139 at login is never a fault of the recipient, although it begins like 5.7.1', () => {
    const reply = '535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the Tenant.';
    for (const phase of ['auth', 'mail', 'rcpt', 'data', 'accept'] as const) {
      expect(classifyReply({ phase, reply })).toMatchObject({ class: 'auth', enhanced: '5.7.139' });
    }
  });

  test.each([
    ['accept', '550 5.1.8 Access denied, bad outbound sender', '550 5.1.1 Access denied, bad outbound sender'],
    ['rcpt', '550 5.1.90 daily limit', '550 5.1.9 daily limit'],
    ['rcpt', '550 5.1.1 whoever', '450 4.1.1 whoever'],
    ['rcpt', '550 5.1.1 whoever', '550 5.7.1 whoever'],
    ['rcpt', '550 5.7.129 whoever', '550 5.7.12 whoever'.replace('5.7.12', '5.7.1')],
    ['accept', '550 5.7.60 whoever', '550 5.7.6 whoever'],
    ['accept', '550 5.7.233 whoever', '550 5.7.23 whoever'.replace('5.7.23', '5.7.2')],
    ['auth', '535 5.7.8 no', '435 4.7.8 no'],
  ] as const)('at %s, %s differs from %s', (phase, one, other) => {
    expect(classOf(phase, one)).not.toBe(classOf(phase, other));
  });

  test('numbers outside their own place mean nothing', () => {
    expect(classOf('rcpt', '451 4.3.0 rejected before with 550 5.1.1 User unknown')).toBe('temporary');
    expect(classifyReply({ phase: 'rcpt', reply: '550 <u5.1.1@example.com> gone' }).enhanced).toBeUndefined();
    expect(parseReply('550 5.1.1234 odd')?.enhanced).toBeUndefined();
    expect(parseReply('5501 odd')).toBeUndefined();
  });

  test('the phase decides where codes are the same', () => {
    const reply = '550 5.7.1 Refused';
    const classes = (['greeting', 'auth', 'mail', 'rcpt', 'accept'] as const).map((phase) => classOf(phase, reply));
    expect(classes).toEqual(['connection', 'auth', 'sender', 'sender', 'message']);
  });
});

describe('the kind of login decides the remedy of a refused one', () => {
  test.each([
    ['auth', '535 5.7.3 Authentication unsuccessful [X]'],
    ['auth', '535 5.7.139 Authentication unsuccessful [X]'],
    ['auth', '535 5.7.139 Authentication unsuccessful, the user credentials were incorrect. [X]'],
    ['auth', '535 5.7.8 Error: authentication failed'],
    ['auth', '535 Incorrect authentication data'],
    ['mail', '535 5.7.8 Authentication credentials invalid'],
    ['rcpt', '550 5.7.8 Authentication credentials invalid'],
  ] as const)('at %s: %s', (phase, reply) => {
    const remedies = ([undefined, 'basic', 'xoauth2'] as const).map((login) => {
      const fault = classifyReply({ phase, reply, login });
      expect(fault.class).toBe('auth');
      return fault.remedy;
    });
    expect(remedies).toEqual(['wrong-password', 'wrong-password', 'token-refused']);
  });

  test('what the words tell of the account or the organisation holds for both', () => {
    const reply = '535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the Mailbox.';
    for (const login of ['basic', 'xoauth2'] as const) {
      expect(classifyReply({ phase: 'auth', reply, login }).remedy).toBe('smtp-auth-off-for-mailbox');
    }
  });
});

describe('suppression', () => {
  test('only 5.1.x at RCPT may suppress an address', () => {
    const marked = replies.filter((rule) => rule.suppressible);
    expect(marked.length).toBeGreaterThan(0);
    for (const rule of marked) expect(rule).toMatchObject({ phase: ['rcpt'], code: '5xx', is: 'recipient' });
    const reply = '550 5.1.1 User unknown';
    const suppressing = (['auth', 'mail', 'rcpt', 'data', 'accept', 'spawn'] as const).filter(
      (phase) => classifyReply({ phase, reply }).suppressible,
    );
    expect(suppressing).toEqual(['rcpt']);
  });

  test("a fault of the relay or of its DNS never marks the recipient's address", () => {
    const faults = [
      '450 4.1.2 <ana@example.net>: Recipient address rejected: Domain not found',
      '550 5.1.2 <ana@example.net>: Recipient address rejected: Domain not found',
      '451 4.4.3 Temporary lookup failure',
      '550 5.4.4 Host not found',
      '550 5.1.8 Access denied, bad outbound sender',
      '550 5.7.1 Relay access denied',
      '550 User unknown',
    ].map((reply) => classifyReply({ phase: 'rcpt', reply }));
    expect(faults.filter((fault) => fault.suppressible)).toEqual([]);
  });
});

describe('several recipients', () => {
  const refusal = (recipient: string, response: string) =>
    Object.assign(new Error('Recipient command failed'), { recipient, response, command: 'RCPT TO' });

  test('one that is refused says nothing of the others', () => {
    const faults = classifyRejected([
      refusal('ana@example.net', '550 5.1.1 User unknown'),
      refusal('bo@example.net', '451 4.3.0 later'),
    ]);
    expect(faults.map(({ recipient, fault }) => [recipient, fault.class])).toEqual([
      ['ana@example.net', 'recipient'],
      ['bo@example.net', 'temporary'],
    ]);
  });

  test('all refused alike by policy is a fault of the sender', () => {
    const reply = '554 5.7.1 <x@example.net>: Recipient address rejected: Access denied';
    const alone = classifyRejected([refusal('ana@example.net', reply)]);
    const both = classifyRejected([refusal('ana@example.net', reply), refusal('bo@example.net', reply)]);
    expect(alone.map(({ fault }) => fault.class)).toEqual(['recipient']);
    expect(both.map(({ fault }) => fault.class)).toEqual(['sender', 'sender']);
  });
});

describe('the form of a reply', () => {
  test('several lines are one reply, with the enhanced code of whichever line has it', () => {
    expect(parseReply('550-5.1.1 The account does\r\n550-5.1.1 not exist.\r\n550 5.1.1  https://x.example')).toEqual({
      code: 550,
      enhanced: '5.1.1',
      text: 'The account does not exist.  https://x.example',
    });
    expect(parseReply('550-Verification failed\n550-No Such User Here\n550 5.1.0 Sender verify failed')).toMatchObject({
      enhanced: '5.1.0',
    });
    const exim = '550-Verification failed for <bo@example.com>\n550-No Such User Here"\n550 Sender verify failed';
    expect(classOf('rcpt', exim)).toBe('sender');
  });

  test('what is no SMTP is a fault of the connection, and unknown once the mail was handed over', () => {
    expect(classifyReply({ phase: 'greeting', reply: 'HTTP/1.1 400 Bad Request' })).toMatchObject({
      class: 'connection',
      remedy: 'not-smtp',
    });
    expect(classOf('accept', 'HTTP/1.1 400 Bad Request')).toBe('unknown');
    expect(classOf('accept', '354 go on')).toBe('unknown');
    expect(classOf('mail', '250 2.1.0 Ok')).toBe('connection');
  });

  test('the reply tells how long to wait where it does', () => {
    const wait = (reply: string) => classifyReply({ phase: 'rcpt', reply }).retryAfter;
    expect(wait('451 4.7.1 Greylisting in action, please come back in 00:05:00')).toBe(minutes(5));
    expect(wait('450 4.2.0 Greylisted for 300 seconds')).toBe(minutes(5));
    expect(wait('451 4.7.1 Please try again in 2 hours')).toBe(hours(2));
    expect(wait('451 4.7.1 Please try again in 99999 hours')).toBe(hours(24));
    expect(wait('550 5.1.1 unknown, try again in 5 minutes')).toBeUndefined();
  });

  test('law 6: a reply that repeats the login is kept without it, and is one short line', () => {
    const secret = Buffer.from('\0user\0correct horse battery staple').toString('base64');
    const echoed = classifyReply({ phase: 'auth', reply: `500 5.5.1 Unknown command: AUTH PLAIN ${secret}` });
    expect(echoed.reply).toBe('500 5.5.1 Unknown command: AUTH PLAIN […]');
    const step = classifyReply({ phase: 'auth', reply: `500 5.5.1 Unknown command: ${secret}` });
    expect(step.reply).not.toContain(secret.slice(0, 12));
    expect(presentable('got eyJ0eXAiOiJKV1Qi.eyJhdWQiOiJ4In0.c2ln here')).toBe('got […] here');
    const long = classifyReply({ phase: 'accept', reply: `554-5.3.0 one\r\n554 5.3.0 ${'x'.repeat(5000)}` }).reply;
    expect(long).toHaveLength(1000);
    expect(long).not.toMatch(/[\r\n]/);
  });
});
