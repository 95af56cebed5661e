import {
  type AccountInfo,
  ConfidentialClientApplication,
  type Configuration,
  type ICachePlugin,
} from '@azure/msal-node';
import type { Settings } from '../settings/schema.ts';
import { essential } from './cache.ts';
import { clouds } from './clouds.ts';
import { networkOf, type Told } from './network.ts';

/** How the application proves itself to Entra. */
export type ClientProof = { clientSecret: string } | { clientAssertion: () => Promise<string> };

/** Where and as whom to ask. */
export interface Asking {
  oauth: Settings['smtp']['auth']['oauth'];
  proof: ClientProof;
  /** Stands in for the cloud's authority host, e.g. `https://localhost:8443`; `undefined` = Microsoft's own. */
  authorityHost: string | undefined;
  /** Milliseconds for one request to Entra. */
  timeout: number;
}

/** What Entra gave. The refresh token is in `cache` only. */
export interface Granted {
  token: string;
  /** Seconds. */
  lifetime: number;
  account: AccountInfo | null;
  /** MSAL's cache as text, without what need not be kept. */
  cache: string;
}

/** An error of MSAL, with the HTTP status and the seconds that Entra asked to wait. */
export class EntraFailure extends Error {
  readonly status: number | undefined;
  readonly retryAfter: number | undefined;
  constructor(cause: unknown, told: Told) {
    super('Entra gave no token', { cause });
    this.name = 'EntraFailure';
    this.status = told.status;
    this.retryAfter = told.retryAfter;
  }
}

export interface SignIn {
  redirectUri: string;
  state: string;
  nonce: string;
}

/**
 * Where a browser begins the sign-in. `prompt=login`: a session of somebody else in the same browser is not taken over
 * silently, and unlike with `select_account` MSAL keeps the `login_hint`.
 */
export const authorizationUrl = (
  asking: Asking,
  { challenge, hint, ...signIn }: SignIn & { challenge: string; hint: string },
): Promise<string> =>
  asked(asking, undefined, ({ client }) =>
    client.getAuthCodeUrl({
      ...signIn,
      scopes: [clouds[asking.oauth.cloud].delegatedScope],
      codeChallenge: challenge,
      codeChallengeMethod: 'S256',
      loginHint: hint,
      prompt: 'login',
      responseMode: 'query',
    }),
  );

/** Redeems the code of a callback (RFC 6749 section 4.1.3 with RFC 7636). @throws EntraFailure */
export const redeemCode = (
  asking: Asking,
  { code, verifier, ...signIn }: SignIn & { code: string; verifier: string },
): Promise<Granted> =>
  asked(asking, undefined, async ({ client, told, cache }) => {
    const scopes = [clouds[asking.oauth.cloud].delegatedScope];
    const { redirectUri, state, nonce } = signIn;
    const request = { code, scopes, redirectUri, codeVerifier: verifier, state, nonce };
    const result = await client.acquireTokenByCode(request, { code, state });
    return { token: result.accessToken, lifetime: lifetimeOf(told), account: result.account, cache: cache() };
  });

/** Renews by the refresh token in `cache` (RFC 6749 section 6). @throws EntraFailure */
export const renewToken = (asking: Asking, kept: string, homeAccountId: string): Promise<Granted> =>
  asked(asking, kept, async ({ client, told, cache }) => {
    const account = await client.getTokenCache().getAccountByHomeId(homeAccountId);
    if (!account) throw new EntraFailure(undefined, told);
    const scopes = [clouds[asking.oauth.cloud].delegatedScope];
    const result = await client.acquireTokenSilent({ account, scopes, forceRefresh: true });
    return { token: result.accessToken, lifetime: lifetimeOf(told), account: result.account, cache: cache() };
  });

/** The application's own token (RFC 6749 section 4.4). @throws EntraFailure */
export const applicationToken = (asking: Asking): Promise<Omit<Granted, 'cache' | 'account'>> =>
  asked(asking, undefined, async ({ client, told }) => {
    const scopes = [clouds[asking.oauth.cloud].applicationScope];
    const result = await client.acquireTokenByClientCredential({ scopes, skipCache: true });
    if (!result) throw new EntraFailure(undefined, told);
    return { token: result.accessToken, lifetime: lifetimeOf(told) };
  });

interface Session {
  client: ConfidentialClientApplication;
  told: Told;
  cache(): string;
}

/**
 * A client for one request: it sees the secret and the refresh token of this moment, and nothing stays in memory.
 * Hosts of Microsoft are known to MSAL, so that this costs no discovery.
 */
const asked = async <T>(
  asking: Asking,
  kept: string | undefined,
  ask: (session: Session) => Promise<T>,
): Promise<T> => {
  const { network, told } = networkOf(asking.timeout);
  const memory = memoryOf(kept);
  const client = new ConfidentialClientApplication({
    auth: authOf(asking),
    system: { networkClient: network },
    cache: { cachePlugin: memory.plugin },
  });
  try {
    return await ask({ client, told, cache: memory.text });
  } catch (error) {
    if (error instanceof EntraFailure) throw error;
    throw new EntraFailure(error, told);
  }
};

const authOf = ({ oauth, proof, authorityHost }: Asking): Configuration['auth'] => {
  const host = authorityHost ?? clouds[oauth.cloud].authority;
  return {
    clientId: oauth.clientId,
    authority: `${host}/${oauth.tenantId}`,
    // A known authority is not looked up at Microsoft's instance discovery.
    knownAuthorities: [new URL(host).host],
    ...proof,
  };
};

/** MSAL's cache for one request: a failing vault must not cost what Entra has already given, so it is stored afterwards. */
const memoryOf = (kept: string | undefined): { plugin: ICachePlugin; text(): string } => {
  let text = kept;
  return {
    text: () => essential(text ?? '{}'),
    plugin: {
      beforeCacheAccess: async ({ tokenCache }) => {
        if (text !== undefined) tokenCache.deserialize(text);
      },
      afterCacheAccess: async ({ tokenCache, cacheHasChanged }) => {
        if (cacheHasChanged) text = tokenCache.serialize();
      },
    },
  };
};

/** Entra always tells `expires_in`; a token without it is used once. */
const lifetimeOf = ({ expiresIn = 0 }: Told): number => expiresIn;
