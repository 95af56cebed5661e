import type { TokenCredential } from '@azure/identity';
import type { Settings } from '../settings/schema.ts';
import type { SealedName } from '../settings/seal.ts';
import { secretNames } from '../storage/secrets.ts';
import { clouds } from './clouds.ts';
import type { Asking, ClientProof } from './entra.ts';
import { secretMissing, vaultSilent } from './faults.ts';
import { TokenFault } from './tokens.ts';

export interface AskingParts {
  /** The client secret that was given for these settings. */
  secret(name: SealedName, use: Settings): Promise<string | undefined>;
  /** The app's own identity, for an assertion in place of the secret. */
  credential(): TokenCredential;
  authorityHost: string | undefined;
  /** Milliseconds for one request to Entra. */
  timeout: number;
}

/**
 * How to ask Entra with these settings.
 * @throws TokenFault where no client secret is stored, or the vault does not answer
 */
export const askingFor = async (settings: Settings, parts: AskingParts): Promise<Asking> => {
  const { oauth } = settings.smtp.auth;
  const { authorityHost, timeout } = parts;
  return { oauth, proof: await proofFor(settings, parts), authorityHost, timeout };
};

const proofFor = async (settings: Settings, { secret, credential }: AskingParts): Promise<ClientProof> => {
  const { oauth } = settings.smtp.auth;
  if (oauth.credential === 'managed-identity') {
    const { assertionScope } = clouds[oauth.cloud];
    return { clientAssertion: async () => (await credential().getToken(assertionScope))?.token ?? '' };
  }
  const clientSecret = await fromVault(secret(secretNames.oauthClientSecret, settings));
  if (clientSecret === undefined) throw new TokenFault(secretMissing());
  return { clientSecret };
};

/** @throws TokenFault in place of whatever kept the vault from answering */
export const fromVault = async <T>(read: Promise<T>): Promise<T> => {
  try {
    return await read;
  } catch (error) {
    throw new TokenFault(vaultSilent(error), { cause: error });
  }
};
