import type { Cap, FaultClass, Phase } from './outcome.ts';
import type { RemedyKey } from './remedies.ts';

/** One row of what is known of the errors of Node and nodemailer that carry no reply of the relay. */
export interface TransportFault {
  id: string;
  /** `code` of the error: nodemailer's own. */
  code?: string | readonly string[];
  /** The system's or OpenSSL's code, before nodemailer put its own in place. */
  system?: readonly string[];
  timeout?: string;
  message?: RegExp;
  /** Absent: where the caller was. */
  phase?: Phase;
  is: FaultClass;
  /** The link broke: where the whole message had been handed over before, nobody knows whether the relay took it. */
  lost?: true;
  cap?: Cap;
  remedy?: RemedyKey;
}

/** First match decides. Codes: nodemailer's `errors`, Node's `errors` and `tls` pages, OpenSSL's verification results. */
export const transportFaults: readonly TransportFault[] = [
  // The sendmail types.
  {
    id: 'command-missing',
    system: ['ENOENT'],
    message: /spawn/,
    phase: 'spawn',
    is: 'connection',
    remedy: 'command-missing',
  },
  {
    id: 'command-not-allowed',
    system: ['EACCES', 'EPERM'],
    message: /spawn/,
    phase: 'spawn',
    is: 'connection',
    remedy: 'command-missing',
  },
  { id: 'command-address', code: 'ESENDMAIL', message: /Invalid envelope/, phase: 'spawn', is: 'recipient' },
  {
    id: 'command-stopped-reading',
    code: 'ESENDMAIL',
    message: /before the message was written/,
    phase: 'spawn',
    is: 'temporary',
    remedy: 'command-failed',
  },

  // Name and way.
  {
    id: 'dns-busy',
    system: ['EAI_AGAIN', 'ETIMEOUT', 'ESERVFAIL', 'EREFUSED', 'ECANCELLED'],
    phase: 'dns',
    is: 'connection',
    remedy: 'dns-name',
  },
  {
    id: 'dns-name',
    code: 'EDNS',
    phase: 'dns',
    is: 'connection',
    remedy: 'dns-name',
  },
  { id: 'dns-name', system: ['ENOTFOUND', 'ENODATA'], phase: 'dns', is: 'connection', remedy: 'dns-name' },
  {
    id: 'connection-refused',
    system: ['ECONNREFUSED'],
    phase: 'connect',
    is: 'connection',
    remedy: 'connection-refused',
  },
  {
    id: 'unreachable',
    system: ['EHOSTUNREACH', 'ENETUNREACH', 'EADDRNOTAVAIL', 'EHOSTDOWN', 'ENETDOWN'],
    phase: 'connect',
    is: 'connection',
    remedy: 'no-answer',
  },

  // Encryption.
  {
    id: 'certificate-name',
    system: ['ERR_TLS_CERT_ALTNAME_INVALID', 'HOSTNAME_MISMATCH'],
    phase: 'tls',
    is: 'connection',
    remedy: 'certificate-name',
  },
  {
    id: 'certificate-expired',
    system: ['CERT_HAS_EXPIRED', 'CERT_NOT_YET_VALID'],
    phase: 'tls',
    is: 'connection',
    remedy: 'certificate-expired',
  },
  {
    id: 'certificate-untrusted',
    system: [
      'DEPTH_ZERO_SELF_SIGNED_CERT',
      'SELF_SIGNED_CERT_IN_CHAIN',
      'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
      'UNABLE_TO_GET_ISSUER_CERT',
      'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
      'CERT_UNTRUSTED',
      'CERT_SIGNATURE_FAILURE',
      'CERT_REVOKED',
      'INVALID_CA',
    ],
    phase: 'tls',
    is: 'connection',
    remedy: 'certificate-untrusted',
  },
  {
    id: 'no-tls-on-port',
    system: ['ERR_SSL_WRONG_VERSION_NUMBER', 'ERR_SSL_PACKET_LENGTH_TOO_LONG', 'ERR_SSL_HTTP_REQUEST'],
    phase: 'tls',
    is: 'connection',
    remedy: 'no-tls-on-port',
  },
  {
    id: 'tls-version',
    system: [
      'ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION',
      'ERR_SSL_UNSUPPORTED_PROTOCOL',
      'ERR_SSL_SSLV3_ALERT_HANDSHAKE_FAILURE',
      'ERR_SSL_SSL/TLS_ALERT_HANDSHAKE_FAILURE',
      'ERR_SSL_NO_PROTOCOLS_AVAILABLE',
      'ERR_SSL_TLSV1_ALERT_INSUFFICIENT_SECURITY',
    ],
    phase: 'tls',
    is: 'connection',
    remedy: 'tls-version',
  },
  { id: 'tls-failed', system: ['EPROTO'], phase: 'tls', is: 'connection', remedy: 'tls-version' },
  { id: 'starttls-broken', code: 'ETLS', phase: 'tls', is: 'connection', remedy: 'starttls-refused' },

  // Waiting in vain. Where a relay expects TLS from the first byte, it waits for us while we wait for its greeting.
  { id: 'no-answer', timeout: 'CONNECT_TIMEOUT', phase: 'connect', is: 'connection', remedy: 'no-answer' },
  {
    id: 'silent-greeting',
    timeout: 'GREETING_TIMEOUT',
    phase: 'greeting',
    is: 'connection',
    remedy: 'silent-greeting',
  },
  { id: 'slow-handshake', timeout: 'UPGRADE_TIMEOUT', phase: 'tls', is: 'connection', remedy: 'no-answer' },
  { id: 'timeout', system: ['ETIMEDOUT'], is: 'connection', lost: true, remedy: 'relay-slow' },
  { id: 'aborted', code: ['EABORT', 'ABORT_ERR'], is: 'connection', lost: true, remedy: 'relay-slow' },

  // Credentials that cannot even be tried.
  {
    id: 'credentials-missing',
    code: 'EAUTH',
    message: /^Missing credentials/,
    phase: 'auth',
    is: 'auth',
    remedy: 'credentials-missing',
  },
  { id: 'credentials-missing', code: 'ENOAUTH', phase: 'auth', is: 'auth', remedy: 'credentials-missing' },
  {
    id: 'login-not-offered',
    code: 'EAUTH',
    message: /offers no AUTH/,
    phase: 'auth',
    is: 'auth',
    remedy: 'auth-not-offered',
  },
  { id: 'login-failed', code: 'EAUTH', phase: 'auth', is: 'auth', remedy: 'auth-mechanism' },

  // This mail.
  { id: 'recipient-form', code: 'EENVELOPE', message: /recipient/i, phase: 'rcpt', is: 'recipient' },
  {
    id: 'sender-form',
    code: 'EENVELOPE',
    message: /^Invalid sender/,
    phase: 'mail',
    is: 'sender',
    remedy: 'sender-refused',
  },
  {
    id: 'too-big-for-relay',
    code: 'EMESSAGE',
    message: /larger than allowed/,
    phase: 'mail',
    is: 'message',
    remedy: 'message-too-big',
  },
  { id: 'requiretls', code: 'EREQUIRETLS', phase: 'mail', is: 'connection', remedy: 'starttls-refused' },
  {
    id: 'message-form',
    code: ['EMESSAGE', 'EENVELOPE', 'ESTREAM', 'EMAXRECIPIENTS', 'EFILEACCESS', 'EURLACCESS'],
    phase: 'data',
    is: 'message',
    remedy: 'content-refused',
  },

  // The link is gone, or was never there.
  {
    id: 'connection-lost',
    system: ['ECONNRESET', 'EPIPE', 'ECONNABORTED'],
    is: 'connection',
    lost: true,
    remedy: 'relay-closed',
  },
  { id: 'not-smtp', code: 'EPROTOCOL', is: 'connection', lost: true, remedy: 'not-smtp' },
  {
    id: 'connection-lost',
    code: ['ECONNECTION', 'ESOCKET', 'EMAXLIMIT'],
    is: 'connection',
    lost: true,
    remedy: 'relay-closed',
  },
  {
    id: 'connection-lost',
    message: /^Connection( pool was)? closed/,
    is: 'connection',
    lost: true,
    remedy: 'relay-closed',
  },
];

/** The fields by which Node and nodemailer 10 tell their errors apart. */
export interface TransportError extends Error {
  code?: string;
  originalCode?: string;
  syscall?: string;
  timeoutType?: string;
  command?: string;
  response?: string;
  responseCode?: number;
  recipient?: string;
  rejectedErrors?: readonly TransportError[];
}

export const transportFaultOf = (error: TransportError): TransportFault | undefined =>
  transportFaults.find(
    (row) =>
      (row.code === undefined || (typeof row.code === 'string' ? [row.code] : row.code).includes(error.code ?? '')) &&
      (row.system === undefined || [error.code, error.originalCode].some((code) => row.system?.includes(code ?? ''))) &&
      (row.timeout === undefined || row.timeout === error.timeoutType) &&
      (row.message === undefined || row.message.test(error.message)),
  );
