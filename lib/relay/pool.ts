import { RelayFailure, unlessGivenUp } from './failure.ts';
import type { Session } from './smtp.ts';

/** Opens a connection and logs in, complete with the one retry that a renewed token allows. */
export type Connect = (signal: AbortSignal) => Promise<Session>;

export interface Pool {
  /** A connection that is logged in: an idle one, or a new one. @throws RelayFailure, TokenFault */
  take(connect: Connect, signal: AbortSignal): Promise<{ session: Session; reused: boolean }>;
  /** Gives a connection back after its mail. One that is gone, worn out or too many is closed. */
  give(session: Session, limit: number): void;
  /** Forgets a connection that must not be used again, and closes it. */
  drop(session: Session): void;
  /** Closes what is idle at once and the rest after its mail. */
  retire(): void;
}

/** Shorter than any relay's own idle time-out, and an idle connection counts against the relay's limit (Exchange: 3). */
const idleTime = 30_000;
const mailsPerConnection = 100;

/**
 * The connections to one relay under one login. How many there are at once is the business of the slots; the pool only
 * keeps what it is given back.
 *
 * Until a login has succeeded, connections are opened one at a time and everybody who waits shares a failure: a wrong
 * password with fifty mails in flight is one failed login, not fifty, which would lock the account.
 */
export const pool = (): Pool => {
  const idle: { session: Session; timer: NodeJS.Timeout }[] = [];
  const mails = new Map<Session, number>();
  let first: Promise<Session> | undefined;
  let proven = false;
  let retired = false;

  const forget = (session: Session, how: 'quit' | 'close') => {
    mails.delete(session);
    session[how]();
  };

  const takeIdle = (): Session | undefined => {
    for (let kept = idle.pop(); kept; kept = idle.pop()) {
      clearTimeout(kept.timer);
      if (!kept.session.ended) return kept.session;
      forget(kept.session, 'close');
    }
    return undefined;
  };

  const open = async (connect: Connect, signal: AbortSignal): Promise<Session> => {
    try {
      const session = await connect(signal);
      proven = true;
      return session;
    } catch (error) {
      proven = false;
      throw error;
    }
  };

  const openFirst = async (connect: Connect, signal: AbortSignal): Promise<Session> => {
    while (first && !proven) {
      const shared = await unlessGivenUp(outcomeOf(first), signal, 'connect');
      // Another mail's own time-out or stop says nothing about the relay.
      if (shared instanceof Error && !isGivenUp(shared)) throw shared;
    }
    if (proven) return open(connect, signal);
    first = open(connect, signal);
    try {
      return await first;
    } finally {
      first = undefined;
    }
  };

  return {
    take: async (connect, signal) => {
      const kept = takeIdle();
      if (kept) return { session: kept, reused: true };
      const session = await (proven ? open(connect, signal) : openFirst(connect, signal));
      mails.set(session, 0);
      return { session, reused: false };
    },
    give: (session, limit) => {
      const sent = (mails.get(session) ?? 0) + 1;
      mails.set(session, sent);
      if (session.ended || retired || sent >= mailsPerConnection || mails.size > limit) {
        forget(session, 'quit');
        return;
      }
      const timer = setTimeout(() => {
        idle.splice(
          idle.findIndex((kept) => kept.session === session),
          1,
        );
        forget(session, 'quit');
      }, idleTime);
      timer.unref();
      idle.push({ session, timer });
    },
    drop: (session) => forget(session, 'close'),
    retire: () => {
      retired = true;
      for (const { session, timer } of idle.splice(0)) {
        clearTimeout(timer);
        forget(session, 'quit');
      }
    },
  };
};

const isGivenUp = (error: Error): boolean =>
  error instanceof RelayFailure && (error.cause.code === 'EABORT' || error.cause.timeoutType === 'SUBMIT_TIMEOUT');

const outcomeOf = (promise: Promise<Session>): Promise<unknown> => promise.catch((error: unknown) => error);
