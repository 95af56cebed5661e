import { createHmac, randomUUID, timingSafeEqual } from 'node:crypto';
import type { Account } from './directory.ts';

/** Seconds. */
export const accessLifetime = 3600;
/** Milliseconds: a refresh token ends when it was not used for 90 days. */
export const refreshLifetime = 90 * 86_400_000;

export interface AccessClaims {
  aud: string;
  iss: string;
  /** Seconds since 1970. */
  exp: number;
  tid: string;
  appid: string;
  /** Delegated: who signed in, and the permissions. */
  upn?: string;
  scp?: string;
  /** Application: the permissions. */
  roles?: string[];
}

export interface RefreshClaims {
  username: string;
  clientId: string;
  scope: string;
  /** Milliseconds since 1970. */
  issued: number;
}

/** Signed tokens, so that a restarted server, or another process with the key, knows its own. */
export const mint = (key: string) => {
  const signature = (text: string) => createHmac('sha256', key).update(text).digest('base64url');
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const read = <T>(text: string): T => JSON.parse(Buffer.from(text, 'base64url').toString('utf8')) as T;
  const genuine = (text: string, given: string) => {
    const [one, other] = [Buffer.from(signature(text)), Buffer.from(given)];
    return one.length === other.length && timingSafeEqual(one, other);
  };
  const jwt = (claims: object) => {
    const text = `${part({ alg: 'HS256', typ: 'JWT' })}.${part(claims)}`;
    return `${text}.${signature(text)}`;
  };
  return {
    access: (claims: AccessClaims): string => jwt({ ...claims, uti: randomUUID() }),
    readAccess: (token: string): AccessClaims | undefined => {
      const [header, claims = '', given = ''] = token.split('.');
      return genuine(`${header}.${claims}`, given) ? read<AccessClaims>(claims) : undefined;
    },
    refresh: (claims: RefreshClaims): string => {
      const text = part({ ...claims, id: randomUUID() });
      return `1.${text}.${signature(text)}`;
    },
    readRefresh: (token: string): RefreshClaims | undefined => {
      const [version, text = '', given = ''] = token.split('.');
      return version === '1' && genuine(text, given) ? read<RefreshClaims>(text) : undefined;
    },
    /** @param now seconds since 1970 */
    id: (account: Account, { issuer, tenantId, clientId, nonce, now }: IdToken): string =>
      jwt({
        ...{ aud: clientId, iss: issuer, iat: now, nbf: now, exp: now + accessLifetime, ver: '2.0', tid: tenantId },
        ...{ oid: account.oid, sub: account.oid, name: account.name, preferred_username: account.username },
        ...(nonce && { nonce }),
      }),
    clientInfo: (account: Account, tenantId: string): string => part({ uid: account.oid, utid: tenantId }),
  };
};

interface IdToken {
  issuer: string;
  tenantId: string;
  clientId: string;
  nonce?: string | undefined;
  now: number;
}

export type Mint = ReturnType<typeof mint>;
