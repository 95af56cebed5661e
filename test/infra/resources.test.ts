import { describe, expect, test } from 'vitest';
import { parameterSets } from '../../dev/infra.ts';
import { faultsOf } from './faults.ts';
import { expectedRoles, rolesOf } from './roles.ts';
import { leaf, type Resource, readSnapshot, type Snapshot } from './snapshot.ts';

/** Resources whose loss must be found out one by one; the rest are in the house for their sake. */
const guarded = [
  'Microsoft.Authorization/roleAssignments',
  'Microsoft.Storage/storageAccounts/queueServices/queues',
  'Microsoft.Storage/storageAccounts/tableServices/tables',
  'Microsoft.Storage/storageAccounts/managementPolicies',
  'Microsoft.Insights/scheduledQueryRules',
  'Microsoft.Insights/metricAlerts',
  'Microsoft.Insights/diagnosticSettings',
  'Microsoft.Web/sites/config',
  'Microsoft.KeyVault/vaults',
];

const without = (snapshot: Snapshot, resource: Resource): Snapshot => ({
  ...snapshot,
  predictedResources: snapshot.predictedResources.filter((it) => it !== resource),
});

const changed = (snapshot: Snapshot, change: (resource: Resource) => void): Snapshot => {
  const copy = structuredClone(snapshot);
  copy.predictedResources.forEach(change);
  return copy;
};

describe.each(parameterSets)('the predicted resources of the %s parameters', (set) => {
  const snapshot = readSnapshot(set);

  test('are what the code needs, closed, and nothing more', () => {
    expect(faultsOf(snapshot, set)).toEqual([]);
  });

  test('give each identity its exact set of roles', () => {
    expect(rolesOf(snapshot)).toEqual(expectedRoles[set].toSorted());
  });

  test('carry no secret and no key in the outputs', () => {
    expect(Object.keys(snapshot.outputs).filter((name) => /SECRET|KEY$|PASSWORD|CONNECTION/i.test(name))).toEqual([]);
    expect(JSON.stringify(snapshot)).not.toMatch(/listKeys|listSecrets|AccountKey|primaryKey/i);
  });

  test('without any one role, queue, table, alert or configuration are found out', () => {
    const guardedOnes = snapshot.predictedResources.filter(({ type }) => guarded.includes(type));
    expect(guardedOnes.length).toBeGreaterThan(35);
    const unnoticed = guardedOnes.filter((resource) => faultsOf(without(snapshot, resource), set).length === 0);
    expect(unnoticed.map(({ type, name }) => `${type} ${leaf(name)}`)).toEqual([]);
  });

  test('without any one app setting are found out', () => {
    const settings = snapshot.predictedResources.find(({ name }) => name.endsWith('/appsettings'))!;
    const unnoticed = Object.keys(settings.properties).filter((setting) => {
      const less = changed(snapshot, ({ name, properties }) => {
        if (name === settings.name) delete properties[setting];
      });
      return faultsOf(less, set).length === 0;
    });
    expect(unnoticed).toEqual([]);
  });

  test.each([
    ['a shared key', 'Storage/storageAccounts', (it: Resource) => (it.properties.allowSharedKeyAccess = true)],
    ['public blobs', 'Storage/storageAccounts', (it: Resource) => (it.properties.allowBlobPublicAccess = true)],
    ['old TLS', 'Storage/storageAccounts', (it: Resource) => (it.properties.minimumTlsVersion = 'TLS1_0')],
    ['access policies', 'KeyVault/vaults', (it: Resource) => (it.properties.enableRbacAuthorization = false)],
    ['plain HTTP', 'Web/sites', (it: Resource) => (it.properties.httpsOnly = false)],
    ['telemetry by key', 'Insights/components', (it: Resource) => (it.properties.DisableLocalAuth = false)],
    [
      'an alert on another name',
      'Insights/scheduledQueryRules',
      ({ properties }: Resource) => {
        const [criterion] = properties.criteria.allOf;
        criterion.query = criterion.query.replaceAll('postern.', 'postern.x');
      },
    ],
    ['an alert that is off', 'Insights/metricAlerts', (it: Resource) => (it.properties.enabled = false)],
    [
      'a worker setting',
      'Web/sites/config',
      (it: Resource) => {
        if (it.name.endsWith('/appsettings')) it.properties.FUNCTIONS_WORKER_RUNTIME = 'node';
      },
    ],
    [
      'a connection string',
      'Web/sites/config',
      (it: Resource) => {
        if (it.name.endsWith('/appsettings')) it.properties.AzureWebJobsStorage = 'AccountKey=abc';
      },
    ],
    [
      'a wider role',
      'Authorization/roleAssignments',
      (it: Resource) => (it.properties.roleDefinitionId = '/…/8e3af657-a8ff-443c-a75c-2fe8c4bcb635'),
    ],
    [
      'an address of one cloud',
      'Web/sites/config',
      (it: Resource) => {
        if (it.name.endsWith('/appsettings')) it.properties.KEY_VAULT_URI = 'https://kv.vault.azure.net/';
      },
    ],
  ])('with %s are found out', (_, type, change) => {
    const worse = changed(snapshot, (resource) => {
      if (resource.type === `Microsoft.${type}`) change(resource);
    });
    expect(faultsOf(worse, set)).not.toEqual([]);
  });
});
