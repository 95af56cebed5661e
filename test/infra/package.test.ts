import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { unzipSync } from 'fflate';
import { expect, onTestFinished, test } from 'vitest';
import { packApp } from '../../dev/package.ts';

const pack = async () => {
  const folder = mkdtempSync(join(tmpdir(), 'postern-package-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const archive = join(folder, 'postern.zip');
  await packApp(join(folder, 'dist'), archive);
  return readFileSync(archive);
};

test('the package is the bundle, its package.json and host.json, and nothing else', { timeout: 120_000 }, async () => {
  const bytes = await pack();
  const files = unzipSync(bytes);
  expect(Object.keys(files).toSorted()).toEqual(['host.json', 'index.cjs', 'index.cjs.map', 'package.json']);
  const { main, dependencies } = JSON.parse(Buffer.from(files['package.json']!).toString('utf8'));
  expect(Object.keys(files)).toContain(main);
  expect(dependencies).toBeUndefined();
});
