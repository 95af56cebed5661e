import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { checkInfra, findBicep, infraFolder, templateOf, writeSnapshot } from '../../dev/infra.ts';
import { faultsOf } from './faults.ts';
import { readSnapshot } from './snapshot.ts';

/** In a pipeline (CI=true) a missing compiler fails these; elsewhere they are left out with a line that says so. */
const bicep = findBicep() ?? '';
if (!bicep && process.env.CI === 'true') throw new Error('Bicep is missing: run dev/tools/install-bicep.sh');
if (!bicep)
  console.warn('The Bicep files are not compiled: Bicep is missing (dev/tools/install-bicep.sh, or set BICEP)');

const copyOfInfra = (): string => {
  const folder = mkdtempSync(join(tmpdir(), 'postern-infra-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  cpSync(infraFolder, folder, { recursive: true });
  return folder;
};

/** Each takes something out of the source that a person could take out; what is found wrong must name it. */
const mutations = [
  { what: 'a role', file: 'modules/roles.bicep', from: ', roles.tableDataContributor]', to: ']', found: 'Table Data' },
  {
    what: 'a lane',
    file: 'names.bicep',
    from: "['mail', 'mail-priority']",
    to: "['mail', 'mail']",
    found: 'mail-priority-poison',
  },
  { what: 'a table', file: 'names.bicep', from: "  'parked'\n", to: '', found: 'table parked is missing' },
  {
    what: 'an app setting',
    file: 'modules/app.bicep',
    from: '      AZURE_CLIENT_ID: identity.properties.clientId\n',
    to: '',
    found: 'AZURE_CLIENT_ID is missing',
  },
  {
    what: 'an alert',
    file: 'modules/alerts.bicep',
    from: "name: 'postern.mail.poison'",
    to: "name: 'postern.mail.poisoned'",
    found: 'alert postern.mail.poison is missing',
  },
  {
    what: 'the refusal of keys',
    file: 'modules/storage.bicep',
    from: 'allowSharedKeyAccess: false',
    to: 'allowSharedKeyAccess: true',
    found: 'allowSharedKeyAccess',
  },
  {
    what: 'the word alert in the query',
    file: 'modules/alerts.bicep',
    from: 'tobool(line.alert)',
    to: 'tobool(line.alarm)',
    found: 'finds 0 lines of postern.relay.opened',
  },
];

describe.runIf(bicep)('the Bicep files, compiled', () => {
  test('compiling, lint, format and snapshots give no diagnostic', { timeout: 300_000 }, () => {
    expect(checkInfra(bicep)).toEqual([]);
  });

  test('have no secret among their parameters, and read no key', { timeout: 300_000 }, () => {
    const template = templateOf(bicep, infraFolder, 'main.bicep');
    expect(template).not.toMatch(/secure(string|object)|listKeys|listSecrets|listAccountSas/i);
  });

  test('without one of these are found out, each by its name', { timeout: 300_000 }, () => {
    const folder = copyOfInfra();
    for (const { file, from, to } of mutations) {
      const path = join(folder, file);
      const before = readFileSync(path, 'utf8');
      expect(before).toContain(from);
      writeFileSync(path, before.replace(from, to));
    }
    expect(writeSnapshot(bicep, folder, 'default')).toBe('');
    const faults = faultsOf(readSnapshot('default', folder), 'default').join('\n');
    const unnoticed = mutations.filter(({ found }) => !faults.includes(found));
    expect(unnoticed).toEqual([]);
  });

  test('a mistyped property is no mere warning', { timeout: 300_000 }, () => {
    const folder = copyOfInfra();
    const path = join(folder, 'modules/vault.bicep');
    writeFileSync(path, readFileSync(path, 'utf8').replace('enablePurgeProtection', 'enablePurgeProtektion'));
    expect(() => templateOf(bicep, folder, 'modules/vault.bicep')).toThrow(/BCP037|BCP089/);
  });
});
