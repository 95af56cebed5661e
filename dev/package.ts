import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { zipSync } from 'fflate';
import { buildApp } from './build.ts';

const project = resolve(import.meta.dirname, '..');

/** The least that a zip can say, so that the same sources give the same bytes. */
const always = new Date(1980, 0, 1);

/**
 * Builds the app into a folder and packs that, as `az functionapp deployment source config-zip` and one-deploy want it:
 * `host.json` at the top.
 * @returns the names and sizes in bytes of what is inside, and the size of the archive
 */
export const packApp = async (folder: string, archive: string) => {
  await buildApp(folder);
  const names = readdirSync(resolve(project, folder)).sort();
  const files = Object.fromEntries(names.map((name) => [name, readFileSync(join(resolve(project, folder), name))]));
  const packed = zipSync(files, { level: 6, mtime: always });
  writeFileSync(resolve(project, archive), packed);
  return { files: Object.entries(files).map(([name, { length }]) => ({ name, bytes: length })), bytes: packed.length };
};

if (import.meta.main) {
  const { files, bytes } = await packApp('dist', 'postern.zip');
  for (const file of files) console.log(`${file.name}: ${(file.bytes / 1e6).toFixed(2)} MB`);
  console.log(`postern.zip: ${(bytes / 1e6).toFixed(2)} MB`);
}
