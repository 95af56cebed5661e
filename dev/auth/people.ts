import { createHash } from 'node:crypto';

/** Somebody whom the local Easy Auth lets in. */
export interface Person {
  name: string;
  /** A service has none. */
  email?: string;
  /** App roles as Entra writes them. */
  roles: string[];
}

/** Whom the sign-in page offers, by the word in its form and in the name of the token (`MASTER_ADMIN_TOKEN`). */
export const people = {
  'master-admin': { name: 'Mara Master', email: 'mara@example.com', roles: ['Mail.MasterAdmin'] },
  admin: { name: 'Adam Admin', email: 'adam@example.com', roles: ['Mail.Admin'] },
  service: { name: 'platform-service', roles: ['Mail.Send'] },
} as const satisfies Record<string, Person>;

export type Who = keyof typeof people;

const tenant = '11111111-2222-3333-4444-555555555555';
const audience = 'api://postern-local';
const identity = 'http://schemas.microsoft.com/identity/claims';
const soap = 'http://schemas.xmlsoap.org/ws/2005/05/identity/claims';

export interface Claim {
  typ: string;
  val: string;
}

/** The claims of a token of Entra (version 2.0) as App Service maps them: some by their old SOAP names. */
export const claimsOf = (person: Person): Claim[] => [
  { typ: 'aud', val: audience },
  { typ: 'iss', val: `https://login.microsoftonline.com/${tenant}/v2.0` },
  ...(person.email
    ? [
        { typ: `${soap}/emailaddress`, val: person.email },
        { typ: 'name', val: person.name },
        { typ: 'preferred_username', val: person.email },
      ]
    : [
        { typ: 'azp', val: idOf(`application ${person.name}`) },
        { typ: 'azpacr', val: '1' },
      ]),
  { typ: `${identity}/objectidentifier`, val: objectId(person) },
  ...person.roles.map((role) => ({ typ: 'roles', val: role })),
  { typ: `${soap}/nameidentifier`, val: idOf(`subject ${person.email ?? person.name}`) },
  { typ: `${identity}/tenantid`, val: tenant },
  { typ: 'ver', val: '2.0' },
];

/** The headers with which App Service tells the app who calls (Microsoft Learn, "Work with user identities"). */
export const principalHeaders = (person: Person): Record<string, string> => {
  const principal = {
    auth_typ: 'aad',
    claims: claimsOf(person),
    name_typ: `${soap}/emailaddress`,
    role_typ: 'http://schemas.microsoft.com/ws/2008/06/identity/claims/role',
  };
  return {
    'x-ms-client-principal': Buffer.from(JSON.stringify(principal)).toString('base64'),
    'x-ms-client-principal-id': objectId(person),
    'x-ms-client-principal-name': encodeURIComponent(person.email ?? person.name).replace(/%40/g, '@'),
    'x-ms-client-principal-idp': 'aad',
  };
};

export const objectId = (person: Person): string => idOf(`object ${person.email ?? person.name}`);

/** The same id for the same person on every start. */
function idOf(text: string): string {
  const hex = createHash('sha256').update(text.toLowerCase()).digest('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20, 32)].join('-');
}
