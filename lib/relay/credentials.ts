import { createHash } from 'node:crypto';
import { TokenFault, type TokenSource } from '../oauth/tokens.ts';
import type { Settings } from '../settings/schema.ts';
import { secretNames } from '../storage/secrets.ts';
import { RelayFailure } from './failure.ts';
import type { Login } from './outcome.ts';
import type { Credentials } from './smtp.ts';

export interface CredentialSources {
  /** A secret that fits exactly these settings; `undefined` where none is stored or its seal does not fit (law 6). */
  secret(name: typeof secretNames.smtpPassword, use: Settings): Promise<string | undefined>;
  tokens: TokenSource;
}

/** How Postern logs in with these settings; `undefined` where it does not, or a mail command does it by itself. */
export const loginOf = ({ type, smtp: { auth } }: Settings): Login | undefined =>
  type === 'smtp' && auth.enabled ? auth.type : undefined;

/**
 * What to log in with; `undefined` where the settings want no login.
 * @throws TokenFault where no token can be had, RelayFailure (phase `auth`) where the password is missing
 */
export const credentialsOf = async (
  settings: Settings,
  { secret, tokens }: CredentialSources,
): Promise<Credentials | undefined> => {
  const { auth } = settings.smtp;
  if (!auth.enabled) return undefined;
  if (auth.type === 'xoauth2') return { method: 'xoauth2', ...(await tokens.accessToken()) };
  const password = await secret(secretNames.smtpPassword, settings);
  if (password === undefined) {
    const cause = Object.assign(new Error('No SMTP password is stored for this server and user'), { code: 'ENOAUTH' });
    throw new RelayFailure('auth', 'no', cause);
  }
  return { method: 'basic', user: auth.user, password };
};

/**
 * What makes two connections interchangeable: the server and who is logged in there. A token is left out, since it
 * counts at the login only and a new one for the same user changes nothing about an open connection. Hashed, so that
 * the key of a map is no second place where a password stands.
 */
export const loginKey = ({ host, port, security }: Settings['smtp'], credentials: Credentials | undefined): string =>
  createHash('sha256')
    .update(
      JSON.stringify([
        host.toLowerCase(),
        port,
        security,
        credentials?.method,
        credentials?.user,
        credentials?.method === 'basic' ? credentials.password : undefined,
      ]),
    )
    .digest('base64');

/** Everything that decides for whom a token was generated and where it goes. */
const tokenUse = ({ host, port, security, auth }: Settings['smtp']): string => {
  const { provider, cloud, grant, credential, tenantId, clientId } = auth.oauth;
  return JSON.stringify([host, port, security, auth.user, provider, cloud, grant, credential, tenantId, clientId]);
};

/**
 * The tokens to try a draft with: fresh ones, where the draft would use them as the saved settings do; otherwise none,
 * so that no unsaved draft can have a token sent to another server (law 6).
 */
export const tokensForDraft = (draft: Settings, saved: Settings, tokens: TokenSource): TokenSource => ({
  accessToken: async () => {
    if (tokenUse(draft.smtp) === tokenUse(saved.smtp)) return tokens.accessToken({ renew: true });
    throw new TokenFault({
      class: 'auth',
      phase: 'token',
      rule: 'token-not-for-draft',
      reply: 'A token is tried only with the settings it belongs to. Save these, generate a token, then check again.',
    });
  },
});
