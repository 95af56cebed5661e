import { minutes } from '../clock.ts';
import type { Phase } from './outcome.ts';
import type { Rule } from './replies.ts';

const setUp: readonly Phase[] = ['connect', 'greeting', 'ehlo', 'dns'];
const transaction: readonly Phase[] = ['accept', 'data', 'rcpt', 'mail'];
const content: readonly Phase[] = ['accept', 'data', 'spawn'];

/**
 * What the RFCs say: 5321 (section 4.2, codes), 3463 and the IANA registry (enhanced codes), 4954 (login), 3207
 * (STARTTLS), 6531 (international addresses), 7505 (null MX), 7372 (authentication of the sender's domain). The code
 * says whether for good, the enhanced code what it is about, and the phase what was asked.
 */
export const standardReplies: readonly Rule[] = [
  // Before the mail.
  {
    id: 'shutting-down-at-set-up',
    phase: ['greeting', 'connect', 'dns', 'ehlo', 'tls', 'auth'],
    code: 421,
    is: 'connection',
    wait: minutes(1),
    remedy: 'relay-unavailable',
    example: '421 4.3.2 Service not available',
  },
  {
    id: 'set-up-later',
    phase: setUp,
    code: '4xx',
    is: 'connection',
    remedy: 'relay-unavailable',
    example: '450 4.3.2 Too many connections from your host',
  },
  {
    id: 'set-up-refused',
    phase: setUp,
    code: '5xx',
    is: 'connection',
    remedy: 'client-refused',
    example: '554 5.7.1 No SMTP service here',
  },
  {
    id: 'starttls-refused-later',
    phase: ['tls'],
    code: '4xx',
    is: 'connection',
    remedy: 'starttls-refused',
    example: '454 4.7.0 TLS not available due to temporary reason',
  },
  {
    id: 'starttls-refused',
    phase: ['tls'],
    code: '5xx',
    is: 'connection',
    remedy: 'starttls-refused',
    example: '502 5.5.1 STARTTLS not supported',
  },

  // Login (RFC 4954, section 6).
  {
    id: 'password-transition',
    phase: ['auth'],
    code: 432,
    enhanced: '4.7.12',
    is: 'auth',
    remedy: 'wrong-password',
    example: '432 4.7.12 A password transition is needed',
  },
  {
    id: 'login-later',
    phase: ['auth'],
    code: '4xx',
    is: 'temporary',
    wait: minutes(1),
    example: '454 4.7.0 Temporary authentication failure',
  },
  {
    id: 'login-needs-encryption',
    phase: ['auth', 'mail'],
    code: '5xx',
    enhanced: ['*.7.10', '*.7.11'],
    is: 'connection',
    remedy: 'starttls-required',
    example: '550 5.7.10 Encryption needed',
  },
  {
    id: 'login-needs-encryption-older',
    code: [523, 538],
    is: 'connection',
    remedy: 'starttls-required',
    example: '538 Encryption required for requested authentication mechanism',
  },
  {
    id: 'mechanism-refused',
    phase: ['auth'],
    code: [504, 534],
    is: 'auth',
    remedy: 'auth-mechanism',
    example: '504 5.5.4 Unrecognized authentication type',
  },
  {
    id: 'login-not-offered',
    phase: ['auth'],
    code: [500, 502, 503],
    is: 'auth',
    remedy: 'auth-not-offered',
    example: '502 5.5.1 Command not implemented',
  },
  {
    id: 'login-required',
    code: 530,
    is: 'auth',
    remedy: 'not-logged-in',
    example: '530 5.7.0 Authentication required',
  },
  {
    id: 'login-refused-in-transaction',
    phase: ['mail', 'rcpt', 'data', 'accept', 'spawn'],
    code: [534, 535],
    is: 'auth',
    remedy: 'wrong-password',
    example: '535 5.7.8 Authentication credentials invalid',
  },
  {
    id: 'login-refused',
    phase: ['auth'],
    code: '5xx',
    is: 'auth',
    remedy: 'wrong-password',
    example: '535 5.7.8 Error: authentication failed: (reason unavailable)',
  },

  // Every other 4xx passes. Where it comes from, the schedule decides.
  {
    id: 'shutting-down-at-mail',
    phase: ['mail'],
    code: 421,
    is: 'connection',
    wait: minutes(1),
    remedy: 'relay-unavailable',
    example: '421 4.4.2 Connection dropped due to time-out',
  },
  {
    id: 'shutting-down',
    code: 421,
    is: 'temporary',
    wait: minutes(1),
    example: '421 4.4.2 mx.example.net Error: timeout exceeded',
  },
  {
    id: 'mailbox-full-for-now',
    phase: ['rcpt', 'accept', 'data'],
    code: '4xx',
    enhanced: '*.2.2',
    is: 'temporary',
    wait: minutes(30),
    remedy: 'recipient-mailbox-full',
    example:
      "452-4.2.2 The recipient's inbox is out of storage space. Please direct the\n452 4.2.2 recipient to https://support.google.com/mail/?p=OverQuotaTemp - gsmtp",
  },
  {
    id: 'policy-for-now',
    phase: ['rcpt', 'accept', 'data'],
    code: [450, 451],
    enhanced: '*.7.1',
    is: 'temporary',
    wait: minutes(5),
    example: '451 4.7.1 Try again later',
  },
  { id: 'later', code: '4xx', is: 'temporary', example: '451 4.3.0 Temporary lookup failure' },

  // For good: the address of the sender.
  {
    id: 'sender-address',
    phase: ['mail', 'rcpt', 'accept', 'data'],
    code: '5xx',
    enhanced: ['*.1.7', '*.1.8', '*.7.27'],
    is: 'sender',
    scope: 'from',
    remedy: 'sender-refused',
    example: "553 5.1.7 The sender's mailbox address is not a valid address",
  },
  {
    id: 'login-invalid',
    phase: transaction,
    code: '5xx',
    enhanced: ['*.7.8', '*.7.9', '*.7.13', '*.7.14'],
    is: 'auth',
    remedy: 'wrong-password',
    example: '550 5.7.13 User account disabled',
  },

  // International addresses, size and form.
  {
    id: 'international-address',
    phase: transaction,
    code: '5xx',
    enhanced: ['*.6.7', '*.6.8', '*.6.9', '*.6.10'],
    is: 'message',
    remedy: 'international-address',
    example: '550 5.6.7 Non-ASCII addresses not permitted for that sender/recipient',
  },
  {
    id: 'too-big',
    code: '5xx',
    phase: [...transaction, 'spawn'],
    enhanced: ['*.3.4', '*.2.3'],
    is: 'message',
    remedy: 'message-too-big',
    example: '552 5.3.4 Error: message file too big',
  },
  {
    id: 'content',
    phase: [...transaction, 'spawn'],
    code: '5xx',
    enhanced: '*.6.*',
    is: 'message',
    remedy: 'content-refused',
    example: '554 5.6.0 Message content is not acceptable',
  },

  // RCPT: the recipient, unless the enhanced code says otherwise.
  {
    id: 'recipient-unknown',
    phase: ['rcpt'],
    code: '5xx',
    enhanced: ['*.1.0', '*.1.1', '*.1.3', '*.1.6', '*.1.10'],
    is: 'recipient',
    remedy: 'recipient-unknown',
    suppressible: true,
    example: '550 5.1.1 <ana@example.net>: Recipient address rejected: User unknown in local recipient table',
  },
  {
    // About the recipient's domain: the relay's own DNS may be at fault, so this never suppresses.
    id: 'recipient-domain',
    phase: ['rcpt'],
    code: '5xx',
    enhanced: ['*.1.*', '*.4.*'],
    is: 'recipient',
    remedy: 'recipient-unknown',
    example: '550 5.1.2 <ana@example.invalid>: Recipient address rejected: Domain not found',
  },
  // By its words only where no enhanced code says more: "no such user" of a 5.1.1 is the row above.
  {
    id: 'unroutable',
    phase: ['rcpt'],
    code: '5xx',
    text: /^(\S+: )?(unroute?able (mail )?(address|domain)|no such (user|recipient|mailbox|domain)|(unknown|invalid) (user|recipient|mailbox))/i,
    is: 'recipient',
    remedy: 'recipient-unknown',
    example: '550 Unrouteable address',
  },
  {
    id: 'mailbox-full',
    phase: ['rcpt', 'accept', 'data'],
    code: '5xx',
    enhanced: '*.2.2',
    is: 'recipient',
    remedy: 'recipient-mailbox-full',
    example:
      "552-5.2.2 The recipient's inbox is out of storage space and inactive. Please\n552 5.2.2 direct the recipient to https://support.google.com/mail/?p=OverQuotaPerm - gsmtp",
  },
  {
    id: 'recipient-mailbox',
    phase: ['rcpt', 'accept', 'data'],
    code: '5xx',
    enhanced: '*.2.*',
    is: 'recipient',
    example: '550 5.2.1 The email account that you tried to reach is disabled',
  },
  {
    id: 'recipient-list-or-owner',
    phase: ['rcpt', 'accept'],
    code: '5xx',
    enhanced: ['*.7.2', '*.7.17', '*.7.18'],
    is: 'recipient',
    remedy: 'restricted-recipient',
    example: '550 5.7.17 Mailbox owner has changed',
  },
  {
    // A policy that names no recipient refuses everybody alike: the login, the address or the sender, not this address.
    id: 'policy-at-recipient',
    phase: ['rcpt'],
    code: '5xx',
    enhanced: '*.7.*',
    is: 'sender',
    remedy: 'sender-refused',
    example: '550 5.7.1 Message rejected due to local policy',
  },
  {
    id: 'storage-at-recipient',
    phase: ['rcpt'],
    code: 552,
    is: 'recipient',
    remedy: 'recipient-mailbox-full',
    example: '552 Requested mail action aborted: exceeded storage allocation',
  },
  {
    id: 'recipient-refused',
    phase: ['rcpt'],
    code: '5xx',
    is: 'recipient',
    example: '550 Requested action not taken: mailbox unavailable',
  },

  // MAIL: the sender. Parameters that the relay does not take are this mail's.
  {
    id: 'sender-size',
    phase: ['mail'],
    code: 552,
    is: 'message',
    remedy: 'message-too-big',
    example: '552 Requested mail action aborted: exceeded storage allocation',
  },
  {
    id: 'sender-parameters',
    phase: ['mail'],
    code: 555,
    is: 'message',
    example: '555 5.5.4 Unsupported option: SMTPUTF8',
  },
  {
    id: 'sender-address-refused',
    phase: ['mail'],
    code: '5xx',
    enhanced: '*.1.*',
    is: 'sender',
    scope: 'from',
    remedy: 'sender-refused',
    example: '553 5.1.3 The address is not a valid RFC 5321 address',
  },
  {
    id: 'sender-refused',
    phase: ['mail'],
    code: '5xx',
    is: 'sender',
    remedy: 'sender-refused',
    example: '550 5.7.1 Sender not allowed',
  },

  // DATA and its end: the message, unless it is about the mailbox after all.
  {
    id: 'recipient-after-data',
    phase: content,
    code: '5xx',
    enhanced: '*.1.*',
    is: 'recipient',
    remedy: 'recipient-unknown',
    example: '550 5.1.1 User unknown',
  },
  {
    id: 'no-recipients',
    phase: ['data'],
    code: '5xx',
    text: /no valid recipients/i,
    is: 'recipient',
    example: '554 5.5.1 Error: no valid recipients',
  },
  {
    id: 'policy-after-data',
    phase: content,
    code: '5xx',
    enhanced: '*.7.*',
    is: 'message',
    remedy: 'content-refused',
    example: '550 5.7.1 Message rejected',
  },
  {
    id: 'message-refused',
    code: '5xx',
    is: 'message',
    example: '554 Transaction failed',
  },
];
