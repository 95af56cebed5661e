import { appRoles } from '../../lib/http/principal.ts';
import { HookFailure } from './command.ts';
import type { Cloud, Graph } from './graph.ts';

/** An app registration, as far as it is written here. */
export interface Application {
  id: string;
  appId: string;
  displayName: string;
  signInAudience: string;
  identifierUris: string[];
  api: { requestedAccessTokenVersion: number | null; oauth2PermissionScopes: { id: string; value: string }[] };
  appRoles: { id: string; value: string }[];
  requiredResourceAccess: { resourceAppId: string; resourceAccess: { id: string; type: string }[] }[];
  web: { redirectUris: string[]; implicitGrantSettings?: { enableIdTokenIssuance?: boolean } };
}

const microsoftGraph = '00000003-0000-0000-c000-000000000000';

/** What each role is for, as an administrator reads it in Entra. The ids are ours and never change. */
const roles = [
  {
    id: '6f0c1a52-6d5b-4c55-9f0e-6a3f0f0d1c01',
    value: appRoles.MasterAdmin,
    displayName: 'Mail master administrator',
    description: 'Changes everything, including OAuth fields and secrets.',
    allowedMemberTypes: ['User'],
  },
  {
    id: '6f0c1a52-6d5b-4c55-9f0e-6a3f0f0d1c02',
    value: appRoles.Admin,
    displayName: 'Mail administrator',
    description: 'Changes settings and the Do Not Email list, sees the history, pauses and resumes.',
    allowedMemberTypes: ['User', 'Application'],
  },
  {
    id: '6f0c1a52-6d5b-4c55-9f0e-6a3f0f0d1c03',
    value: appRoles.Send,
    displayName: 'Mail sender',
    description: 'Sends mail over HTTP and sees what became of it.',
    allowedMemberTypes: ['User', 'Application'],
  },
].map((role) => ({ ...role, isEnabled: true }));

export const masterAdminRole = roles[0]!.id;

const userAccess = {
  id: '6f0c1a52-6d5b-4c55-9f0e-6a3f0f0d1c10',
  value: 'user_impersonation',
  type: 'User',
  isEnabled: true,
  adminConsentDisplayName: 'Use Postern',
  adminConsentDescription: 'Use Postern with the roles of the user who is signed in.',
  userConsentDisplayName: 'Use Postern',
  userConsentDescription: 'Use Postern with your roles.',
};

/** Graph's alternate key of a registration: the same name finds the same registration on every run. */
export const pathOf = (purpose: 'sign-in' | 'mail', environment: string): string =>
  `/applications(uniqueName='postern-${environment}-${purpose}')`;

/** The registration that people and services sign in with (Easy Auth): three roles, no secret. */
export const signInApp = (environment: string, existing: Application | undefined, publicUrls: string[]) => ({
  displayName: `Postern ${environment}`,
  signInAudience: 'AzureADMyOrg',
  // Known once it exists. Tokens of services carry it, or the client id, as audience.
  ...(existing && { identifierUris: union(existing.identifierUris, [`api://${existing.appId}`]) }),
  api: { requestedAccessTokenVersion: 2, oauth2PermissionScopes: [userAccess] },
  appRoles: [...roles, ...(existing?.appRoles ?? []).filter(({ id }) => !roles.some((role) => role.id === id))],
  web: {
    redirectUris: union(
      existing?.web.redirectUris,
      publicUrls.map((url) => `${url}/.auth/login/aad/callback`),
    ),
    implicitGrantSettings: { enableIdTokenIssuance: true },
  },
});

/** The registration that the app gets tokens for the mailbox with (XOAUTH2): SMTP.Send, and where the admin comes back to. */
export const mailApp = (
  environment: string,
  existing: Application | undefined,
  redirectUris: string[],
  graph: Graph,
) => ({
  displayName: `Postern ${environment} mail`,
  signInAudience: 'AzureADMyOrg',
  requiredResourceAccess: withSmtpSend(existing?.requiredResourceAccess ?? [], graph),
  web: { redirectUris: union(existing?.web.redirectUris, redirectUris) },
});

const withSmtpSend = (access: Application['requiredResourceAccess'], graph: Graph) => {
  const resource = graph.get<{ oauth2PermissionScopes: { id: string; value: string }[] }>(
    `/servicePrincipals(appId='${microsoftGraph}')?$select=oauth2PermissionScopes`,
  );
  const id = resource?.oauth2PermissionScopes.find(({ value }) => value === 'SMTP.Send')?.id;
  if (!id) throw new HookFailure('Microsoft Graph of this tenant does not offer the permission SMTP.Send.');
  const given = access.find(({ resourceAppId }) => resourceAppId === microsoftGraph)?.resourceAccess ?? [];
  const others = access.filter(({ resourceAppId }) => resourceAppId !== microsoftGraph);
  const all = given.some((one) => one.id === id) ? given : [...given, { id, type: 'Scope' }];
  return [...others, { resourceAppId: microsoftGraph, resourceAccess: all }];
};

/** What a person has added by hand stays. */
const union = (existing: string[] | undefined, wanted: string[]): string[] => [
  ...new Set([...(existing ?? []), ...wanted]),
];

/**
 * Creates a registration or brings it up to date; writes nothing where nothing differs.
 * @returns the registration as it is now
 */
export const ensureApplication = (
  graph: Graph,
  path: string,
  wanted: (existing: Application | undefined) => object,
): Application => {
  const existing = graph.get<Application>(path);
  const body = wanted(existing);
  if (existing && contains(existing, body)) return existing;
  graph.upsert(path, body as Record<string, unknown>);
  const now = graph.get<Application>(path);
  if (!now) throw new HookFailure(`The app registration ${path} was written but cannot be read yet. Run this again.`);
  return now;
};

/** Lets the identity of the app vouch for a registration, in place of a secret. */
export const ensureFederation = (cloud: Cloud, app: Application, tenantId: string, principalId: string): void => {
  const path = `/applications/${app.id}/federatedIdentityCredentials(name='postern-app')`;
  const wanted = {
    issuer: `${cloud.login}/${tenantId}/v2.0`,
    subject: principalId,
    audiences: [cloud.assertionAudience],
  };
  const existing = cloud.graph.get(path);
  if (existing && contains(existing, wanted)) return;
  cloud.graph.upsert(path, wanted);
};

/** The registration's face in this tenant. With `assigned`, only who has a role gets a token at all. */
export const ensureServicePrincipal = (graph: Graph, appId: string, wanted: { appRoleAssignmentRequired: boolean }) => {
  const path = `/servicePrincipals(appId='${appId}')`;
  const existing = graph.get<{ id: string }>(path);
  if (existing && contains(existing, wanted)) return existing;
  graph.upsert(path, wanted);
  const now = graph.get<{ id: string }>(path);
  if (!now) throw new HookFailure(`The service principal of ${appId} cannot be read yet. Run this again.`);
  return now;
};

/** Gives a person or group the role of master administrator, once. */
export const ensureMasterAdmin = (graph: Graph, resourceId: string, principalId: string): void => {
  const path = `/servicePrincipals/${resourceId}/appRoleAssignedTo`;
  const given = graph.get<{ value: { principalId: string; appRoleId: string }[] }>(path)?.value ?? [];
  if (given.some((one) => one.principalId === principalId && one.appRoleId === masterAdminRole)) return;
  graph.post(path, { principalId, resourceId, appRoleId: masterAdminRole });
};

/** Whether a document has all that another says; lists must be equal in length and order. */
const contains = (document: unknown, part: unknown): boolean => {
  if (Array.isArray(part)) {
    return (
      Array.isArray(document) &&
      document.length === part.length &&
      part.every((value, index) => contains(document[index], value))
    );
  }
  if (typeof part === 'object' && part !== null) {
    return (
      typeof document === 'object' &&
      document !== null &&
      Object.entries(part).every(([key, value]) => contains((document as Record<string, unknown>)[key], value))
    );
  }
  return document === part;
};
