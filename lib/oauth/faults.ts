import type { RemedyKey } from '../relay/remedies.ts';
import { presentable } from '../relay/reply.ts';
import type { TokenFailure } from './aadsts.ts';

/** Faults of phase `token` that are found here, before or after Entra is asked. */
const fault = (kind: TokenFailure['kind'], rule: string, reply: string, remedy?: RemedyKey): TokenFailure => ({
  class: kind === 'temporary' ? 'connection' : 'auth',
  phase: 'token',
  kind,
  rule,
  reply: presentable(reply, 'token'),
  ...(remedy && { remedy }),
});

export const notConnected = (): TokenFailure => ({
  ...fault('reconnect', 'not-connected', 'No OAuth account is connected.', 'reconnect'),
  reconnect: true,
});

export const connectedForOther = (): TokenFailure => ({
  ...fault(
    'reconnect',
    'connected-for-other-settings',
    'The account was connected for another server, user, tenant or application. Generate the OAuth token again.',
    'reconnect',
  ),
  reconnect: true,
});

export const cacheLost = (): TokenFailure => ({
  ...fault(
    'reconnect',
    'token-cache-lost',
    'Key Vault no longer has the sign-in. Generate the OAuth token again.',
    'reconnect',
  ),
  reconnect: true,
});

export const secretMissing = (): TokenFailure =>
  fault('secret', 'client-secret-missing', 'No client secret is stored for these settings.', 'secret-wrong');

/** The vault's trouble passes, and no mail shall lose an attempt to it. */
export const vaultSilent = (error: unknown): TokenFailure => {
  const words = error instanceof Error ? error.name : typeof error;
  return fault('temporary', 'vault-unreachable', `Key Vault does not answer (${words}).`);
};

export const settingsIncomplete = (what: string): TokenFailure => fault('config', 'settings-incomplete', what);
