import { createHash } from 'node:crypto';
import type { SecretName } from '../storage/secrets.ts';
import type { SecretState, Settings, SettingsDraft } from './schema.ts';

/** The secrets that have a place in the settings document. */
export type SealedName = Extract<SecretName, 'smtp-password' | 'oauth-client-secret'>;

interface Sealed {
  path: string;
  /** What the secret was given for. It is never used for anything else (law 6). */
  destination(settings: Settings): Record<string, string | number>;
  /** What a draft has in the secret's place. */
  written(draft: SettingsDraft): string | null | SecretState | undefined;
  /** Puts the readable state in the secret's place. */
  show(settings: Settings, state: SecretState): void;
}

/** A secret that was given for an encrypted connection does not go over a clear one either. */
const server = ({ smtp }: Settings) => ({
  ...{ host: smtp.host, port: smtp.port, user: smtp.auth.user },
  clear: smtp.security === 'none' ? 1 : 0,
});

export const sealedSecrets: Readonly<Record<SealedName, Sealed>> = {
  'smtp-password': {
    path: 'smtp.auth.password',
    destination: server,
    written: (draft) => draft.smtp.auth.password,
    show: (settings, state) => {
      settings.smtp.auth.password = state;
    },
  },
  'oauth-client-secret': {
    path: 'smtp.auth.oauth.clientSecret',
    destination: (settings) => {
      const { provider, cloud, tenantId, clientId } = settings.smtp.auth.oauth;
      return { ...server(settings), provider, cloud, tenant: tenantId.toLowerCase(), client: clientId.toLowerCase() };
    },
    written: (draft) => draft.smtp.auth.oauth.clientSecret,
    show: (settings, state) => {
      settings.smtp.auth.oauth.clientSecret = state;
    },
  },
};

export const sealedNames = Object.keys(sealedSecrets) as SealedName[];

/** SHA-256 over the destination, as hex. Equal seals: the secret may go where these settings send it. */
export const sealOf = (name: SealedName, settings: Settings): string =>
  createHash('sha256')
    .update(JSON.stringify(Object.entries(sealedSecrets[name].destination(settings))))
    .digest('hex');

/** What the settings row knows of a secret: which version in the vault, since when (ISO 8601), and for what. */
export interface SecretReference {
  version: string;
  since: string;
  seal: string;
}

export type SecretReferences = Partial<Record<SealedName, SecretReference>>;

/** A copy of the settings whose secrets show what the references say. */
export const withSecretStates = (settings: Settings, references: SecretReferences): Settings => {
  const copy = structuredClone(settings);
  for (const name of sealedNames) {
    const reference = references[name];
    sealedSecrets[name].show(copy, reference ? { set: true, since: reference.since } : { set: false });
  }
  return copy;
};
