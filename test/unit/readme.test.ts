import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { readmeTables, withTables } from '../../dev/readme.ts';
import { phases } from '../../dev/smtp/faults.ts';
import { states } from '../../lib/delivery/states.ts';
import { share, stack } from '../helpers/postern.ts';

const root = new URL('../../', import.meta.url);
const textOf = (path: string) => readFileSync(new URL(path, root), 'utf8');
const readme = textOf('README.md');

/** The text under a heading, up to the next heading. */
const section = (heading: string): string => {
  const [, text] = new RegExp(`\n#{2,3} ${heading}\n(.*?)(?=\n##? |\n### |$)`, 's').exec(readme) ?? [];
  if (text === undefined) throw new Error(`README.md has no section “${heading}”`);
  return text;
};

/** The first cells of a section's tables that are code, e.g. `sent`. */
const firstCells = (text: string): string[] =>
  [...text.matchAll(/^\| `([^`]+)` \|/gm)].map(([, cell]) => cell as string);

describe('what the README says is what the code does', () => {
  test('its tables of settings, routes, kinds and ports are the code’s; npm run readme writes them anew', () => {
    expect(withTables(readme)).toBe(readme);
    expect(Object.values(readmeTables()).map((it) => it.split('\n').length > 5)).not.toContain(false);
  });

  test('it explains every state of a delivery, and no other', () => {
    expect(firstCells(section('The states of a delivery')).sort()).toEqual([...states].sort());
  });

  test('it names the gates in the order in which they are asked', async () => {
    const { postern } = await stack();
    const explain = postern.routes.find(({ name }) => name === 'explainMessage');
    const call = { params: {}, query: {}, headers: new Headers(), principal: undefined, url: new URL('http://x') };
    const answer = await explain?.handle({ ...call, body: share('ana@example.com') });
    const [{ gates }] = (answer?.body as { recipients: [{ gates: { gate: string }[] }] }).recipients;
    expect(firstCells(section('The gates, in order'))).toEqual(gates.map(({ gate }) => gate));
  });

  test('it names every npm script, and none that there is not', () => {
    const { scripts } = JSON.parse(textOf('package.json')) as { scripts: Record<string, string> };
    const named = [...section('Scripts').matchAll(/^\| `npm (?:run )?([\w:]+)` \|/gm)].map(([, name]) => name);
    expect(named.sort()).toEqual(Object.keys(scripts).sort());
  });

  test('it names every folder of the project', () => {
    const folders = readdirSync(root, { withFileTypes: true })
      .filter((entry) => entry.isDirectory() && !entry.name.startsWith('.'))
      .map(({ name }) => name)
      .filter((name) => !['node_modules', 'dist', 'coverage'].includes(name));
    const named = firstCells(section('Layout')).map((it) => it.replace('/', ''));
    expect(folders.filter((it) => !named.includes(it))).toEqual([]);
    const rooms = readdirSync(new URL('lib', root), { withFileTypes: true }).filter((it) => it.isDirectory());
    expect(rooms.filter(({ name }) => !section('Layout').includes(`\`${name}/\``))).toEqual([]);
  });

  test('it names every phase at which the SMTP server can fail', () => {
    for (const phase of phases) expect(section('The local stack')).toContain(`\`${phase}\``);
  });

  test('the variables of the local stack that it names are read there', () => {
    const code = ['plan', 'ports', 'environment'].map((name) => textOf(`dev/start/${name}.ts`)).join('\n');
    const named = [...section('The local stack').matchAll(/`([A-Z]+_[A-Z_]+)(?:=\w+)?`/g)].map(
      ([, name]) => name as string,
    );
    expect(named.length).toBeGreaterThan(10);
    expect(named.filter((name) => !code.includes(name))).toEqual([]);
  });

  test('its links lead somewhere', () => {
    for (const [, path] of readme.matchAll(/\]\((?!https?:|#)([^)#]+)\)/g)) {
      expect(existsSync(new URL(path as string, root)), path).toBe(true);
    }
  });
});
