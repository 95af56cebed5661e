import type { Remedy } from '../http/remedy.ts';

const mailboxOn =
  'Exchange Online PowerShell: Set-CASMailbox -Identity files@example.com -SmtpClientAuthenticationDisabled $false';
const switchTime = 'Minutes, at most an hour.';

/**
 * Exchange Online and other Microsoft relays. Sources: learn.microsoft.com, "Enable or disable authenticated client SMTP
 * submission (SMTP AUTH) in Exchange Online", "Authenticate an IMAP, POP or SMTP connection using OAuth", "Fix issues
 * with printers, scanners, and LOB applications", the non-delivery report pages.
 */
export const exchangeRemedies = {
  'token-refused': {
    title: 'The relay refused the token',
    means: 'The token does not open this mailbox. Postern has already tried once more with a fresh one.',
    doThis: [
      'Check that the SMTP user is the account that signed in when the token was generated. For a shared mailbox, sign in as a person who has Send As on it, and put the shared address into From only.',
      'Check the scope: https://outlook.office.com/SMTP.Send with a sign-in, https://outlook.office365.com/.default for application access.',
      `Check that SMTP AUTH is on for this mailbox. ${mailboxOn}`,
      'Application access: check New-ServicePrincipal with the object id of the Enterprise application (not of the App registration) and Add-MailboxPermission -Identity files@example.com -User <object id> -AccessRights FullAccess.',
      'Then generate the OAuth token again.',
    ],
    takes: 'Up to an hour after a change of permission.',
  },
  'smtp-auth-off-for-tenant': {
    title: 'SMTP AUTH is off for the organisation',
    means:
      'The organisation has switched SMTP AUTH off and this mailbox follows it. The switch holds for OAuth as well as for passwords.',
    doThis: [
      `Leave the organisation as it is and switch on this one mailbox, which wins over the organisation. ${mailboxOn}`,
      'Or in the Microsoft 365 admin center: Users > Active users > the mailbox > Mail > Manage email apps, and tick Authenticated SMTP.',
      'Only if every mailbox shall be allowed: Exchange admin center > Settings > Mail flow, and UNTICK "Turn off SMTP AUTH protocol for your organization". Ticked means off. PowerShell: Set-TransportConfig -SmtpClientAuthenticationDisabled $false',
    ],
    takes: switchTime,
  },
  'smtp-auth-off-for-mailbox': {
    title: 'SMTP AUTH is off for this mailbox',
    means: 'The mailbox itself has SMTP AUTH switched off, whatever the organisation says.',
    doThis: [
      mailboxOn,
      'Or in the Microsoft 365 admin center: Users > Active users > the mailbox > Mail > Manage email apps, and tick Authenticated SMTP.',
      'To see what is set: Get-CASMailbox -Identity files@example.com | Format-List SmtpClientAuthenticationDisabled. Empty means that the organisation decides.',
    ],
    takes: switchTime,
  },
  'security-defaults': {
    title: 'Security defaults block the login',
    means: 'Microsoft Entra security defaults are on. They block SMTP AUTH for the whole organisation.',
    doThis: [
      'Do not simply turn security defaults off: they protect every account.',
      'Replace them with Conditional Access policies that demand the same of people and leave out this one mailbox. Microsoft Entra admin center > Protection > Conditional Access.',
      'Then Identity > Overview > Properties > Manage security defaults > Disabled.',
      'Or use a relay that does not need SMTP AUTH, for example Azure Communication Services.',
    ],
    takes: 'Planning by the identity team; the change itself works within an hour.',
  },
  'conditional-access': {
    title: 'A Conditional Access policy blocks the login',
    means:
      'A policy of the organisation refuses this account, this application or the place that the request comes from.',
    doThis: [
      'Microsoft Entra admin center > Monitoring > Sign-in logs: find the failed sign-in of the mailbox. The tab Conditional Access names the policy.',
      'Exclude the mailbox or the application from that policy ("block legacy authentication" is the usual one), or add the outbound addresses of the Functions app as a named location.',
      'Exchange authentication policies count too: Get-AuthenticationPolicy, Get-User files@example.com | Format-List AuthenticationPolicy.',
      'If the token was refused: generate the OAuth token again afterwards.',
    ],
    takes: 'Up to an hour after the policy is changed.',
  },
  'basic-auth-refused': {
    title: 'Login with a password is no longer allowed',
    means:
      'Exchange Online refuses basic authentication here. For existing organisations it is off by default from the end of December 2026, and new ones do not have it.',
    doThis: [
      'In the settings set SMTP Auth Type to XOAUTH2 and generate an OAuth token.',
      'An administrator of an existing organisation may switch basic authentication on again for a time, until Microsoft removes it for good.',
    ],
    takes: 'About half an hour to register the application in Entra.',
  },
  federation: {
    title: "The organisation's own sign-in service does not answer",
    means:
      'The account is federated. Exchange asked the federation service (for example AD FS) and got no usable answer.',
    doThis: [
      'Check that the federation service is reachable from the internet over HTTPS and that its certificate is valid.',
      'Or use a cloud-only mailbox, or set SMTP Auth Type to XOAUTH2.',
    ],
    takes: 'As long as the repair of the federation service.',
  },
  'not-logged-in': {
    title: 'The relay wants a login',
    means: 'The mail was offered without a login, or the login was lost.',
    doThis: [
      'In the settings turn SMTP Auth on, with user and password or XOAUTH2.',
      'Use port 587 with security TLS: Exchange offers login only after STARTTLS.',
    ],
    takes: 'At once.',
  },
  'app-only-permission': {
    title: 'The application may not open the mailbox',
    means:
      'The token is good, but the service principal has no right on this mailbox. Exchange says so with a temporary code that never passes.',
    doThis: [
      'New-ServicePrincipal -AppId <client id> -ObjectId <object id of the Enterprise application>',
      'Add-MailboxPermission -Identity files@example.com -User <object id of the Enterprise application> -AccessRights FullAccess',
      'Microsoft Entra admin center > App registrations > API permissions: SMTP.SendAsApp of Office 365 Exchange Online, with admin consent.',
    ],
    takes: 'Up to an hour.',
  },
  'send-as': {
    title: 'The mailbox may not send as this address',
    means: 'The From address is not the mailbox that logged in, and that mailbox has no Send As permission on it.',
    doThis: [
      'Set Email From Address to the SMTP user.',
      'Or: Add-RecipientPermission -Identity shared@example.com -Trustee files@example.com -AccessRights SendAs',
      'Application access: the permission of the service principal is not enough. Give Send As to the mailbox that logs in, or log in as the From mailbox.',
      'If users\' own addresses are the cause: turn on "Use From name and email".',
    ],
    takes: 'Up to an hour after the permission is given.',
  },
  'relay-day-limit': {
    title: "The relay's limit for a day is reached",
    means:
      'The relay takes no more mail from this account for now. Exchange Online takes 10,000 recipients for a mailbox within any 24 hours.',
    doThis: [
      'Nothing is lost: the mail waits and goes on by itself when the 24 hours have moved on.',
      'Set "Maximum emails in 24 hours" below the limit of the relay, so that priority mail keeps its reserve.',
      'If it happens often, use a relay made for volume, for example Azure Communication Services or Amazon SES.',
    ],
    takes: 'Up to 24 hours.',
  },
  'tenant-recipient-limit': {
    title: "The organisation's limit for external recipients is reached",
    means: 'All mailboxes of the organisation together have reached their limit of external recipients in 24 hours.',
    doThis: [
      'Nothing is lost: the mail waits and goes on by itself.',
      'Exchange admin center > Reports > Mail flow > Tenant Outbound External Recipients shows the limit and who used it.',
      'More licences raise it. For volume use a relay such as Azure Communication Services.',
    ],
    takes: 'Up to 24 hours.',
  },
  'sender-mailbox-full': {
    title: 'The mailbox that sends is full',
    means: 'Exchange keeps a copy of each mail in Sent Items, and there is no room left.',
    doThis: [
      'Empty Sent Items and Deleted Items of the mailbox.',
      'Give the mailbox a retention policy that deletes Sent Items after some days. Microsoft Purview > Data lifecycle management > Exchange (legacy).',
    ],
    takes: 'An hour after emptying; a retention policy may need a week to run first.',
  },
  'too-many-connections': {
    title: 'Too many connections for this mailbox',
    means: 'Exchange allows three connections at a time for one mailbox, all programs together.',
    doThis: [
      'Set Connections to 3 or less in the settings; less if another program uses the same mailbox.',
      'Better: give Postern a mailbox of its own.',
    ],
    takes: 'About a minute. The mail goes on by itself.',
  },
  'mailbox-blocked': {
    title: 'Microsoft has blocked the mailbox from sending',
    means: 'The mailbox is on the list of restricted entities, because its mail looked like spam.',
    doThis: [
      'Find out first whether the account was taken over: change the password, end its sessions, look at the sign-in logs.',
      'Then unblock it: https://security.microsoft.com/restrictedusers',
      'Look at what Postern sent before and remove the cause.',
    ],
    takes: 'One to 24 hours after unblocking.',
  },
  'tenant-blocked': {
    title: 'Microsoft has blocked the organisation from sending',
    means: 'The organisation has sent too much mail that looked like spam or bulk mail.',
    doThis: [
      'Stop the cause: taken-over accounts, open connectors, bulk mail. Do not go on trying.',
      'Then ask Microsoft support to lift the block: Microsoft 365 admin center > Support > Help & support.',
    ],
    takes: 'Hours to days. Only Microsoft can lift it.',
  },
  'traffic-not-accepted': {
    title: 'Microsoft does not take mail from this organisation yet',
    means: 'New and trial organisations send through addresses of low reputation, which are often refused.',
    doThis: [
      'Buy licences: paid organisations are not affected.',
      'Or ask Microsoft support: Microsoft 365 admin center > Support > Help & support.',
    ],
    takes: 'Hours to days.',
  },
  'domain-not-registered': {
    title: 'The sender domain is not registered',
    means: 'The From address is in a domain that the organisation has not added as an accepted domain.',
    doThis: [
      'Microsoft 365 admin center > Settings > Domains > Add domain, and prove that it is yours.',
      'Or set Email From Address to an address in a registered domain.',
    ],
    takes: 'About an hour after the DNS record is seen.',
  },
  'account-banned': {
    title: 'Microsoft has banned the account',
    means: 'The account or organisation was banned for spam.',
    doThis: [
      'Find and stop the cause. Do not go on trying.',
      'Ask Microsoft support: Microsoft 365 admin center > Support > Help & support.',
    ],
    takes: 'Days. Only Microsoft can lift it.',
  },
  'throttled-for-errors': {
    title: 'Exchange slows the mailbox because of repeated errors',
    means:
      'The same permanent error came again and again. Exchange now holds this mailbox back for every program that uses it, and Microsoft support cannot lift that.',
    doThis: [
      'Read the reply: it names the error (mailbox full, send as denied, licence, recipients). Remove that cause.',
      'Find other programs that use the same mailbox and stop them too.',
      'Then wait. Every further error makes it longer.',
    ],
    takes: 'Hours after the cause is gone.',
  },
  'sender-domain-authentication': {
    title: 'The sender domain is not authenticated',
    means: 'The receiver takes mail of this domain only with SPF, DKIM and DMARC in order.',
    doThis: [
      'SPF: a TXT record such as "v=spf1 include:spf.protection.outlook.com -all".',
      'DKIM: https://security.microsoft.com/dkimv2, switch on for the domain and publish the two CNAME records.',
      'DMARC: a TXT record at _dmarc, at least "v=DMARC1; p=none".',
      'Check that the domain in From is the one that SPF or DKIM is valid for.',
    ],
    takes: 'One hour to two days, until DNS and DKIM are known everywhere.',
  },
  'restricted-recipient': {
    title: 'This recipient does not take mail from us',
    means:
      'The mailbox or group takes mail only from certain senders. The address is good and other mail is not affected.',
    doThis: [
      'Ask the owner of the mailbox or group to allow the From address.',
      'In your own organisation: Set-DistributionGroup -Identity group@example.com -RequireSenderAuthenticationEnabled $false',
    ],
    takes: 'An hour after it is allowed. Then send the mail again.',
  },
} satisfies Record<string, Remedy>;
