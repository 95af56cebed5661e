import { type Clock, hours, minutes } from '../clock.ts';
import { PosternError } from '../errors.ts';
import { type SecretStore, type StoredSecret, secretNames } from '../storage/secrets.ts';

export interface SigningKey {
  /** The vault's version id of the secret. It stands in every token. */
  version: string;
  key: Buffer;
}

export interface SigningKeys {
  /** The key to sign with; made on first use. @throws RestError of the vault */
  newest(): Promise<SigningKey>;
  /** The key of a version, `undefined` where there is none. @throws RestError, PosternError `unavailable` */
  byVersion(version: string): Promise<Buffer | undefined>;
  /** Makes a new key. Links that older keys signed stay valid, since the vault keeps their versions. */
  rotate(): Promise<SigningKey>;
}

/** A rotation by another process, or in the vault itself, is noticed after this time. */
const newestKept = hours(1);
const failuresKept = minutes(1);
const strangersPerMinute = 30;
const keysKept = 100;

/**
 * Keys of the unsubscribe links, each a version of one secret in Key Vault. The version is named in the token, so the
 * vault is the only register there is: two processes that make the first key at the same moment make two versions, both
 * stay, and no link of either dies. Rotating is adding a version, here or in the vault's own way.
 *
 * Keys stay in memory, so a mail costs no vault call. Anybody can send tokens with invented versions; only a few of
 * those a minute are looked up.
 */
export const signingKeys = ({ secrets, clock, makeKey }: SigningKeyParts): SigningKeys => {
  const known = new Map<string, Buffer>();
  let newest: { key: SigningKey; at: number } | undefined;
  let reading: Promise<SigningKey> | undefined;
  let strangers = { since: Number.NEGATIVE_INFINITY, count: 0 };

  const remember = ({ value, version }: StoredSecret): SigningKey => {
    const key = Buffer.from(value, 'utf8');
    if (key.length < 32) throw new Error('the unsubscribe key in the vault is shorter than 32 characters');
    if (known.size >= keysKept) known.clear();
    known.set(version, key);
    return { version, key };
  };

  const create = async (): Promise<SigningKey> => {
    const value = makeKey().toString('base64url');
    return remember({ value, version: await secrets.set(secretNames.unsubscribeKeys, value) });
  };

  const readNewest = async (): Promise<SigningKey> => {
    const at = clock.now();
    try {
      const stored = await secrets.get(secretNames.unsubscribeKeys);
      newest = { key: stored ? remember(stored) : await create(), at };
    } catch (error) {
      // A key that was right an hour ago still is: mail goes on while the vault is away, and asks again later.
      if (!newest) throw error;
      newest = { key: newest.key, at: at - newestKept + failuresKept };
    }
    return newest.key;
  };

  const admitStranger = () => {
    const now = clock.now();
    if (Math.abs(now - strangers.since) >= minutes(1)) strangers = { since: now, count: 0 };
    strangers.count += 1;
    if (strangers.count <= strangersPerMinute) return;
    throw new PosternError('unavailable', 'Too many links with unknown keys. Try again in a minute.');
  };

  return {
    newest: async () => {
      if (newest && Math.abs(clock.now() - newest.at) < newestKept) return newest.key;
      reading ??= readNewest().finally(() => {
        reading = undefined;
      });
      return reading;
    },
    byVersion: async (version) => {
      const key = known.get(version);
      // Key Vault's version ids look like this; it answers anything else with an error, not with "none".
      if (key || !/^[0-9a-f]{32}$/.test(version)) return key;
      admitStranger();
      const stored = await secrets.get(secretNames.unsubscribeKeys, version);
      return stored && remember(stored).key;
    },
    rotate: async () => {
      const key = await create();
      newest = { key, at: clock.now() };
      return key;
    },
  };
};

export interface SigningKeyParts {
  secrets: SecretStore;
  clock: Clock;
  /** 32 random bytes, e.g. `() => randomBytes(32)`. */
  makeKey: () => Buffer;
}
