import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { build } from 'esbuild';

const project = resolve(import.meta.dirname, '..');

/**
 * The folder that is deployed: one CommonJS bundle with its source map, `package.json` that names it, and `host.json`.
 * `@azure/functions-core` stays outside, the worker provides it.
 * @throws Error with esbuild's messages.
 */
export const buildApp = async (folder: string): Promise<void> => {
  const target = resolve(project, folder);
  rmSync(target, { recursive: true, force: true });
  mkdirSync(target, { recursive: true });
  await build({
    absWorkingDir: project,
    entryPoints: ['functions/index.ts'],
    outfile: join(target, 'index.cjs'),
    bundle: true,
    platform: 'node',
    target: 'node22',
    format: 'cjs',
    sourcemap: true,
    external: ['@azure/functions-core'],
    loader: { '.html': 'text', '.css': 'text' },
    logLevel: 'warning',
  });
  const { name, version } = JSON.parse(readFileSync(join(project, 'package.json'), 'utf8')) as Record<string, string>;
  writeFileSync(join(target, 'package.json'), `${JSON.stringify({ name, version, main: 'index.cjs' }, null, 2)}\n`);
  cpSync(join(project, 'host.json'), join(target, 'host.json'));
};

if (import.meta.main) await buildApp('dist');
