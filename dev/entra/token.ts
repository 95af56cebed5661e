import { createHash } from 'node:crypto';
import type { Code } from './authorize.ts';
import { type Account, type Directory, findAccount, findRegistration, type Registration } from './directory.ts';
import { EntraRefusal } from './errors.ts';
import { accessLifetime, type Mint, refreshLifetime } from './mint.ts';
import { type Asked, readScope } from './scopes.ts';

export interface TokenDesk {
  directory: Directory;
  codes: Map<string, Code>;
  mint: Mint;
  issuer: string;
  /** Object id of an account → refresh tokens from before this time (milliseconds since 1970) are revoked. */
  revoked: ReadonlyMap<string, number>;
  /** Seconds that an access token lives. */
  lifetime: number | undefined;
  now(): number;
}

/** The token endpoint (RFC 6749 sections 4.1.3, 4.4.2 and 6). @throws EntraRefusal */
export const grantToken = (form: URLSearchParams, desk: TokenDesk): Record<string, unknown> => {
  const registration = authenticated(form, desk);
  const grants: Record<string, () => Record<string, unknown>> = {
    authorization_code: () => byCode(form, registration, desk),
    refresh_token: () => byRefreshToken(form, registration, desk),
    client_credentials: () => byClient(form, registration, desk),
  };
  const grant = grants[form.get('grant_type') ?? ''];
  if (!grant) throw new EntraRefusal(900144);
  return grant();
};

/** Client authentication: secret, or an assertion of a managed identity (RFC 7523). */
const authenticated = (form: URLSearchParams, { directory, now }: TokenDesk): Registration => {
  const registration = findRegistration(directory, form.get('client_id') ?? '');
  if (!registration) throw new EntraRefusal(700016);
  const secret = form.get('client_secret');
  const assertion = form.get('client_assertion');
  if (assertion !== null) {
    checkAssertion(assertion, form.get('client_assertion_type'), registration);
    return registration;
  }
  if (secret === null) throw new EntraRefusal(7000218);
  const known = registration.secrets.find(({ value }) => value === secret);
  if (!known) throw new EntraRefusal(7000215);
  if (known.ends !== undefined && known.ends <= now()) throw new EntraRefusal(7000222);
  return registration;
};

const jwtBearer = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';

/** The identity stand-in lives by the system's time, whatever time this server is told. */
const checkAssertion = (assertion: string, type: string | null, { federated }: Registration): void => {
  if (type !== jwtBearer) throw new EntraRefusal(900144);
  const claims = claimsOf(assertion);
  if (claims.aud !== 'api://AzureADTokenExchange') throw new EntraRefusal(700213);
  if (!federated.includes('*') && !federated.includes(claims.sub ?? '')) throw new EntraRefusal(700213);
  if ((claims.exp ?? 0) * 1000 < Date.now()) throw new EntraRefusal(700027);
};

const claimsOf = (jwt: string): { aud?: string; sub?: string; exp?: number } => {
  try {
    return JSON.parse(Buffer.from(jwt.split('.')[1] ?? '', 'base64url').toString('utf8')) as object;
  } catch {
    throw new EntraRefusal(50012);
  }
};

const byCode = (form: URLSearchParams, { clientId }: Registration, desk: TokenDesk) => {
  const code = desk.codes.get(form.get('code') ?? '');
  if (!code || code.clientId !== clientId) throw new EntraRefusal(70008);
  if (code.used) throw new EntraRefusal(54005);
  if (code.ends <= desk.now()) throw new EntraRefusal(70008);
  if (code.redirectUri !== form.get('redirect_uri')) throw new EntraRefusal(500112);
  if (code.challenge !== undefined) {
    const verifier = form.get('code_verifier') ?? '';
    if (createHash('sha256').update(verifier).digest('base64url') !== code.challenge) throw new EntraRefusal(501481);
  }
  code.used = true;
  return tokensFor(code.account, clientId, { scope: code.scope, nonce: code.nonce }, desk);
};

const byRefreshToken = (form: URLSearchParams, { clientId }: Registration, desk: TokenDesk) => {
  const claims = desk.mint.readRefresh(form.get('refresh_token') ?? '');
  const account = claims && findAccount(desk.directory, claims.username);
  if (!claims || !account || claims.clientId !== clientId) throw new EntraRefusal(9002313);
  if (desk.now() - claims.issued > refreshLifetime) throw new EntraRefusal(700082);
  if (claims.issued < (desk.revoked.get(account.oid) ?? 0)) throw new EntraRefusal(50173);
  return tokensFor(account, clientId, { scope: form.get('scope') ?? claims.scope, nonce: undefined }, desk);
};

const byClient = (form: URLSearchParams, registration: Registration, desk: TokenDesk) => {
  const { audience, permissions } = readScope(form.get('scope') ?? '');
  if (permissions.join() !== '.default') throw new EntraRefusal(70011);
  const lifetime = desk.lifetime ?? accessLifetime;
  const { issuer, directory, mint } = desk;
  const exp = Math.floor(desk.now() / 1000) + lifetime;
  const claims = { aud: audience, iss: issuer, exp, tid: directory.tenantId, appid: registration.clientId };
  return {
    token_type: 'Bearer',
    expires_in: lifetime,
    ext_expires_in: lifetime,
    access_token: mint.access({ ...claims, roles: registration.application }),
  };
};

/** A new refresh token with each answer; those before stay good until they end (learn.microsoft.com, "Refresh tokens"). */
const tokensFor = (
  account: Account,
  clientId: string,
  { scope, nonce }: { scope: string; nonce: string | undefined },
  desk: TokenDesk,
): Record<string, unknown> => {
  const { mint, directory, issuer } = desk;
  const asked: Asked = readScope(scope);
  const registration = findRegistration(directory, clientId);
  if (!asked.permissions.every((it) => registration?.delegated.includes(it))) throw new EntraRefusal(65001);
  const tenantId = account.tenantId ?? directory.tenantId;
  const now = Math.floor(desk.now() / 1000);
  const lifetime = desk.lifetime ?? accessLifetime;
  const access = { aud: asked.audience, iss: issuer, exp: now + lifetime, tid: tenantId, appid: clientId };
  return {
    token_type: 'Bearer',
    scope: asked.permissions.map((it) => `${asked.audience}/${it}`).join(' '),
    expires_in: lifetime,
    ext_expires_in: lifetime,
    access_token: mint.access({ ...access, upn: account.username, scp: asked.permissions.join(' ') }),
    ...(asked.offline && {
      refresh_token: mint.refresh({ username: account.username, clientId, scope, issued: desk.now() }),
    }),
    id_token: mint.id(account, { issuer, tenantId, clientId, nonce, now }),
    client_info: mint.clientInfo(account, tenantId),
  };
};
