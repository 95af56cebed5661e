import type { ParameterSet } from '../../dev/infra.ts';
import { alerts } from '../../lib/alerts.ts';
import { logTo } from '../../lib/log.ts';
import { lanes } from '../../lib/message/kinds.ts';
import { containers, tables } from '../../lib/storage/azure.ts';
import { countOf } from './kql.ts';
import { expectedRoles, rolesOf } from './roles.ts';
import { settingFaults } from './settings.ts';
import { leaf, ofType, type Resource, type Snapshot } from './snapshot.ts';

/** Rules on the platform, beside those on the code's own alert lines. */
export const platformRules = [
  'postern.app.silent',
  'postern.app.failing',
  'postern.vault.refuses',
  'postern.storage.refuses',
];

export const alertRules = [...Object.values(alerts), ...platformRules];

/**
 * Everything that the predicted resources must be, in one place, so that a test can also show that a changed
 * template is found out.
 * @returns a sentence for each thing that is wrong; none where all is well
 */
export const faultsOf = (snapshot: Snapshot, set: ParameterSet): string[] => [
  ...difference('queue', namesOf(snapshot, 'Storage/storageAccounts/queueServices/queues'), queues),
  ...difference('table', namesOf(snapshot, 'Storage/storageAccounts/tableServices/tables'), Object.values(tables)),
  ...difference(
    'container',
    namesOf(snapshot, 'Storage/storageAccounts/blobServices/containers').filter((name) => !/^app-package-/.test(name)),
    Object.values(containers),
  ),
  ...difference('role', rolesOf(snapshot), expectedRoles[set]),
  ...settingFaults(snapshot),
  ...shapeFaults(snapshot, set),
  ...alertFaults(snapshot),
  ...addressFaults(snapshot),
];

const queues = Object.values(lanes).flatMap((lane) => [lane, `${lane}-poison`]);

const namesOf = (snapshot: Snapshot, type: string) => ofType(snapshot, type).map(({ name }) => leaf(name));

const difference = (what: string, found: readonly string[], expected: readonly string[]): string[] => [
  ...expected.filter((name) => !found.includes(name)).map((name) => `${what} ${name} is missing`),
  ...found
    .filter((name, at) => !expected.includes(name) || found.indexOf(name) !== at)
    .map((name) => `${what} ${name} is too many`),
];

/** `type: property = value` of every resource of that type; `only` says of which parameter set. */
const shapes: { type: string; only?: ParameterSet; where?: RegExp; at: string; is: unknown }[] = [
  ...each('Storage/storageAccounts', {
    'properties.allowSharedKeyAccess': false,
    'properties.allowBlobPublicAccess': false,
    'properties.minimumTlsVersion': 'TLS1_2',
    'properties.supportsHttpsTrafficOnly': true,
    'properties.allowCrossTenantReplication': false,
  }),
  ...each('Storage/storageAccounts/blobServices/containers', { 'properties.publicAccess': 'None' }),
  ...each('Storage/storageAccounts/managementPolicies', {
    'properties.policy.rules.0.enabled': true,
    'properties.policy.rules.0.definition.filters.prefixMatch.0': `${containers.content}/`,
    'properties.policy.rules.0.definition.actions.baseBlob.delete.daysAfterModificationGreaterThan': 60,
  }),
  ...each('KeyVault/vaults', {
    'properties.enableRbacAuthorization': true,
    'properties.enablePurgeProtection': true,
    'properties.enableSoftDelete': true,
    'properties.enabledForTemplateDeployment': false,
  }),
  ...each('Insights/components', { 'properties.DisableLocalAuth': true }),
  ...each('OperationalInsights/workspaces', { 'properties.features.disableLocalAuth': true }),
  ...each('Web/serverfarms', { 'sku.name': 'FC1', 'sku.tier': 'FlexConsumption', 'properties.reserved': true }),
  ...each('Web/sites', {
    kind: 'functionapp,linux',
    'identity.type': 'UserAssigned',
    'tags.azd-service-name': 'api',
    'properties.httpsOnly': true,
    'properties.siteConfig.minTlsVersion': '1.2',
    'properties.siteConfig.alwaysOn': undefined,
    'properties.siteConfig.appSettings': undefined,
    'properties.siteConfig.linuxFxVersion': undefined,
    'properties.siteConfig.healthCheckPath': undefined,
    'properties.functionAppConfig.runtime.name': 'node',
    'properties.functionAppConfig.runtime.version': '24',
    'properties.functionAppConfig.deployment.storage.authentication.type': 'UserAssignedIdentity',
  }),
  ...each(
    'Web/sites/config',
    {
      'properties.platform.enabled': true,
      'properties.globalValidation.unauthenticatedClientAction': 'AllowAnonymous',
      'properties.httpSettings.requireHttps': true,
      'properties.identityProviders.azureActiveDirectory.enabled': true,
      'properties.identityProviders.azureActiveDirectory.registration.clientSecretSettingName':
        'OVERRIDE_USE_MI_FIC_ASSERTION_CLIENTID',
      'properties.identityProviders.azureActiveDirectory.registration.clientId': '11111111-1111-4111-8111-111111111111',
      'properties.identityProviders.azureActiveDirectory.validation.allowedAudiences.0':
        '11111111-1111-4111-8111-111111111111',
    },
    /authsettingsV2$/,
  ),
  { type: 'Storage/storageAccounts', only: 'hardened', at: 'properties.publicNetworkAccess', is: 'Disabled' },
  { type: 'Storage/storageAccounts', only: 'hardened', at: 'properties.networkAcls.defaultAction', is: 'Deny' },
  { type: 'Storage/storageAccounts', only: 'hardened', at: 'sku.name', is: 'Standard_GZRS' },
  { type: 'KeyVault/vaults', only: 'hardened', at: 'properties.publicNetworkAccess', is: 'Disabled' },
  { type: 'KeyVault/vaults', only: 'hardened', at: 'properties.networkAcls.defaultAction', is: 'Deny' },
  { type: 'Web/serverfarms', only: 'hardened', at: 'properties.zoneRedundant', is: true },
  { type: 'Web/sites', only: 'hardened', at: 'properties.siteConfig.ipSecurityRestrictionsDefaultAction', is: 'Deny' },
];

function each(type: string, properties: Record<string, unknown>, where?: RegExp) {
  return Object.entries(properties).map(([at, is]) => ({ type, at, is, ...(where && { where }) }));
}

/** How many resources of each type there are: one too many would be as unexpected as one too few. */
const counts: Record<ParameterSet, Record<string, number>> = {
  default: {
    'Storage/storageAccounts': 1,
    'Storage/storageAccounts/managementPolicies': 1,
    'KeyVault/vaults': 1,
    'ManagedIdentity/userAssignedIdentities': 1,
    'Insights/components': 1,
    'OperationalInsights/workspaces': 1,
    'Insights/actionGroups': 0,
    'Insights/diagnosticSettings': 2,
    'Web/serverfarms': 1,
    'Web/sites': 1,
    'Web/sites/config': 2,
    'Network/virtualNetworks': 0,
    'Network/privateEndpoints': 0,
  },
  hardened: {
    'Storage/storageAccounts': 1,
    'Storage/storageAccounts/managementPolicies': 1,
    'KeyVault/vaults': 1,
    'ManagedIdentity/userAssignedIdentities': 1,
    'Insights/components': 1,
    'OperationalInsights/workspaces': 1,
    'Insights/actionGroups': 1,
    'Insights/diagnosticSettings': 5,
    'Web/serverfarms': 1,
    'Web/sites': 1,
    'Web/sites/config': 2,
    'Network/virtualNetworks': 1,
    'Network/natGateways': 1,
    'Network/privateEndpoints': 4,
    'Network/privateDnsZones': 4,
    'Network/privateDnsZones/virtualNetworkLinks': 4,
    'Network/privateEndpoints/privateDnsZoneGroups': 4,
  },
};

const shapeFaults = (snapshot: Snapshot, set: ParameterSet): string[] => [
  ...Object.entries(counts[set]).flatMap(([type, count]) => {
    const found = ofType(snapshot, type).length;
    return found === count ? [] : [`${found} resources of ${type}, not ${count}`];
  }),
  ...shapes
    .filter(({ only }) => only === undefined || only === set)
    .flatMap(({ type, where, at, is }) =>
      ofType(snapshot, type)
        .filter(({ name }) => where === undefined || where.test(name))
        .map((resource) => ({ name: leaf(resource.name), value: valueAt(resource, at) }))
        .filter(({ value }) => value !== is)
        .map(({ name, value }) => `${type} ${name}: ${at} is ${value}, not ${is}`),
    ),
];

const valueAt = (resource: Resource, path: string): unknown =>
  path.split('.').reduce<unknown>((value, key) => (value as Record<string, unknown> | undefined)?.[key], resource);

/** Lines as the code writes them, bare and as a forwarder may wrap them; and lines that only mention the name. */
const linesOf = (name: string): { matching: string[]; others: string[] } => {
  const lines: string[] = [];
  const write = (line: string) => lines.push(line);
  const log = logTo({ info: write, warn: write, error: write });
  log.alert(name as (typeof alerts)[keyof typeof alerts], { delivery: 'a1', reply: '451 {4.7.1} "later"', count: 3 });
  const [line] = lines as [string];
  lines.length = 0;
  log.info('http.failed', { message: name });
  log.info(`${name}.not`, {});
  log.warn(name, { alert: false });
  return { matching: [line, `2026-11-22T20:00:00Z [error] ${line}`], others: [...lines, name, `see ${name}`] };
};

const alertFaults = (snapshot: Snapshot): string[] => {
  const rules = [...ofType(snapshot, 'Insights/scheduledQueryRules'), ...ofType(snapshot, 'Insights/metricAlerts')];
  const names = rules.map(({ name }) => name);
  const everyLine = Object.values(alerts).map((name) => ({ name, ...linesOf(name) }));
  return [
    ...difference('alert', names, alertRules),
    ...rules.flatMap(({ name, properties }) => [
      ...(properties.enabled === true ? [] : [`alert ${name} is off`]),
      ...(properties.description.endsWith(`docs/operations.md, section ${name}`)
        ? []
        : [`alert ${name} names no section`]),
    ]),
    ...rules
      .filter(({ name }) => !platformRules.includes(name))
      .flatMap(({ name, properties }) => {
        const { query, timeAggregation, operator } = properties.criteria.allOf[0];
        const wrong = everyLine.flatMap((line) => {
          const expected = line.name === name ? line.matching.length : 0;
          const found = countOf(query, line.matching) + countOf(query, line.others);
          return found === expected ? [] : [`alert ${name} finds ${found} lines of ${line.name}, not ${expected}`];
        });
        const counts = timeAggregation === 'Count' && operator === 'GreaterThan';
        return [...wrong, ...(counts ? [] : [`alert ${name} does not count lines`])];
      }),
  ];
};

/** Suffixes differ between Azure's clouds, so they come from `environment()`, which stays an expression here. */
const addressFaults = (snapshot: Snapshot): string[] => {
  const text = JSON.stringify(snapshot);
  const fixed = /[\w.-]*\.(windows\.net|azure\.net|azure\.com|azurewebsites\.net|microsoftonline\.com)/g;
  return [...new Set(text.match(fixed) ?? [])].map((host) => `the host ${host} holds in one cloud only`);
};
