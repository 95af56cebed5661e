import { PosternError } from '../errors.ts';
import type { Access, Principal, Role } from './route.ts';

/** The app roles as Entra writes them into a token, by the words used here. */
export const appRoles = {
  MasterAdmin: 'Mail.MasterAdmin',
  Admin: 'Mail.Admin',
  Send: 'Mail.Send',
} as const satisfies Record<Role, string>;

export const roles = Object.keys(appRoles) as readonly Role[];

const schemas = 'http://schemas.xmlsoap.org/ws/2005/05/identity/claims';
const roleClaims = ['roles', 'http://schemas.microsoft.com/ws/2008/06/identity/claims/role'];
const idClaims = ['oid', 'http://schemas.microsoft.com/identity/claims/objectidentifier'];
const userNameClaims = ['preferred_username', 'upn', `${schemas}/upn`];
const emailClaims = ['email', `${schemas}/emailaddress`, ...userNameClaims];
/** An app-only token names no user: `azp` (v2 token) or `appid` (v1) is the application that calls. */
const nameClaims = [...userNameClaims, 'name', `${schemas}/name`, 'azp', 'appid'];

interface Claim {
  typ: string;
  val: string;
}

/**
 * Who calls, by the header `x-ms-client-principal` that App Service authentication ("Easy Auth") sets: Base64 of
 * `{ role_typ, claims: [{ typ, val }] }` (learn.microsoft.com/azure/app-service/configure-authentication-user-identities).
 * The platform removes such a header from outside, but only while Easy Auth is on: call this only then.
 * @returns `undefined` without the header, or where it is not of this form or names nobody.
 */
export const principalOf = (headers: Headers): Principal | undefined => {
  const header = headers.get('x-ms-client-principal');
  if (!header || !/^[A-Za-z0-9+/]+={0,2}$/.test(header)) return undefined;
  const { claims, roleType } = readClaims(Buffer.from(header, 'base64').toString('utf8'));
  const first = (types: readonly string[]) =>
    types.flatMap((type) => claims.filter(({ typ, val }) => typ === type && val !== ''))[0]?.val;
  const id = first(idClaims);
  if (!id) return undefined;
  const granted = claims.filter(({ typ }) => typ === roleType || roleClaims.includes(typ)).map(({ val }) => val);
  const email = emailClaims.map((type) => first([type])).find((it) => it?.includes('@'));
  return {
    id,
    name: first(nameClaims) ?? id,
    ...(email && { email }),
    roles: roles.filter((role) => granted.includes(appRoles[role])),
  };
};

/**
 * Lets through whom a route is open for. A master admin may all that an admin may.
 * @throws PosternError `not-signed-in` (401), or `not-allowed` (403) naming the roles that would do.
 */
export const guard = (access: Access, principal: Principal | undefined): void => {
  if (access === 'public') return;
  if (!principal) throw new PosternError('not-signed-in', 'This needs a signed-in user or a service with a token.');
  const may = (role: Role) => principal.roles.includes(role) || (role === 'Admin' && isMasterAdmin(principal));
  if (access.some(may)) return;
  const needed = access.map((role) => appRoles[role]).join(' or ');
  throw new PosternError('not-allowed', `This needs the app role ${needed}. Ask for it in Microsoft Entra ID.`);
};

export const isMasterAdmin = (principal: Principal | undefined): boolean =>
  principal?.roles.includes('MasterAdmin') === true;

/** `Admin`, and so a master admin too. */
export const isAdmin = (principal: Principal | undefined): boolean =>
  principal?.roles.includes('Admin') === true || isMasterAdmin(principal);

/**
 * Who does it, for a record and the audit.
 * @throws PosternError `not-signed-in`; not on a closed route, whose guard lets nobody through without
 */
export const actorOf = (principal: Principal | undefined): Pick<Principal, 'id' | 'name'> => {
  if (!principal) throw new PosternError('not-signed-in', 'This needs a signed-in user or a service with a token.');
  return { id: principal.id, name: principal.name };
};

function readClaims(json: string): { claims: Claim[]; roleType: string | undefined } {
  let read: unknown;
  try {
    read = JSON.parse(json);
  } catch {
    return { claims: [], roleType: undefined };
  }
  const { claims, role_typ } = (read ?? {}) as { claims?: unknown; role_typ?: unknown };
  return {
    claims: Array.isArray(claims) ? claims.filter(isClaim) : [],
    roleType: typeof role_typ === 'string' ? role_typ : undefined,
  };
}

const isClaim = (it: unknown): it is Claim =>
  typeof it === 'object' &&
  it !== null &&
  typeof (it as Claim).typ === 'string' &&
  typeof (it as Claim).val === 'string';
