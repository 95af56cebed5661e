import type { Remedy } from '../http/remedy.ts';

/** Any relay: network, encryption, login, sender, recipient, message, and the system's own mail command. */
export const relayRemedies = {
  'dns-name': {
    title: 'The name of the relay is not found',
    means: 'DNS knows no address for the SMTP host, or does not answer.',
    doThis: [
      'Check the spelling of SMTP Host. For Office 365 it is smtp.office365.com.',
      'If the app is in a virtual network, check its DNS servers: nslookup smtp.office365.com',
    ],
    takes: 'At once. The mail waits and goes on by itself.',
  },
  'connection-refused': {
    title: 'Nothing listens at this port',
    means: 'The host answers, but not at this port.',
    doThis: ['Check SMTP Port: 587 with TLS, 465 with SSL.', 'Check that the mail server is running.'],
    takes: 'At once. The mail waits and goes on by itself.',
  },
  'no-answer': {
    title: 'The relay cannot be reached',
    means: 'No answer came: a firewall, a wrong address, or the relay is down.',
    doThis: [
      'Do not use port 25: Azure blocks it outbound. Use 587.',
      'If the app is in a virtual network, allow outbound TCP to the SMTP host and port (network security group, firewall, route table).',
      'Check the state of the relay. Microsoft 365: admin center > Health > Service health.',
    ],
    takes: 'At once after it is reachable. The mail waits and goes on by itself.',
  },
  'silent-greeting': {
    title: 'The relay says nothing',
    means:
      'The connection stands, but no greeting comes. A port that expects encryption from the first byte behaves so.',
    doThis: ['Port 465 needs SMTP Security SSL. Port 587 needs TLS.', 'If they fit, the relay is overloaded: wait.'],
    takes: 'At once after the settings fit.',
  },
  'relay-slow': {
    title: 'The relay is too slow',
    means: 'The relay stopped answering, or the time for the mail ran out.',
    doThis: [
      'Nothing to do if it is rare: the mail waits and goes on by itself.',
      'If it is often, look at the load of the relay and at the size of the mails.',
    ],
    takes: 'Minutes.',
  },
  'relay-closed': {
    title: 'The relay closed the connection',
    means: 'The connection was closed before the mail was handed over.',
    doThis: [
      'Nothing to do if it is rare: the mail waits and goes on by itself.',
      'If every connection is closed at once, the relay may refuse the address of the app. Ask its operator, and look at its log.',
      'Check that port and SMTP Security fit: 587 with TLS, 465 with SSL.',
    ],
    takes: 'Minutes.',
  },
  'relay-unavailable': {
    title: 'The relay takes no mail at the moment',
    means: 'The relay answers that its service is not available.',
    doThis: [
      'Nothing to do: the mail waits and goes on by itself.',
      'If it lasts, check the state of the relay. Microsoft 365: admin center > Health > Service health.',
    ],
    takes: 'Minutes to hours.',
  },
  'not-smtp': {
    title: 'What answers there is not a mail server',
    means: 'The answer is not SMTP.',
    doThis: ['Check SMTP Host and SMTP Port.', 'Check that no proxy stands between the app and the relay.'],
    takes: 'At once.',
  },
  'no-tls-on-port': {
    title: 'SMTP Security does not fit the port',
    means: 'The relay speaks plain text first, while Postern began with encryption.',
    doThis: ['For port 587 or 25 set SMTP Security to TLS. SSL is for port 465.'],
    takes: 'At once.',
  },
  'starttls-refused': {
    title: 'The relay offers no encryption',
    means: 'STARTTLS failed, so nothing was sent: login and mail never go over a clear connection unless you say so.',
    doThis: [
      'Try port 465 with SMTP Security SSL.',
      'Ask the operator of the relay to offer STARTTLS.',
      'Only for a relay on the same private network: SMTP Security None.',
    ],
    takes: 'At once after the change.',
  },
  'starttls-required': {
    title: 'The relay wants encryption first',
    means: 'The relay takes login or mail only after STARTTLS.',
    doThis: ['Set SMTP Security to TLS for port 587, or to SSL for port 465.'],
    takes: 'At once.',
  },
  'tls-version': {
    title: 'No common TLS version',
    means: 'Relay and Postern found no common version or cipher. Postern uses TLS 1.2 and 1.3.',
    doThis: [
      'Let the relay offer TLS 1.2 or later.',
      'Check that port and SMTP Security fit: 587 with TLS, 465 with SSL.',
    ],
    takes: 'At once after the relay is changed.',
  },
  'certificate-name': {
    title: 'The certificate is for another name',
    means: 'The relay shows a certificate that does not name the SMTP host.',
    doThis: [
      'Set SMTP Host to a name that the certificate holds, never to an IP address.',
      'To see it: openssl s_client -starttls smtp -connect smtp.example.com:587 </dev/null | openssl x509 -noout -ext subjectAltName',
    ],
    takes: 'At once.',
  },
  'certificate-untrusted': {
    title: 'The certificate is not trusted',
    means: 'The relay shows a certificate that is self-signed or signed by an unknown authority.',
    doThis: [
      'Give the relay a certificate of a public authority, with its whole chain.',
      'A private authority: put its certificate beside the app and set the app setting NODE_EXTRA_CA_CERTS to its path.',
    ],
    takes: 'A restart of the app.',
  },
  'certificate-expired': {
    title: 'The certificate is out of date',
    means: "The relay's certificate has ended or is not valid yet.",
    doThis: ['Let the operator of the relay renew the certificate.'],
    takes: 'At once after the renewal. The mail waits and goes on by itself.',
  },
  'auth-not-offered': {
    title: 'The relay offers no login',
    means: 'The relay did not offer AUTH on this connection, so Postern did not send the mail without it.',
    doThis: [
      'Set SMTP Security to TLS: many relays offer login only on an encrypted connection.',
      'If the relay trusts the network instead of a login, turn SMTP Auth off.',
    ],
    takes: 'At once.',
  },
  'auth-mechanism': {
    title: 'The relay does not know this kind of login',
    means: 'The relay refused the mechanism, not the credentials.',
    doThis: ['Change SMTP Auth Type: Basic for a password, XOAUTH2 for a token.', 'Set SMTP Security to TLS.'],
    takes: 'At once.',
  },
  'wrong-password': {
    title: 'User or password is wrong',
    means: 'The relay refused the credentials, or the account is locked or disabled.',
    doThis: [
      'Type SMTP Auth User and SMTP Auth Password again, and run the settings check.',
      'Office 365: a correct password is refused too where basic authentication is off. Use XOAUTH2.',
      'Do not try again and again: accounts are locked after some failures.',
    ],
    takes: 'At once.',
  },
  'app-password': {
    title: 'An application password is needed',
    means: 'The account has two-step verification and does not take its ordinary password from programs.',
    doThis: [
      'Gmail: https://myaccount.google.com/apppasswords, make one for Postern and type it as SMTP Auth Password.',
      'Or use smtp-relay.gmail.com of Google Workspace.',
    ],
    takes: 'At once.',
  },
  'credentials-missing': {
    title: 'The login is not complete',
    means: 'SMTP Auth is on, but user, password or token is missing.',
    doThis: ['Fill in SMTP Auth User and password, or generate an OAuth token.'],
    takes: 'At once.',
  },
  'not-authorised': {
    title: 'The account may not send',
    means: 'The login is right, but the account lacks the permission to send.',
    doThis: ['Amazon SES: allow ses:SendRawEmail in the IAM policy of the SMTP user.'],
    takes: 'Minutes.',
  },
  'too-many-logins': {
    title: 'Too many logins',
    means: 'The relay refuses further logins of this account for a while.',
    doThis: [
      'Nothing to do: the mail waits and goes on by itself.',
      'If it comes back, lower Connections in the settings and look for other programs with the same account.',
    ],
    takes: 'Minutes to an hour.',
  },
  'relaying-denied': {
    title: 'The relay does not forward for us',
    means: 'The relay takes mail for its own domains only, because it does not know who we are.',
    doThis: [
      'Turn SMTP Auth on, with an account that may send to everybody.',
      'Or let the operator add the outbound addresses of the app to the trusted networks: az functionapp show --name <app> --resource-group <group> --query possibleOutboundIpAddresses',
    ],
    takes: 'At once.',
  },
  'client-refused': {
    title: 'The relay refuses this computer',
    means: 'The relay does not accept the address or the name that the app connects from.',
    doThis: [
      'Read the reply: it often names the block list, which tells how to be taken off.',
      'Send through a relay with login on port 587 instead of delivering directly.',
      'Or let the operator allow the outbound addresses of the app; a NAT gateway gives it a fixed one.',
    ],
    takes: 'Hours to days for a block list.',
  },
  'sender-refused': {
    title: 'The relay does not accept the sender',
    means: 'The sender address is unknown, not verified, or not allowed for this login.',
    doThis: [
      'Set Email From Address to an address that belongs to the SMTP user, and turn on "Use From name and email" if users\' own addresses are the cause.',
      'Amazon SES, SendGrid and Azure Communication Services: verify the address or the domain there first.',
      'Check that the domain of the address exists in DNS.',
    ],
    takes: 'At once after the change.',
  },
  'account-suspended': {
    title: 'The relay has suspended the account',
    means: 'The operator of the relay has stopped this account.',
    doThis: ["Read the operator's mail to the account holder and answer it. Amazon SES: console > Account dashboard."],
    takes: 'Hours to days.',
  },
  'relay-rate': {
    title: 'Too fast for the relay',
    means: 'The relay takes fewer mails in a minute than were offered.',
    doThis: [
      'Nothing is lost: the mail waits and goes on by itself.',
      'Set "Emails per minute" to what the relay allows. Office 365: 30.',
    ],
    takes: 'Minutes.',
  },
  'too-many-recipients': {
    title: 'Too many recipients at once',
    means: 'The relay takes no further recipients in this session.',
    doThis: ['Nothing to do: Postern sends to one recipient at a time, and the mail goes on by itself.'],
    takes: 'Minutes.',
  },
  'recipient-unknown': {
    title: 'The address does not exist',
    means: "The recipient's server does not know the address.",
    doThis: ['Check the spelling, correct it in the account, and send the mail again.'],
    takes: 'At once.',
  },
  'recipient-mailbox-full': {
    title: "The recipient's mailbox is full",
    means: 'The address is good, but there is no room for mail.',
    doThis: ['Tell the recipient by another way, and send the mail again later.'],
    takes: 'Until the recipient makes room.',
  },
  'message-too-big': {
    title: 'The mail is too big for the relay',
    means: 'The relay limits the size of a mail. Attachments grow by a third on the way.',
    doThis: [
      'Share a link instead of attaching the file.',
      'Exchange Online: Set-Mailbox -Identity files@example.com -MaxSendSize 100MB',
    ],
    takes: 'At once. Then send the mail again.',
  },
  'content-refused': {
    title: 'The content was refused',
    means: 'The relay took the login and the address, but not what is in the mail.',
    doThis: [
      'Read the reply. Usual causes: a link or attachment that a filter dislikes, or text that looks like spam.',
      'Change the content and send the mail again.',
    ],
    takes: 'At once.',
  },
  'international-address': {
    title: 'The address has letters that the relay does not take',
    means: 'The relay, or one behind it, does not support SMTPUTF8 (RFC 6531).',
    doThis: [
      'Use an address of the recipient in plain ASCII.',
      'Or use a relay that offers SMTPUTF8, as Exchange Online does.',
    ],
    takes: 'At once.',
  },
  'command-missing': {
    title: 'There is no mail command',
    means: 'The command is not there or may not be run. Azure Functions has none.',
    doThis: [
      'Set Email Type to SMTP.',
      'On your own Debian or Ubuntu: sudo apt-get install msmtp-mta, and check the path: command -v sendmail',
    ],
    takes: 'At once.',
  },
  'command-configuration': {
    title: 'The mail command is not set up',
    means: 'The command ran and found its configuration or its permissions wrong.',
    doThis: [
      'Read the output in the history.',
      'msmtp: check /etc/msmtprc (host, port, auth, tls, from). Postfix: sudo postfix check',
    ],
    takes: 'At once.',
  },
  'command-failed': {
    title: 'The mail command failed',
    means: 'The command ended with an error that may pass.',
    doThis: [
      'Nothing to do if it is rare: the mail goes on by itself.',
      "If it lasts, read the output in the history and the system's mail log: journalctl -t msmtp -t postfix/sendmail",
    ],
    takes: 'Minutes.',
  },
} satisfies Record<string, Remedy>;
