import { createHash } from 'node:crypto';
import type { TokenSource } from '../oauth/tokens.ts';
import type { Settings } from '../settings/schema.ts';
import { secretNames } from '../storage/secrets.ts';
import { RelayFailure } from './failure.ts';
import type { Credentials } from './smtp.ts';

export interface CredentialSources {
  /** A secret that fits the present settings; `undefined` where none is stored or its seal does not fit. */
  secret(name: typeof secretNames.smtpPassword): Promise<string | undefined>;
  tokens: TokenSource;
}

/**
 * What to log in with; `undefined` where the settings want no login.
 * @throws TokenFault where no token can be had, RelayFailure (phase `auth`) where the password is missing
 */
export const credentialsOf = async (
  { auth }: Settings['smtp'],
  { secret, tokens }: CredentialSources,
): Promise<Credentials | undefined> => {
  if (!auth.enabled) return undefined;
  if (auth.type === 'xoauth2') return { method: 'xoauth2', ...(await tokens.accessToken()) };
  const password = await secret(secretNames.smtpPassword);
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
