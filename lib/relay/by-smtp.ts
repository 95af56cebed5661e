import type { Submission } from '../message/submission.ts';
import type { Settings } from '../settings/schema.ts';
import { type CredentialSources, credentialsOf, loginKey } from './credentials.ts';
import { RelayFailure, unlessGivenUp } from './failure.ts';
import type { Accepted } from './outcome.ts';
import { pool as newPool, type Pool } from './pool.ts';
import { type Credentials, openSession, type Server, type Session } from './smtp.ts';

export interface SmtpRelay {
  /** @throws RelayFailure, TokenFault */
  submit(
    mail: Pick<Submission, 'envelopeFrom' | 'to'>,
    message: Buffer,
    settings: Settings,
    signal: AbortSignal,
  ): Promise<Accepted>;
  /** Closes what is idle at once and the rest after its mail. */
  close(): void;
}

/** Hands mails over by SMTP, one mail at a time on connections that are kept for the next. */
export const smtpRelay = (sources: CredentialSources, submitTimeout: number): SmtpRelay => {
  let current: { key: string; pool: Pool } | undefined;

  /** One login at a time per process and user: changed settings retire the connections made under the old ones. */
  const poolFor = (key: string): Pool => {
    if (current?.key === key) return current.pool;
    current?.pool.retire();
    current = { key, pool: newPool() };
    return current.pool;
  };

  return {
    submit: async (mail, message, settings, signal) => {
      const credentials = await unlessGivenUp(credentialsOf(settings, sources), signal, 'token');
      const pool = poolFor(loginKey(settings.smtp, credentials));
      const connect = (until: AbortSignal) => connectTo(settings.smtp, credentials, sources, submitTimeout, until);
      const envelope = { from: mail.envelopeFrom, to: mail.to.address };
      for (;;) {
        const { session, reused } = await pool.take(connect, signal);
        try {
          const { reply, relayId } = await session.send(envelope, message, signal);
          pool.give(session, settings.limit.connections);
          return { class: 'accepted', reply, relayId, tls: session.tls };
        } catch (error) {
          if (await canGoOn(session, error)) pool.give(session, settings.limit.connections);
          else pool.drop(session);
          if (!(reused && wasStale(error))) throw error;
        }
      }
    },
    close: () => current?.pool.retire(),
  };
};

/** A connection that is logged in. XOAUTH2: a refused token is renewed and tried once more, on a new connection. */
async function connectTo(
  server: Server,
  credentials: Credentials | undefined,
  { tokens }: CredentialSources,
  submitTimeout: number,
  signal: AbortSignal,
): Promise<Session> {
  try {
    return await loggedIn(server, credentials, submitTimeout, signal);
  } catch (error) {
    if (credentials?.method !== 'xoauth2' || !isRefusedLogin(error)) throw error;
    const renewed = await unlessGivenUp(tokens.accessToken({ renew: true }), signal, 'token');
    return loggedIn(server, { method: 'xoauth2', ...renewed }, submitTimeout, signal);
  }
}

async function loggedIn(
  server: Server,
  credentials: Credentials | undefined,
  submitTimeout: number,
  signal: AbortSignal,
): Promise<Session> {
  const session = await openSession(server, submitTimeout, signal);
  if (!credentials) return session;
  try {
    await session.login(credentials, signal);
    return session;
  } catch (error) {
    session.close();
    throw error;
  }
}

/** 535: credentials invalid (RFC 4954 section 6). Exchange says nothing else of a token that it will not take. */
const isRefusedLogin = (error: unknown): boolean =>
  error instanceof RelayFailure && error.phase === 'auth' && error.cause.responseCode === 535;

const resetPatience = 5_000;

/** After a refusal the connection serves the next mail, where the server takes RSET (RFC 5321 section 4.1.1.5). */
async function canGoOn(session: Session, error: unknown): Promise<boolean> {
  if (!(error instanceof RelayFailure) || error.cause.responseCode === undefined || session.ended) return false;
  try {
    await session.reset(AbortSignal.timeout(resetPatience));
    return true;
  } catch {
    return false;
  }
}

/**
 * A kept connection that the server had closed meanwhile shows it at the first command: by silence, or by 421. The mail
 * has not been read yet, so a fresh connection is tried within the same attempt.
 */
const wasStale = (error: unknown): boolean =>
  error instanceof RelayFailure &&
  (error.phase === 'mail' || error.phase === 'rcpt') &&
  (error.cause.responseCode === 421 || lost.has(error.cause.code ?? ''));

const lost = new Set(['ECONNECTION', 'ESOCKET']);
