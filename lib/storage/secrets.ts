import type { SecretClient } from '@azure/keyvault-secrets';
import { ifFound, isConflict } from './table.ts';

/** Names of all secrets that Postern keeps in Key Vault. */
export const secretNames = {
  smtpPassword: 'smtp-password',
  oauthClientSecret: 'oauth-client-secret',
  oauthTokenCache: 'oauth-token-cache',
  unsubscribeKeys: 'unsubscribe-keys',
} as const;

export type SecretName = (typeof secretNames)[keyof typeof secretNames];

export interface StoredSecret {
  value: string;
  /** The vault's version id of this value. */
  version: string;
}

/** Key Vault, as far as Postern needs it. Every call is one request to the vault: callers keep what they read. */
export interface SecretStore {
  /** @returns the newest (or the given) version; `undefined` where there is none. @throws RestError of the vault. */
  get(name: SecretName, version?: string): Promise<StoredSecret | undefined>;
  /** Adds a version, also to a secret that was deleted before. @returns its version id. */
  set(name: SecretName, value: string): Promise<string>;
  /** Deletes all versions (recoverable until the vault's retention ends). Deleting what is not there is fine. */
  delete(name: SecretName): Promise<void>;
  /** Takes back a deletion: all versions are there again. Recovering what is not deleted is fine. */
  recover(name: SecretName): Promise<void>;
}

export const vaultSecrets = (vault: () => SecretClient): SecretStore => ({
  get: async (name, version) => {
    const found = await ifFound(vault().getSecret(name, version ? { version } : {}));
    if (found?.value === undefined) return undefined;
    return { value: found.value, version: found.properties.version ?? '' };
  },
  set: async (name, value) => {
    const add = async () => (await vault().setSecret(name, value)).properties.version ?? '';
    try {
      return await add();
    } catch (error) {
      // A name whose secret was deleted stays taken, with 409, until the vault's retention ends
      // (learn.microsoft.com/azure/key-vault/general/soft-delete-overview).
      if (!isConflict(error)) throw error;
      await recovered(vault(), name);
      return add();
    }
  },
  delete: async (name) => {
    await ifFound(vault().beginDeleteSecret(name, { intervalInMs }));
  },
  recover: (name) => recovered(vault(), name),
});

/** Deleting and recovering take the vault some seconds; it is asked again this often, in milliseconds. */
const intervalInMs = 500;

const recovered = async (vault: SecretClient, name: SecretName): Promise<void> => {
  const poller = await ifFound(vault.beginRecoverDeletedSecret(name, { intervalInMs }));
  await poller?.pollUntilDone();
};
