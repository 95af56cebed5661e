import type { RemedyKey } from './remedies.ts';

/**
 * What a hand-over to the relay came to. The class decides who is at fault and so what happens next:
 *
 * | class | at fault | what follows |
 * |---|---|---|
 * | temporary | nobody for long | the delivery is `deferred` by the retry schedule |
 * | recipient | this address | `failed` |
 * | message | this mail's content | `failed` |
 * | sender | the sender address or account | the relay pauses for all |
 * | connection | network, DNS, TLS, relay down | the relay pauses for all after three in a row |
 * | auth | credentials | the relay pauses for all at once |
 * | quota | the relay's own limit | the limit's tap closes until its window moves |
 * | unknown | the outcome itself is unknown: the whole mail was handed over and no reply came | `uncertain` |
 */
export type FaultClass = 'temporary' | 'recipient' | 'message' | 'sender' | 'connection' | 'auth' | 'quota' | 'unknown';

/** How Postern logs in at the relay: a refused login wants another remedy for a password than for a token. */
export type Login = 'basic' | 'xoauth2';

/** Where in the SMTP dialogue (RFC 5321) it happened; `spawn` for the sendmail types; `token` before the dialogue. */
export type Phase =
  | 'token'
  | 'dns'
  | 'connect'
  | 'greeting'
  | 'ehlo'
  | 'tls'
  | 'auth'
  | 'mail'
  | 'rcpt'
  | 'data'
  | 'accept'
  | 'spawn';

/**
 * The phases before the relay hears of any mail. What goes wrong there says nothing of the mail, so that it never costs
 * one an attempt (law 4), whatever its class.
 */
export const beforeMail: ReadonlySet<Phase> = new Set<Phase>([
  'token',
  'dns',
  'connect',
  'greeting',
  'ehlo',
  'tls',
  'auth',
]);

export interface Fault {
  class: FaultClass;
  phase: Phase;
  /** Id of the row of knowledge that decided: of `replies`, `transportFaults`, `exits` or `tokenFaults`. */
  rule: string;
  /** SMTP reply code, e.g. 550; absent where no reply came. */
  code?: number | undefined;
  /** Enhanced status code (RFC 3463), e.g. `5.7.139`. */
  enhanced?: string | undefined;
  /** The relay's reply as it came, or the error's own words; one line, at most 1,000 characters, no secret. */
  reply: string;
  /** Milliseconds that the relay, or what is known of it, asks to wait. */
  retryAfter?: number | undefined;
  /** Key of the remedy text, see `remedies.ts`. */
  remedy?: RemedyKey | undefined;
  /** For faults that look temporary and are not for long: attempts after which the class becomes `cappedTo`. */
  cap?: Cap | undefined;
  /** A sender fault that concerns this From address alone: mail from another address may go on. */
  scope?: 'from' | undefined;
  /** The relay knows the recipient's address to be bad (RCPT, 5.1.x): a candidate for suppression. */
  suppressible?: true | undefined;
  /**
   * What failed, where it may have failed several mails at once: those that waited for the same login or token have the
   * same object here. It counts as one fault of the relay. In memory only.
   */
  failure?: object | undefined;
}

export interface Cap {
  attempts: number;
  to: FaultClass;
}

export interface Accepted {
  class: 'accepted';
  /** The relay's reply to the end of DATA, e.g. `250 2.0.0 OK <…>`. */
  reply: string;
  /** The id under which the relay traces the mail, where its reply names one. */
  relayId?: string | undefined;
  /** TLS version and cipher, e.g. `TLSv1.3 TLS_AES_256_GCM_SHA384`; absent on a clear connection. */
  tls?: string | undefined;
}

/** The outcome with how long the hand-over took, in milliseconds. */
export type Outcome = (Accepted | Fault) & { milliseconds: number };
