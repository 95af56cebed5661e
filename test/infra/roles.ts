import type { ParameterSet } from '../../dev/infra.ts';
import { lanes } from '../../lib/message/kinds.ts';
import { containers } from '../../lib/storage/azure.ts';
import { ofType, type Snapshot } from './snapshot.ts';

/** Names of Azure's built-in roles (learn.microsoft.com/azure/role-based-access-control/built-in-roles). */
const builtIn: Record<string, string> = {
  'b7e6dc6d-f1e8-4753-8033-0f276bb0955b': 'Storage Blob Data Owner',
  'ba92f5b4-2d11-453d-a403-e96b0029c9fe': 'Storage Blob Data Contributor',
  '974c5e8b-45b9-4653-ba55-5f855dd0fb88': 'Storage Queue Data Contributor',
  'c6a89b2d-59bc-44d0-9896-0f6e12d7b80a': 'Storage Queue Data Message Sender',
  '0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3': 'Storage Table Data Contributor',
  'b86a8fe4-44ce-4948-aee5-eccb2c155cd7': 'Key Vault Secrets Officer',
  '3913510d-42f4-4e42-8a64-420c390055eb': 'Monitoring Metrics Publisher',
};

const app = [
  'app: Storage Blob Data Owner on storage',
  'app: Storage Queue Data Contributor on storage',
  'app: Storage Table Data Contributor on storage',
  'app: Key Vault Secrets Officer on vault',
  'app: Monitoring Metrics Publisher on telemetry',
];

const sender = (who: string) =>
  Object.values(lanes).map((lane) => `${who}: Storage Queue Data Message Sender on queue ${lane}`);

const first = '44444444-4444-4444-8444-444444444444';
const second = '55555555-5555-4555-8555-555555555555';

/** Who may what: all of it. */
export const expectedRoles: Record<ParameterSet, string[]> = {
  default: app,
  hardened: [
    ...app,
    ...sender(first),
    ...sender(second),
    `${second}: Storage Blob Data Contributor on container ${containers.content}`,
    'deployer: Storage Blob Data Contributor on storage',
    'deployer: Storage Queue Data Contributor on storage',
    'deployer: Storage Table Data Contributor on storage',
  ],
};

/** `who: role on what`, sorted; what is not known here comes as it is. */
export const rolesOf = (snapshot: Snapshot): string[] =>
  ofType(snapshot, 'Authorization/roleAssignments')
    .map(({ id, properties }) => {
      const role = String(properties.roleDefinitionId).split('/').at(-1)!;
      return `${whoOf(properties.principalId)}: ${builtIn[role] ?? role} on ${whatOf(id)}`;
    })
    .sort();

const whoOf = (principal: string): string => {
  if (/^\[reference\('[^']*\/userAssignedIdentities\/id-postern-\w+', '[\d-]+'\)\.principalId\]$/.test(principal)) {
    return 'app';
  }
  return principal === '[deployer().objectId]' ? 'deployer' : principal;
};

/** The scope stands in the id, before the provider of the assignment. */
const scopes: [RegExp, (name: string) => string][] = [
  [/\/storageAccounts\/stpostern\w+$/, () => 'storage'],
  [/\/storageAccounts\/stpostern\w+\/queueServices\/default\/queues\/([\w-]+)$/, (name) => `queue ${name}`],
  [/\/storageAccounts\/stpostern\w+\/blobServices\/default\/containers\/([\w-]+)$/, (name) => `container ${name}`],
  [/\/vaults\/kv-postern-\w+$/, () => 'vault'],
  [/\/components\/appi-postern-\w+$/, () => 'telemetry'],
];

const whatOf = (id: string): string => {
  const scope =
    /^\[extensionResourceId\('([^']+)'/.exec(id)?.[1] ?? id.split('/providers/Microsoft.Authorization/')[0]!;
  for (const [pattern, name] of scopes) {
    const match = pattern.exec(scope);
    if (match) return name(match[1] ?? '');
  }
  return scope;
};
