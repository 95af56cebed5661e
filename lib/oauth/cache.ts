import { z } from 'zod';
import { type Clock, minutes } from '../clock.ts';
import type { Log } from '../log.ts';
import { type SecretStore, secretNames } from '../storage/secrets.ts';
import type { Connection, ConnectionState } from './state.ts';

const section = z.record(z.string(), z.unknown()).default({});
const msalCache = z.object({ Account: section, RefreshToken: section, AppMetadata: section });

/** Of MSAL's serialised cache what a renewal needs. Access and ID tokens would only fill the secret, 25 KB at most. */
export const essential = (text: string): string => JSON.stringify(msalCache.parse(JSON.parse(text)));

/** Whether there is anything in it to renew with. */
export const hasRefreshToken = (text: string): boolean =>
  Object.keys(msalCache.parse(JSON.parse(text)).RefreshToken).length > 0;

/** What the vault keeps: MSAL's cache, and the connection that it belongs to. */
const document = z.object({ v: z.literal(1), connection: z.string(), cache: z.string() });

export interface TokenCache {
  /**
   * The cache of this connection: what could not be stored yet, else what the vault has.
   * @returns `undefined` where the vault has none @throws RestError where it does not answer and nothing is in memory
   */
  load(connection: Connection): Promise<string | undefined>;
  /** Keeps a renewed cache. Where the vault does not take it, it stays in memory and is tried again: never rejects. */
  save(connection: Connection, cache: string): Promise<void>;
  /** Tries again what the vault did not take, at most once a minute. Never rejects. */
  retry(): Promise<void>;
  /** Stores the cache of a new connection. @returns the version in the vault @throws RestError */
  put(id: string, cache: string): Promise<string>;
  /** Deletes the secret. @throws RestError */
  forget(): Promise<void>;
}

interface Needs {
  secrets: SecretStore;
  /** The shared row, read anew. */
  state(): Promise<ConnectionState>;
  clock: Clock;
  log: Log;
}

const name = secretNames.oauthTokenCache;

/** MSAL's cache in Key Vault. The vault has no compare-and-set: the connection's id tells whose cache one is. */
export const tokenCache = ({ secrets, state, clock, log }: Needs): TokenCache => {
  let known: { id: string; cache: string; stored: boolean } | undefined;
  let retryAt = 0;

  const fetched = async ({ id, version }: Connection): Promise<string | undefined> => {
    const newest = read(await secrets.get(name));
    if (newest?.connection === id) return newest.cache;
    // A host that was renewing the former connection stored its cache on top of the new one.
    const own = newest && read(await secrets.get(name, version));
    return own?.connection === id ? own.cache : undefined;
  };

  const store = async (): Promise<void> => {
    if (!known || known.stored) return;
    const { id, cache } = known;
    try {
      if ((await state()).connection?.id !== id) {
        known = undefined;
        return;
      }
      await secrets.set(name, written(id, cache));
      if (known?.cache === cache) known.stored = true;
      // Disconnected meanwhile: the deletion must not be undone by this.
      if (!(await state()).connection) await secrets.delete(name);
    } catch (error) {
      retryAt = clock.now() + minutes(1);
      log.warn('oauth.cache-not-stored', { error: error instanceof Error ? error.name : typeof error });
    }
  };

  return {
    load: async (connection) => {
      const inMemory = known?.id === connection.id ? known : undefined;
      if (inMemory && !inMemory.stored) return inMemory.cache;
      try {
        const cache = await fetched(connection);
        if (cache !== undefined) known = { id: connection.id, cache, stored: true };
        return cache;
      } catch (error) {
        if (!inMemory) throw error;
        log.warn('oauth.cache-not-read', { error: error instanceof Error ? error.name : typeof error });
        return inMemory.cache;
      }
    },
    save: async ({ id }, cache) => {
      if (known?.id === id && known.stored && known.cache === cache) return;
      known = { id, cache, stored: false };
      await store();
    },
    retry: async () => {
      if (known && !known.stored && clock.now() >= retryAt) await store();
    },
    put: async (id, cache) => {
      const version = await secrets.set(name, written(id, cache));
      known = { id, cache, stored: true };
      return version;
    },
    forget: async () => {
      known = undefined;
      await secrets.delete(name);
    },
  };
};

const written = (connection: string, cache: string): string => JSON.stringify({ v: 1, connection, cache });

const read = (secret: { value: string } | undefined): z.output<typeof document> | undefined =>
  secret && document.parse(JSON.parse(secret.value));
