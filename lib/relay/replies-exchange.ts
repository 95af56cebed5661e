import { hours, minutes, seconds } from '../clock.ts';
import type { Rule } from './replies.ts';

/**
 * Exchange Online client submission. Texts of learn.microsoft.com (non-delivery reports in Exchange Online, authenticated
 * client SMTP submission, continuous error throttling) and of replies that administrators have published. The words are
 * matched, never the host and time behind them.
 */
export const exchangeReplies: readonly Rule[] = [
  // Login. The switches for SMTP AUTH hold for XOAUTH2 as for a password.
  {
    id: 'exchange-smtp-auth-off-tenant',
    code: 535,
    enhanced: '5.7.139',
    text: /SmtpClientAuthentication is disabled for the Tenant/i,
    is: 'auth',
    remedy: 'smtp-auth-off-for-tenant',
    example:
      '535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the Tenant. Visit https://aka.ms/smtp_auth_disabled for more information. [AM0PR06CA0118.eurprd06.prod.outlook.com 2026-03-02T09:14:11.482Z 08DE7A1B2C3D4E5F]',
  },
  {
    id: 'exchange-smtp-auth-off-mailbox',
    code: 535,
    enhanced: '5.7.139',
    text: /SmtpClientAuthentication is disabled for the Mailbox/i,
    is: 'auth',
    remedy: 'smtp-auth-off-for-mailbox',
    example:
      '535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the Mailbox. Visit https://aka.ms/smtp_auth_disabled for more information. [AM0PR06CA0118.eurprd06.prod.outlook.com]',
  },
  {
    id: 'exchange-security-defaults',
    code: 535,
    enhanced: '5.7.139',
    text: /security defaults policy/i,
    is: 'auth',
    remedy: 'security-defaults',
    example:
      "535 5.7.139 Authentication unsuccessful, user is locked by your organization's security defaults policy. Contact your administrator. [SN2PR00CA0018.namprd00.prod.outlook.com]",
  },
  {
    id: 'exchange-conditional-access',
    code: 535,
    enhanced: '5.7.139',
    text: /did not meet the criteria to be authenticated/i,
    is: 'auth',
    remedy: 'conditional-access',
    example:
      '535 5.7.139 Authentication unsuccessful, the request did not meet the criteria to be authenticated successfully. Contact your administrator. [SN2PR00CA0018.namprd00.prod.outlook.com]',
  },
  {
    id: 'exchange-token-incorrect',
    code: 535,
    enhanced: '5.7.139',
    text: /user credentials were incorrect/i,
    login: 'xoauth2',
    is: 'auth',
    remedy: 'token-refused',
    example:
      '535 5.7.139 Authentication unsuccessful, the user credentials were incorrect. [SN2PR00CA0018.namprd00.prod.outlook.com]',
  },
  {
    id: 'exchange-credentials-incorrect',
    code: 535,
    enhanced: '5.7.139',
    text: /user credentials were incorrect/i,
    is: 'auth',
    remedy: 'wrong-password',
    example:
      '535 5.7.139 Authentication unsuccessful, the user credentials were incorrect. [SN2PR00CA0018.namprd00.prod.outlook.com]',
  },
  {
    id: 'exchange-basic-disabled',
    code: 535,
    enhanced: '5.7.139',
    text: /basic authentication is disabled/i,
    is: 'auth',
    remedy: 'basic-auth-refused',
    example:
      '535 5.7.139 Authentication unsuccessful, basic authentication is disabled. [SN2PR00CA0018.namprd00.prod.outlook.com]',
  },
  {
    id: 'exchange-federation-unreachable',
    code: 535,
    enhanced: '5.7.139',
    text: /federated STS service was unreachable/i,
    is: 'temporary',
    wait: minutes(5),
    cap: { attempts: 3, to: 'auth' },
    remedy: 'federation',
    example:
      '535 5.7.139 Authentication unsuccessful, federated STS service was unreachable. [SN2PR00CA0018.namprd00.prod.outlook.com]',
  },
  {
    id: 'exchange-federation-not-https',
    code: 535,
    enhanced: '5.7.139',
    text: /federated STS URL does not support HTTPS/i,
    is: 'auth',
    remedy: 'federation',
    example:
      '535 5.7.139 Authentication unsuccessful, the federated STS URL does not support HTTPS. [SN2PR00CA0018.namprd00.prod.outlook.com]',
  },
  // The same words for a token and for a password. Each of the two kinds of login has its own remedy.
  {
    id: 'exchange-token-refused',
    code: 535,
    enhanced: ['5.7.139', '5.7.3'],
    login: 'xoauth2',
    is: 'auth',
    remedy: 'token-refused',
    example:
      '535 5.7.3 Authentication unsuccessful [SN2PR00CA0018.namprd00.prod.outlook.com 2026-03-02T09:14:11.482Z 08DE7A1B2C3D4E5F]',
  },
  {
    id: 'exchange-password-refused',
    code: 535,
    enhanced: ['5.7.139', '5.7.3'],
    is: 'auth',
    remedy: 'wrong-password',
    example: '535 5.7.139 Authentication unsuccessful [SN2PR00CA0018.namprd00.prod.outlook.com]',
  },
  {
    id: 'exchange-basic-retired',
    enhanced: '5.7.30',
    is: 'auth',
    remedy: 'basic-auth-refused',
    example: '550 5.7.30 Basic authentication is not supported for Client Submission.',
  },
  {
    id: 'exchange-not-logged-in',
    enhanced: '5.7.57',
    is: 'auth',
    remedy: 'not-logged-in',
    example:
      '530 5.7.57 Client not authenticated to send mail. [AM0PR06CA0118.eurprd06.prod.outlook.com 2026-03-02T09:14:11.482Z]',
  },
  {
    // A 4xx that never passes: the service principal lacks the right on the mailbox.
    id: 'exchange-logon-failure',
    code: 430,
    enhanced: '4.2.0',
    text: /mailbox logon failure/i,
    is: 'temporary',
    wait: minutes(5),
    cap: { attempts: 3, to: 'auth' },
    remedy: 'app-only-permission',
    example:
      '430 4.2.0 STOREDRV; mailbox logon failure; STOREDRV.Submission.Exception:ConnectionFailedTransientException.MapiExceptionLogonFailed; Failed to process message due to a transient exception with message Cannot open mailbox.',
  },

  // Who may send as whom.
  {
    id: 'exchange-no-send-as',
    enhanced: '5.7.60',
    is: 'sender',
    scope: 'from',
    remedy: 'send-as',
    example: '550 5.7.60 SMTP; Client does not have permissions to send as this sender',
  },
  {
    id: 'exchange-send-as-denied',
    enhanced: '5.2.252',
    text: /SendAsDenied;/i,
    is: 'sender',
    scope: 'from',
    remedy: 'send-as',
    example:
      '554 5.2.252 SendAsDenied; files@example.com not allowed to send as bo@example.com; STOREDRV.Submission.Exception:SendAsDeniedException.MapiExceptionSendAsDenied; Failed to process message due to a permanent exception with message Cannot submit message.',
  },
  {
    id: 'exchange-send-as-denied-older',
    enhanced: '5.2.0',
    text: /SendAsDenied/i,
    is: 'sender',
    scope: 'from',
    remedy: 'send-as',
    example:
      '554 5.2.0 STOREDRV.Submission.Exception:SendAsDeniedException.MapiExceptionSendAsDenied; Failed to process message due to a permanent exception with message Cannot submit message.',
  },

  // Limits. A 5xx here passes when the window of 24 hours has moved.
  {
    id: 'exchange-submission-quota',
    enhanced: ['5.2.0', '5.2.2'],
    text: /SubmissionQuotaExceeded/i,
    is: 'quota',
    wait: hours(4),
    remedy: 'relay-day-limit',
    example:
      '554 5.2.0 STOREDRV.Submission.Exception:SubmissionQuotaExceededException; Failed to process message due to a permanent exception with message The message cannot be submitted because the sender has exceeded the submission quota.',
  },
  {
    id: 'exchange-submission-quota-newer',
    enhanced: '5.2.2',
    text: /submission quota exceeded/i,
    is: 'quota',
    wait: hours(24),
    remedy: 'relay-day-limit',
    example: '550 5.2.2 Submission quota exceeded',
  },
  {
    id: 'exchange-day-limit-recipients',
    enhanced: '5.1.90',
    is: 'quota',
    wait: hours(24),
    remedy: 'relay-day-limit',
    example: "550 5.1.90 Your message can't be sent because you've reached your daily limit for message recipients",
  },
  {
    id: 'exchange-tenant-recipients-exceeded',
    enhanced: ['5.7.232', '5.7.233'],
    is: 'quota',
    wait: hours(24),
    remedy: 'tenant-recipient-limit',
    example:
      "550 5.7.233 Your message can't be sent because your tenant exceeded its daily limit for sending email to external recipients (tenant external recipient rate limit).",
  },
  {
    id: 'exchange-sender-mailbox-full',
    enhanced: '5.2.2',
    text: /STOREDRV\.Submission.*QuotaExceeded/i,
    is: 'sender',
    remedy: 'sender-mailbox-full',
    example:
      '554 5.2.2 mailbox full; STOREDRV.Submission.Exception:QuotaExceededException.MapiExceptionShutoffQuotaExceeded; Failed to process message due to a permanent exception with message Cannot submit message.',
  },
  {
    id: 'exchange-too-many-connections',
    code: 432,
    enhanced: '4.3.2',
    text: /Concurrent connections limit exceeded|sender thread limit exceeded/i,
    is: 'temporary',
    wait: minutes(1),
    remedy: 'too-many-connections',
    example:
      '432 4.3.2 Concurrent connections limit exceeded. Visit https://aka.ms/concurrent_sending for more information. [Hostname=AM0PR06MB4242.eurprd06.prod.outlook.com]',
  },
  {
    id: 'exchange-recipient-throttled',
    code: 432,
    enhanced: '4.3.2',
    text: /recipient thread limit exceeded/i,
    is: 'temporary',
    wait: minutes(5),
    example: '432 4.3.2 STOREDRV.Deliver; recipient thread limit exceeded',
  },
  {
    id: 'exchange-recipient-hour-limit',
    enhanced: ['5.2.121', '5.2.122', '4.2.121', '4.2.122'],
    is: 'temporary',
    wait: hours(1),
    example: '550 5.2.121 The recipient has exceeded their limit for the number of messages they can receive per hour.',
  },
  {
    id: 'exchange-temporary-server-error',
    code: 451,
    enhanced: '4.7.0',
    text: /Temporary server error/i,
    is: 'temporary',
    wait: minutes(1),
    example: '451 4.7.0 Temporary server error. Please try again later. PRX5 [AM0PR06CA0118.eurprd06.prod.outlook.com]',
  },

  // The account or the tenant is shut off. Going on makes it worse.
  {
    id: 'exchange-mailbox-blocked',
    enhanced: '5.1.8',
    text: /bad outbound sender/i,
    is: 'sender',
    remedy: 'mailbox-blocked',
    example: '550 5.1.8 Access denied, bad outbound sender AS(42004)',
  },
  {
    id: 'exchange-tenant-blocked',
    enhanced: '5.7.705',
    is: 'sender',
    remedy: 'tenant-blocked',
    example: '550 5.7.705 Access denied, tenant has exceeded threshold',
  },
  {
    id: 'exchange-ip-not-accepted',
    enhanced: '5.7.708',
    is: 'sender',
    remedy: 'traffic-not-accepted',
    example: '550 5.7.708 Access denied, traffic not accepted from this IP',
  },
  {
    id: 'exchange-unregistered-domain',
    enhanced: '5.7.750',
    is: 'sender',
    remedy: 'domain-not-registered',
    example: '550 5.7.750 Service unavailable. Client blocked from sending from unregistered domains.',
  },
  {
    id: 'exchange-account-banned',
    enhanced: ['5.7.501', '5.7.502', '5.7.503'],
    is: 'sender',
    remedy: 'account-banned',
    example: '550 5.7.501 Access denied, spam abuse detected. The sending account has been banned.',
  },
  {
    // Exchange slows the mailbox for every program that uses it while somebody goes on failing alike.
    id: 'exchange-throttled-for-errors',
    enhanced: ['5.2.251', '5.2.252', '5.2.253', '5.2.254', '5.2.255'],
    is: 'sender',
    wait: hours(1),
    remedy: 'throttled-for-errors',
    example: '550 5.2.254 Sender throttled due to continuous too many recipients errors',
  },
  {
    id: 'exchange-domain-authentication',
    enhanced: '5.7.515',
    is: 'sender',
    remedy: 'sender-domain-authentication',
    example: '550 5.7.515 Access denied, sending domain example.com does not meet the required authentication level.',
  },

  // Refusals that are the recipient's own choice, although they are in the 5.7 class.
  {
    id: 'exchange-restricted-recipient',
    code: '5xx',
    enhanced: ['5.7.12', '5.7.124', '5.7.129', '5.7.133', '5.7.134', '5.7.135', '5.7.136', '5.7.193'],
    is: 'recipient',
    remedy: 'restricted-recipient',
    example:
      '550 5.7.133 RESOLVER.RST.SenderNotAuthenticatedForGroup; authentication required; Delivery restriction check failed because the sender was not authenticated when sending to this group',
  },
  {
    id: 'exchange-directory-blocked',
    phase: ['rcpt'],
    code: '5xx',
    enhanced: '5.4.1',
    text: /Recipient address rejected/i,
    is: 'recipient',
    example:
      '550 5.4.1 Recipient address rejected: Access denied. [AM0EUR02FT042.eop-EUR02.prod.protection.outlook.com]',
  },
  {
    id: 'exchange-busy',
    code: 451,
    enhanced: ['4.7.500', '4.7.550', '4.7.650', '4.7.651'],
    is: 'temporary',
    wait: seconds(60),
    example: '451 4.7.500 Server busy. Please try again later from [203.0.113.7]. (AS77713281)',
  },
];
