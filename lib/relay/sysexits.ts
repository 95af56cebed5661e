import type { Cap, FaultClass, Phase } from './outcome.ts';
import type { RemedyKey } from './remedies.ts';

/** What a mail command's exit code says: a row of sysexits.h (FreeBSD's sysexits(3)). */
export interface Exit {
  id: string;
  code: number;
  is: FaultClass;
  cap?: Cap;
  remedy?: RemedyKey;
}

/**
 * Exit codes of sendmail, Postfix's sendmail, Exim and msmtp; 126 and 127 are the shell's. A code that is not here passes
 * for temporary. An exit code tells less than a reply of a relay, so a reply found in the output goes first.
 */
export const exits: readonly Exit[] = [
  { id: 'EX_USAGE', code: 64, is: 'connection', remedy: 'command-configuration' },
  { id: 'EX_DATAERR', code: 65, is: 'message', remedy: 'content-refused' },
  { id: 'EX_NOINPUT', code: 66, is: 'temporary', remedy: 'command-failed' },
  { id: 'EX_NOUSER', code: 67, is: 'recipient', remedy: 'recipient-unknown' },
  { id: 'EX_NOHOST', code: 68, is: 'recipient', remedy: 'recipient-unknown' },
  { id: 'EX_UNAVAILABLE', code: 69, is: 'temporary', cap: { attempts: 5, to: 'connection' }, remedy: 'command-failed' },
  { id: 'EX_SOFTWARE', code: 70, is: 'temporary', cap: { attempts: 5, to: 'message' }, remedy: 'command-failed' },
  { id: 'EX_OSERR', code: 71, is: 'temporary', remedy: 'command-failed' },
  { id: 'EX_OSFILE', code: 72, is: 'connection', remedy: 'command-configuration' },
  { id: 'EX_CANTCREAT', code: 73, is: 'connection', remedy: 'command-configuration' },
  { id: 'EX_IOERR', code: 74, is: 'temporary', remedy: 'command-failed' },
  { id: 'EX_TEMPFAIL', code: 75, is: 'temporary' },
  { id: 'EX_PROTOCOL', code: 76, is: 'temporary', remedy: 'command-failed' },
  { id: 'EX_NOPERM', code: 77, is: 'auth', remedy: 'command-configuration' },
  { id: 'EX_CONFIG', code: 78, is: 'connection', remedy: 'command-configuration' },
  { id: 'not-executable', code: 126, is: 'connection', remedy: 'command-missing' },
  { id: 'not-found', code: 127, is: 'connection', remedy: 'command-missing' },
];

/** What a mail command writes on its error output, and what it says of phase and fault. First match decides. */
export interface Complaint {
  id: string;
  text: RegExp;
  phase: Phase;
  is: FaultClass;
  remedy?: RemedyKey;
}

/** The sentences of msmtp, which talks to the relay itself, and of Postfix's sendmail, which only queues. */
export const complaints: readonly Complaint[] = [
  { id: 'msmtp-dns', text: /cannot locate host/, phase: 'dns', is: 'connection', remedy: 'dns-name' },
  {
    id: 'msmtp-refused',
    text: /cannot connect to .*refused/,
    phase: 'connect',
    is: 'connection',
    remedy: 'connection-refused',
  },
  { id: 'msmtp-connect', text: /cannot connect to/, phase: 'connect', is: 'connection', remedy: 'no-answer' },
  {
    id: 'msmtp-certificate-name',
    text: /certificate owner does not match|hostname (mismatch|does not match)/,
    phase: 'tls',
    is: 'connection',
    remedy: 'certificate-name',
  },
  {
    id: 'msmtp-certificate-expired',
    text: /certificate (has expired|is not yet activated)/,
    phase: 'tls',
    is: 'connection',
    remedy: 'certificate-expired',
  },
  {
    id: 'msmtp-certificate',
    text: /TLS certificate verification failed/,
    phase: 'tls',
    is: 'connection',
    remedy: 'certificate-untrusted',
  },
  {
    id: 'msmtp-starttls',
    text: /does not support TLS|command STARTTLS failed/,
    phase: 'tls',
    is: 'connection',
    remedy: 'starttls-refused',
  },
  {
    id: 'msmtp-no-tls-on-port',
    text: /unexpected TLS packet|wrong version number/,
    phase: 'tls',
    is: 'connection',
    remedy: 'no-tls-on-port',
  },
  {
    id: 'msmtp-tls',
    text: /TLS handshake failed|initialize TLS session/,
    phase: 'tls',
    is: 'connection',
    remedy: 'tls-version',
  },
  {
    id: 'msmtp-no-auth',
    text: /the server does not support authentication/,
    phase: 'auth',
    is: 'auth',
    remedy: 'auth-not-offered',
  },
  { id: 'msmtp-auth', text: /authentication failed/, phase: 'auth', is: 'auth', remedy: 'wrong-password' },
  {
    id: 'msmtp-greeting',
    text: /cannot get initial OK/,
    phase: 'greeting',
    is: 'connection',
    remedy: 'relay-unavailable',
  },
  {
    id: 'msmtp-ehlo',
    text: /command (EHLO|HELO) failed|does not accept EHLO or HELO/,
    phase: 'ehlo',
    is: 'connection',
    remedy: 'client-refused',
  },
  {
    id: 'msmtp-sender',
    text: /envelope from address .* not accepted/,
    phase: 'mail',
    is: 'sender',
    remedy: 'sender-refused',
  },
  {
    id: 'msmtp-recipient',
    text: /recipient address .* not accepted/,
    phase: 'rcpt',
    is: 'recipient',
    remedy: 'recipient-unknown',
  },
  { id: 'msmtp-data', text: /does not accept mail data/, phase: 'data', is: 'message', remedy: 'content-refused' },
  { id: 'msmtp-accept', text: /did not accept the mail/, phase: 'accept', is: 'message', remedy: 'content-refused' },
  {
    // The link broke, and msmtp does not say when: perhaps after the relay had taken the mail.
    id: 'msmtp-lost',
    text: /the server sent an (empty|invalid) reply|network (read|write) error|connection timed out/,
    phase: 'accept',
    is: 'unknown',
  },
  {
    id: 'no-account',
    text: /account \S+ not found:|no configuration file/,
    phase: 'spawn',
    is: 'connection',
    remedy: 'command-configuration',
  },
  {
    id: 'too-big',
    text: /message( file)? (is )?too (big|large)/i,
    phase: 'spawn',
    is: 'message',
    remedy: 'message-too-big',
  },
];

/** The relay's reply within the output: msmtp writes every line of it behind `server message:`. */
export const serverMessage = (output: string): string | undefined => {
  const lines = [...output.matchAll(/server message: (.*)$/gm)].map((line) => line[1] ?? '');
  return lines.length > 0 ? lines.join('\n') : undefined;
};
