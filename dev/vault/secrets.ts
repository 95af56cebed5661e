import { randomUUID } from 'node:crypto';
import { readFileSync, renameSync, writeFileSync } from 'node:fs';

/** One version of a secret, in the shape that the state file keeps. Times are seconds since 1970, as the service has them. */
interface Version {
  version: string;
  value: string;
  contentType?: string;
  tags?: Record<string, string>;
  enabled: boolean;
  created: number;
  updated: number;
}

interface Secret {
  name: string;
  /** Oldest first. */
  versions: Version[];
  /** Since when it is deleted but recoverable. */
  deleted?: number;
}

const recoverableDays = 90;
/** 25 KB, the service's limit for a secret's value. */
const largestValue = 25_600;

/** An answer of the service that is no success, in its own JSON shape. */
export class VaultRefusal extends Error {
  readonly status: number;
  readonly body: unknown;
  constructor(status: number, code: string, message: string, inner?: string) {
    super(message);
    this.status = status;
    this.body = { error: { code, message, ...(inner ? { innererror: { code: inner } } : {}) } };
  }
}

export interface SecretInput {
  value?: unknown;
  contentType?: string;
  tags?: Record<string, string>;
  attributes?: { enabled?: boolean };
}

/**
 * The secrets of the stand-in with the rules of Key Vault's soft delete
 * (learn.microsoft.com/azure/key-vault/general/soft-delete-overview).
 * @param base `https://host:port`, the beginning of every id
 * @param file left out: in memory only; otherwise written before any change is answered, readable by its owner alone
 */
export const secretShelf = (base: () => string, now: () => number, file?: string) => {
  const secrets = new Map<string, Secret>(read(file).map((secret) => [secret.name.toLowerCase(), secret]));

  const save = () => {
    if (!file) return;
    writeFileSync(`${file}.draft`, JSON.stringify([...secrets.values()]), { mode: 0o600 });
    renameSync(`${file}.draft`, file);
  };
  const seconds = () => Math.floor(now() / 1000);
  const living = (name: string): Secret => {
    const found = secrets.get(name.toLowerCase());
    if (!found || found.deleted !== undefined) throw missing(name);
    return found;
  };
  const gone = (name: string): Secret => {
    const found = secrets.get(name.toLowerCase());
    if (found?.deleted === undefined) throw missing(name, 'deleted ');
    return found;
  };
  const versionOf = (secret: Secret, version: string): Version => {
    const found = version ? secret.versions.find((one) => one.version === version) : secret.versions.at(-1);
    if (!found) throw missing(`${secret.name}/${version}`);
    return found;
  };

  const properties = (secret: Secret, one: Version, id: string) => ({
    id: `${base()}/secrets/${id}`,
    ...(one.contentType === undefined ? {} : { contentType: one.contentType }),
    attributes: {
      enabled: one.enabled,
      created: one.created,
      updated: one.updated,
      recoveryLevel: 'Recoverable+Purgeable',
      recoverableDays,
    },
    tags: one.tags ?? {},
    ...(secret.deleted === undefined
      ? {}
      : {
          recoveryId: `${base()}/deletedsecrets/${secret.name}`,
          deletedDate: secret.deleted,
          scheduledPurgeDate: secret.deleted + recoverableDays * 86_400,
        }),
  });
  const bundle = (secret: Secret, one: Version) => ({
    ...properties(secret, one, `${secret.name}/${one.version}`),
    ...(secret.deleted === undefined ? { value: one.value } : {}),
  });
  const newest = (secret: Secret) => bundle(secret, versionOf(secret, ''));

  return {
    set: (name: string, input: SecretInput) => {
      if (!/^[0-9a-zA-Z-]{1,127}$/.test(name)) throw bad(`The request URI contains an invalid name: ${name}`);
      if (typeof input.value !== 'string') throw bad('Property value is missing or not a string.');
      if (Buffer.byteLength(input.value) > largestValue) {
        throw bad(`The length of the secret value exceeds the maximum of ${largestValue} bytes.`);
      }
      const known = secrets.get(name.toLowerCase());
      if (known?.deleted !== undefined) {
        throw new VaultRefusal(
          409,
          'Conflict',
          `Secret ${name} is currently in a deleted but recoverable state, and its name cannot be reused; in this state, the secret can only be recovered or purged.`,
          'ObjectIsDeletedButRecoverable',
        );
      }
      const secret = known ?? { name, versions: [] };
      const version: Version = {
        version: randomUUID().replaceAll('-', ''),
        value: input.value,
        ...(input.contentType === undefined ? {} : { contentType: input.contentType }),
        ...(input.tags === undefined ? {} : { tags: input.tags }),
        enabled: input.attributes?.enabled ?? true,
        created: seconds(),
        updated: seconds(),
      };
      secret.versions.push(version);
      secrets.set(name.toLowerCase(), secret);
      save();
      return bundle(secret, version);
    },
    get: (name: string, version: string) => {
      const secret = living(name);
      const found = versionOf(secret, version);
      if (!found.enabled) {
        throw new VaultRefusal(
          403,
          'Forbidden',
          'Operation get is not allowed on a disabled secret.',
          'SecretDisabled',
        );
      }
      return bundle(secret, found);
    },
    update: (name: string, version: string, input: SecretInput) => {
      const secret = living(name);
      const found = versionOf(secret, version);
      if (input.contentType !== undefined) found.contentType = input.contentType;
      if (input.tags !== undefined) found.tags = input.tags;
      if (input.attributes?.enabled !== undefined) found.enabled = input.attributes.enabled;
      found.updated = seconds();
      save();
      return properties(secret, found, `${secret.name}/${found.version}`);
    },
    versions: (name: string) => {
      const secret = living(name);
      return secret.versions.map((one) => properties(secret, one, `${secret.name}/${one.version}`));
    },
    list: () =>
      [...secrets.values()]
        .filter((secret) => secret.deleted === undefined)
        .map((secret) => properties(secret, versionOf(secret, ''), secret.name)),
    delete: (name: string) => {
      const secret = living(name);
      secret.deleted = seconds();
      save();
      return newest(secret);
    },
    getDeleted: (name: string) => newest(gone(name)),
    listDeleted: () => [...secrets.values()].filter((secret) => secret.deleted !== undefined).map(newest),
    recover: (name: string) => {
      const secret = gone(name);
      delete secret.deleted;
      save();
      return properties(secret, versionOf(secret, ''), `${secret.name}/${versionOf(secret, '').version}`);
    },
    purge: (name: string) => {
      secrets.delete(gone(name).name.toLowerCase());
      save();
    },
  };
};

const bad = (message: string) => new VaultRefusal(400, 'BadParameter', message);

const missing = (name: string, which = '') =>
  new VaultRefusal(
    404,
    'SecretNotFound',
    `A ${which}secret with (name/id) ${name} was not found in this key vault. If you recently deleted this secret you may be able to recover it using the correct recovery command. For help resolving this issue, please see https://go.microsoft.com/fwlink/?linkid=2125182`,
  );

const read = (file: string | undefined): Secret[] => {
  if (!file) return [];
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
};
