import type { Clock } from '../clock.ts';
import { minutes, seconds } from '../clock.ts';
import type { Log } from '../log.ts';
import type { Settings } from '../settings/schema.ts';
import { type AskingParts, askingFor, fromVault } from './asking.ts';
import type { TokenCache } from './cache.ts';
import { classifyFailure } from './classify.ts';
import { cacheLost, connectedForOther, notConnected } from './faults.ts';
import type { Notebook } from './notebook.ts';
import { nextSetback, type Setback } from './setback.ts';
import type { Connection, SharedConnection } from './state.ts';
import { type AccessToken, TokenFault, type TokenSource } from './tokens.ts';
import { sealOfUse } from './use.ts';

/** A token this near to its end is no longer handed out, if another can be had. */
const margin = minutes(5);
/** Nor one that could end during the login. */
const lastUse = seconds(30);
/** The least time between two renewals that were asked for, so that a refusing relay cannot make us a loop at Entra. */
const forcedGap = seconds(30);

interface Held extends AccessToken {
  use: string;
  /** Milliseconds since 1970. */
  ends: number;
}

interface Needs extends AskingParts {
  settings(): Promise<Settings>;
  state: SharedConnection;
  cache: TokenCache;
  notebook: Notebook;
  clock: Clock;
  log: Log;
}

export interface HeldTokens extends TokenSource {
  /** Renews whatever the token in memory is like. @throws TokenFault */
  renew(): Promise<AccessToken>;
  /** Takes over the token of a sign-in. */
  hold(token: AccessToken, ends: number, use: { settings: Settings; connection: Connection }): void;
  forget(): void;
  /** After a failure: ask Entra at the next need, not only when it has been left alone for long enough. */
  tryAgain(): void;
}

/**
 * Tokens from memory until five minutes before their end; one renewal at a time; after a failure Entra is left alone
 * for a while, and callers get the same fault. What passes leaves everything in place.
 */
export const tokenSource = (parts: Needs): HeldTokens => {
  const { settings, state, cache, notebook, clock, log } = parts;
  let held: Held | undefined;
  let setback: (Setback & { use: string }) | undefined;
  let forced: { use: string; at: number } | undefined;
  let underWay: { use: string; token: Promise<AccessToken> } | undefined;

  const renewed = (present: Settings, connection: Connection | undefined, use: string): Promise<AccessToken> => {
    if (underWay?.use === use) return underWay.token;
    const mine = { use, token: fetched(present, connection, use) };
    underWay = mine;
    const done = () => {
      if (underWay === mine) underWay = undefined;
    };
    mine.token.then(done, done);
    return mine.token;
  };

  const fetched = async (present: Settings, connection: Connection | undefined, use: string): Promise<AccessToken> => {
    try {
      const { user, token, lifetime } = await grantOf(present, connection);
      const now = clock.now();
      const ends = now + seconds(lifetime);
      held = { user, token, use, ends };
      setback = undefined;
      await notebook.gotToken({ seal: sealOfUse(present), ends, connection: connection?.id });
      return { user, token };
    } catch (error) {
      const { fault, retryAfter } = await classifyFailure(error);
      const before = setback?.use === use ? setback : undefined;
      setback = { ...nextSetback(before, fault, { now: clock.now(), retryAfter }), use };
      log.warn('oauth.no-token', { kind: fault.kind, rule: fault.rule, reply: fault.reply, remedy: fault.remedy });
      await notebook.gotNone(fault, sealOfUse(present));
      throw new TokenFault(setback.fault, { cause: error });
    }
  };

  const grantOf = async (present: Settings, connection: Connection | undefined) => {
    const entra = await import('./entra.ts');
    const { auth } = present.smtp;
    if (auth.oauth.grant === 'application') {
      return { user: auth.user, ...(await entra.applicationToken(await askingFor(present, parts))) };
    }
    if (!connection) throw new TokenFault(notConnected());
    const [asking, kept] = await Promise.all([askingFor(present, parts), fromVault(cache.load(connection))]);
    if (kept === undefined) throw new TokenFault(cacheLost());
    const granted = await entra.renewToken(asking, kept, connection.account.homeAccountId);
    await cache.save(connection, granted.cache);
    return { user: connection.account.username, token: granted.token, lifetime: granted.lifetime };
  };

  const stopped = async (fault: ReturnType<typeof notConnected>, present: Settings): Promise<never> => {
    await notebook.gotNone(fault, sealOfUse(present));
    throw new TokenFault(fault);
  };

  const ready = async () => {
    const present = await settings();
    const { connection, cut } = await state.recent();
    if (present.smtp.auth.oauth.grant === 'application' && cut?.seal === sealOfUse(present)) {
      throw new TokenFault(notConnected());
    }
    if (present.smtp.auth.oauth.grant === 'delegated') {
      if (!connection) throw new TokenFault(notConnected());
      if (connection.seal !== sealOfUse(present)) return stopped(connectedForOther(), present);
    }
    return { present, connection, use: useOf(present, connection) };
  };

  return {
    accessToken: async ({ renew = false } = {}) => {
      const { present, connection, use } = await ready();
      await cache.retry();
      const now = clock.now();
      const own = held?.use === use && now < held.ends - lastUse ? held : undefined;
      const refused = setback?.use === use ? setback : undefined;
      const waiting = refused && now < refused.until ? refused : undefined;

      if (renew) {
        if (underWay?.use === use) return underWay.token;
        if (waiting?.fault.class === 'connection') throw new TokenFault(waiting.fault);
        if (forced?.use !== use || now - forced.at >= forcedGap) {
          forced = { use, at: now };
          return renewed(present, connection, use);
        }
        // Moments after another renewal: what that one came to.
        if (refused) throw new TokenFault(refused.fault);
      }
      if (own && (now < own.ends - margin || waiting)) return tokenOf(own);
      if (waiting) throw new TokenFault(waiting.fault);
      try {
        return await renewed(present, connection, use);
      } catch (error) {
        // Entra is silent for the moment, and the token is still good for some minutes.
        if (own && error instanceof TokenFault && error.fault.class === 'connection') return tokenOf(own);
        throw error;
      }
    },
    renew: async () => {
      const { present, connection, use } = await ready();
      return renewed(present, connection, use);
    },
    hold: (token, ends, { settings: present, connection }) => {
      held = { ...token, ends, use: useOf(present, connection) };
      setback = undefined;
    },
    forget: () => {
      held = undefined;
      setback = undefined;
    },
    tryAgain: () => {
      forced = undefined;
      // How often it failed stays known: it is left alone the longer if it fails again.
      if (setback) setback = { ...setback, until: clock.now() };
    },
  };
};

const tokenOf = ({ user, token }: Held): AccessToken => ({ user, token });

/** Changes with whatever could make another answer of Entra: the settings, the client secret, the sign-in. */
const useOf = (settings: Settings, connection: Connection | undefined): string => {
  const { grant, credential, clientSecret } = settings.smtp.auth.oauth;
  const signIn = grant === 'delegated' ? connection?.id : undefined;
  return [sealOfUse(settings), credential, clientSecret.since, signIn].join('|');
};
