import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect, test } from 'vitest';
import { alertRules } from './faults.ts';
import { ofType, readSnapshot } from './snapshot.ts';

const project = resolve(import.meta.dirname, '../..');
const read = (path: string) => readFileSync(join(project, path), 'utf8');

const operations = read('docs/operations.md');
const deploy = read('docs/deploy.md');
const parameterFile = read('infra/main.bicepparam');

/** The text under a heading of the third level. */
const sectionOf = (heading: string): string | undefined => {
  const [, ...sections] = operations.split(/^### /m);
  return sections.find((section) => section.startsWith(`${heading}\n`));
};

test.each(alertRules)('the alert %s has a section of the runbook that says what to look at and what to do', (name) => {
  const section = sectionOf(name);
  expect(section).toBeDefined();
  expect(section).toMatch(/\*\*Do\*\*|\*\*Do:\*\*/);
  expect(section!.length).toBeGreaterThan(120);
});

test('the runbook describes no alert that does not exist', () => {
  const described = [...operations.matchAll(/^### (postern\..+)$/gm)].map(([, name]) => name);
  expect(described.toSorted()).toEqual(alertRules.toSorted());
  const rules = ['Insights/scheduledQueryRules', 'Insights/metricAlerts'].flatMap((type) =>
    ofType(readSnapshot('default'), type),
  );
  expect(rules.map(({ name }) => name).toSorted()).toEqual(alertRules.toSorted());
});

test('every parameter of the template stands in the table of parameters, and no other', () => {
  const parameters = [...read('infra/main.bicep').matchAll(/^param (\w+) /gm)].map(([, name]) => name!);
  const table = deploy.slice(deploy.indexOf('## Parameters'), deploy.indexOf('**Scale.**'));
  const described = [...table.matchAll(/^\| `(\w+)` \|/gm)].map(([, name]) => name!);
  expect(described.toSorted()).toEqual(parameters.toSorted());
});

test('every variable that the parameters read is described, and passed on by the deployment workflow', () => {
  const variables = [...parameterFile.matchAll(/readEnvironmentVariable\('(\w+)'/g)].map(([, name]) => name!);
  expect(variables.length).toBeGreaterThan(8);
  const workflow = read('.github/workflows/deploy.yml');
  for (const variable of variables) {
    expect(deploy).toContain(`\`${variable}\``);
    expect(workflow).toContain(`${variable}: `);
  }
});

test('links between the pages lead somewhere', () => {
  const slug = (heading: string) =>
    heading
      .toLowerCase()
      .replace(/[^\w\- ]/g, '')
      .replaceAll(' ', '-');
  for (const page of ['docs/deploy.md', 'docs/operations.md']) {
    for (const [, target] of read(page).matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^https?:/.test(target!)) continue;
      const [file, anchor] = target!.split('#') as [string, string | undefined];
      const text = read(file ? join('docs', file) : page);
      const anchors = [...text.matchAll(/^#+ (.+)$/gm)].map(([, heading]) => slug(heading!));
      if (anchor) expect(anchors, `${page} → ${target}`).toContain(anchor);
    }
  }
});
