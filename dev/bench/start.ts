import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';
import { buildApp } from '../build.ts';

/**
 * What a cold start pays for loading the app: the bundle against the same code with its packages as separate files, and
 * against the TypeScript sources. Each load is a process of its own, in turns, so that a busy machine hits all alike.
 *
 *   npm run bench:start [loads]
 */
const loads = Number(process.argv[2] ?? 15);
const project = resolve(import.meta.dirname, '../..');
// Inside the project, so that packages are found.
const folder = join(project, '.dev/bench-start');

rmSync(folder, { recursive: true, force: true });
mkdirSync(folder, { recursive: true });
await buildApp(join(folder, 'app'));
await build({
  absWorkingDir: project,
  entryPoints: ['functions/index.ts'],
  outfile: join(folder, 'packages-apart.mjs'),
  bundle: true,
  packages: 'external',
  platform: 'node',
  target: 'node22',
  format: 'esm',
  loader: { '.html': 'text', '.css': 'text', '.svg': 'text' },
});

const subjects = [
  { what: 'bundle', entry: join(folder, 'app/index.cjs') },
  { what: 'packages apart', entry: join(folder, 'packages-apart.mjs') },
  { what: 'TypeScript sources', entry: join(project, 'functions/index.ts') },
].map((subject) => ({ ...subject, ms: [] as number[], rss: [] as number[], failure: '' }));

const loader = join(folder, 'load.mjs');
writeFileSync(
  loader,
  `const began = performance.now();
await import(process.argv[2]);
const ms = performance.now() - began;
process.stdout.write(JSON.stringify({ ms, rss: process.memoryUsage().rss }) + '\\n', () => process.exit(0));
`,
);

/** As Bicep sets them; nothing is called while loading. */
const env = {
  PATH: process.env.PATH ?? '',
  AzureWebJobsStorage__blobServiceUri: 'https://account.blob.example',
  AzureWebJobsStorage__queueServiceUri: 'https://account.queue.example',
  AzureWebJobsStorage__tableServiceUri: 'https://account.table.example',
  KEY_VAULT_URI: 'https://vault.example',
  POSTERN_PUBLIC_URL: 'https://mail.example.com',
  NODE_NO_WARNINGS: '1',
};

const loadOnce = (entry: string) => {
  const { stdout, stderr } = spawnSync(process.execPath, [loader, pathToFileURL(entry).href], {
    env,
    encoding: 'utf8',
  });
  const line = stdout.split('\n').find((text) => text.startsWith('{"ms"'));
  return line ? { measured: JSON.parse(line) as { ms: number; rss: number } } : { failure: stderr };
};

for (const { entry } of subjects) loadOnce(entry);
for (let load = 0; load < loads; load++) {
  for (const subject of subjects) {
    const { measured, failure } = loadOnce(subject.entry);
    if (!measured) subject.failure = failure;
    else {
      subject.ms.push(measured.ms);
      subject.rss.push(measured.rss);
    }
  }
}
const bare = spawnSync(process.execPath, ['-p', 'process.memoryUsage().rss'], { encoding: 'utf8' });

const median = (values: number[]) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
const bundle = readFileSync(join(folder, 'app/index.cjs'));
console.log(`bundle: ${(bundle.length / 1e6).toFixed(2)} MB, ${(gzipSync(bundle).length / 1e6).toFixed(2)} MB packed;`);
console.log(
  `source map: ${(statSync(join(folder, 'app/index.cjs.map')).size / 1e6).toFixed(2)} MB, read on an error only`,
);
console.log(`Node ${process.version}, median of ${loads} loads; Node alone holds ${mega(Number(bare.stdout))} MB`);
for (const { what, ms, rss, failure } of subjects) {
  if (failure) console.log(`${what}: does not load: ${failure.trim().split('\n').slice(-6).join(' ')}`);
  else {
    const spread = `${Math.min(...ms).toFixed(0)} to ${Math.max(...ms).toFixed(0)}`;
    console.log(`${what}: ${median(ms).toFixed(0)} ms (${spread}), ${mega(median(rss))} MB resident after it`);
  }
}
rmSync(folder, { recursive: true });

function mega(bytes: number): string {
  return (bytes / 1e6).toFixed(0);
}
