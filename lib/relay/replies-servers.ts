import { hours, minutes, seconds } from '../clock.ts';
import type { Rule } from './replies.ts';

/**
 * Texts of other servers (Postfix, Exim, Gmail, Amazon SES, SendGrid, Azure Communication Services) where the words say
 * more than the codes. Many servers judge the client, the login and the sender only when they see the first recipient,
 * so that the fault comes as a reply to RCPT.
 */
export const serverReplies: readonly Rule[] = [
  // The relay does not know us, or not well enough.
  {
    id: 'starttls-required',
    phase: ['mail', 'ehlo', 'auth', 'rcpt'],
    text: /must issue a STARTTLS command first|encryption (is )?required|STARTTLS is required/i,
    is: 'connection',
    remedy: 'starttls-required',
    example: '530 5.7.0 Must issue a STARTTLS command first',
  },
  {
    id: 'auth-not-advertised',
    phase: ['auth'],
    code: 503,
    text: /not advertised|not enabled|not available/i,
    is: 'auth',
    remedy: 'auth-not-offered',
    example: '503 AUTH command used when not advertised',
  },
  {
    id: 'app-password',
    phase: ['auth'],
    code: 534,
    text: /application-specific password/i,
    is: 'auth',
    remedy: 'app-password',
    example:
      '534-5.7.9 Application-specific password required. For more information, go to\n534 5.7.9  https://support.google.com/mail/?p=InvalidSecondFactor 5b1f17b1804b1-4f0e - gsmtp',
  },
  {
    id: 'ses-not-authorised',
    text: /^Access denied: User `?arn:/i,
    is: 'auth',
    remedy: 'not-authorised',
    example:
      '554 Access denied: User `arn:aws:iam::123456789012:user/postern` is not authorized to perform `ses:SendRawEmail`',
  },
  {
    id: 'relaying-denied-later',
    phase: ['rcpt'],
    code: '4xx',
    text: /relay access denied|relay(ing)? (is )?(denied|not permitted|prohibited)/i,
    is: 'temporary',
    cap: { attempts: 3, to: 'sender' },
    remedy: 'relaying-denied',
    example: '454 4.7.1 <ana@example.net>: Relay access denied',
  },
  {
    id: 'relaying-denied',
    phase: ['rcpt', 'mail', 'data'],
    code: '5xx',
    text: /relay access denied|relay(ing)? (is )?(denied|not permitted|prohibited)|unable to relay/i,
    is: 'sender',
    remedy: 'relaying-denied',
    example: '554 5.7.1 <ana@example.net>: Relay access denied',
  },
  {
    id: 'client-listed',
    phase: ['rcpt', 'connect', 'greeting', 'ehlo', 'mail'],
    code: '5xx',
    text: /client host .*(blocked|rejected)|blocked using |listed (at|by|in|on) \S+\.\S+/i,
    is: 'sender',
    remedy: 'client-refused',
    example:
      '554 5.7.1 Service unavailable; Client host [203.0.113.7] blocked using zen.spamhaus.org; https://www.spamhaus.org/query/ip/203.0.113.7',
  },
  {
    id: 'client-unknown-later',
    phase: ['rcpt', 'mail'],
    code: '4xx',
    text: /client host rejected/i,
    is: 'temporary',
    cap: { attempts: 5, to: 'sender' },
    remedy: 'client-refused',
    example: '450 4.7.1 Client host rejected: cannot find your hostname, [203.0.113.7]',
  },
  {
    id: 'helo-rejected',
    phase: ['rcpt', 'ehlo', 'mail'],
    code: '5xx',
    text: /helo command rejected/i,
    is: 'sender',
    remedy: 'client-refused',
    example: '504 5.5.2 <localhost>: Helo command rejected: need fully-qualified hostname',
  },

  // The sender address.
  {
    id: 'sender-not-owned',
    phase: ['rcpt', 'mail'],
    code: '5xx',
    text: /sender address rejected: not (owned by user|logged in)/i,
    is: 'sender',
    scope: 'from',
    remedy: 'sender-refused',
    example: '553 5.7.1 <bo@example.com>: Sender address rejected: not owned by user files@example.com',
  },
  {
    id: 'sender-rejected',
    phase: ['rcpt', 'mail', 'data', 'accept'],
    code: '5xx',
    text: /sender address rejected|sender (verify|verification) failed|from address does not match a verified|email address is not verified|sender rejected/i,
    is: 'sender',
    scope: 'from',
    remedy: 'sender-refused',
    example: '550 5.1.8 <bo@example.invalid>: Sender address rejected: Domain not found',
  },
  {
    id: 'sender-rejected-later',
    phase: ['rcpt', 'mail'],
    code: '4xx',
    text: /sender address rejected|sender (verify|verification) failed/i,
    is: 'temporary',
    cap: { attempts: 5, to: 'sender' },
    remedy: 'sender-refused',
    example: '450 4.1.8 <bo@example.invalid>: Sender address rejected: Domain not found',
  },
  {
    id: 'sending-suspended',
    code: '5xx',
    text: /sending (is )?(suspended|paused|disabled) for this account/i,
    is: 'sender',
    remedy: 'account-suspended',
    example: '554 Message rejected: Sending suspended for this account. For more information, please check the inbox',
  },

  // Limits of the relay.
  {
    id: 'gmail-day-quota',
    code: 550,
    enhanced: '5.4.5',
    is: 'quota',
    wait: hours(24),
    remedy: 'relay-day-limit',
    example:
      '550-5.4.5 Daily user sending limit exceeded. For more information on Gmail\n550-5.4.5 sending limits go to\n550 5.4.5  https://support.google.com/a/answer/166852 5b1f17b1804b1-4f0e - gsmtp',
  },
  {
    id: 'relay-day-quota',
    text: /daily (message quota|(user|smtp relay) sending (limit|quota)) exceeded|maximum credits exceeded/i,
    is: 'quota',
    wait: hours(4),
    remedy: 'relay-day-limit',
    example: '454 Throttling failure: Daily message quota exceeded.',
  },
  {
    id: 'relay-rate',
    text: /maximum sending rate exceeded|excessive message rate|sending rate limit|rate limit exceeded|too many messages/i,
    code: '4xx',
    is: 'temporary',
    wait: minutes(1),
    remedy: 'relay-rate',
    example: '454 Throttling failure: Maximum sending rate exceeded.',
  },
  {
    id: 'too-many-logins',
    phase: ['auth'],
    code: '4xx',
    text: /too many (failed )?(login|auth)/i,
    is: 'temporary',
    wait: minutes(15),
    remedy: 'too-many-logins',
    example: '454 4.7.0 Too many login attempts, please try again later. 5b1f17b1804b1-4f0e - gsmtp',
  },
  {
    id: 'too-many-recipients',
    phase: ['rcpt'],
    code: [450, 451, 452],
    enhanced: '4.5.3',
    is: 'temporary',
    wait: minutes(1),
    remedy: 'too-many-recipients',
    example: '452 4.5.3 Error: too many recipients',
  },

  // The recipient.
  {
    id: 'greylisted',
    phase: ['rcpt', 'data', 'accept', 'mail'],
    code: [450, 451, 421],
    text: /gr[ea]y-?list/i,
    is: 'temporary',
    wait: minutes(5),
    example:
      '450 4.2.0 <ana@example.net>: Recipient address rejected: Greylisted, see http://postgrey.schweikert.ch/help/example.net.html',
  },
  {
    id: 'recipient-access-denied',
    phase: ['rcpt'],
    code: '5xx',
    enhanced: '5.7.1',
    text: /recipient address rejected|RESOLVER\.RST/i,
    is: 'recipient',
    remedy: 'restricted-recipient',
    example: '554 5.7.1 <board@example.net>: Recipient address rejected: Access denied',
  },

  {
    id: 'login-wanted',
    phase: ['mail', 'rcpt', 'data'],
    code: '5xx',
    text: /authentication (is )?required|unauthenticated senders not allowed/i,
    is: 'auth',
    remedy: 'not-logged-in',
    example: '550 Unauthenticated senders not allowed',
  },

  // The message.
  {
    id: 'sender-domain-unauthenticated',
    phase: ['accept', 'data', 'mail', 'rcpt'],
    code: 550,
    enhanced: ['5.7.26', '5.7.20', '5.7.21', '5.7.22', '5.7.23', '5.7.24', '5.7.509'],
    is: 'sender',
    remedy: 'sender-domain-authentication',
    example:
      '550-5.7.26 This mail has been blocked because the sender is unauthenticated.\n550-5.7.26 Gmail requires all senders to authenticate with either SPF or DKIM.\n550 5.7.26  https://support.google.com/mail/answer/81126#authentication - gsmtp',
  },
  {
    id: 'unusual-rate',
    enhanced: ['4.7.28', '5.7.28'],
    is: 'temporary',
    wait: minutes(30),
    remedy: 'relay-rate',
    example:
      '421-4.7.28 Gmail has detected an unusual rate of unsolicited mail originating\n421 4.7.28 from your IP address. To protect our users from spam, mail has been rate limited - gsmtp',
  },
  {
    id: 'spam-content',
    phase: ['accept', 'data'],
    code: '5xx',
    text: /spam|unsolicited|content (was )?rejected|virus|malware|phish/i,
    is: 'message',
    remedy: 'content-refused',
    example: '554 5.7.1 Message rejected: spam content detected',
  },
  {
    id: 'blocked-attachment',
    phase: ['accept'],
    code: 552,
    enhanced: '5.7.0',
    is: 'message',
    remedy: 'content-refused',
    example:
      '552-5.7.0 This message was blocked because its content presents a potential\n552 5.7.0 security issue. https://support.google.com/mail/?p=BlockedMessage - gsmtp',
  },
  {
    id: 'too-big-in-words',
    code: '5xx',
    text: /(message|mail) (size|length|too (big|large)|is too (big|large)).*(exceed|limit|too|maximum|$)/i,
    is: 'message',
    remedy: 'message-too-big',
    example: '552 Message size exceeds maximum permitted',
  },
  {
    id: 'out-of-step',
    code: 503,
    phase: ['mail', 'rcpt', 'data', 'accept'],
    is: 'temporary',
    wait: seconds(30),
    example: '503 5.5.1 Error: nested MAIL command',
  },
];
