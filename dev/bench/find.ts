import { spawn } from 'node:child_process';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { readConfig } from '../../lib/config.ts';
import { idempotencyKeys } from '../../lib/delivery/keys.ts';
import { ledger } from '../../lib/delivery/ledger.ts';
import { azureClients, createMissing } from '../../lib/storage/azure.ts';
import { countingRequests, fillHistory } from './history.ts';

/**
 * What finding a mail costs in storage requests, at 1,000 rows and at many: `npm run bench:find [-- rows]`, 200,000
 * unless told. Starts an Azurite in memory of its own.
 */
const many = Number(process.argv[2] ?? 200_000);
const ports = { blob: 20_100, queue: 20_101, table: 20_102 };
const bin = join(dirname(createRequire(import.meta.url).resolve('azurite/package.json')), 'dist/src/azurite.js');
const key = Buffer.from('a key for measuring').toString('base64');
const azurite = spawn(
  process.execPath,
  [
    ...[bin, '--inMemoryPersistence', '--silent', '--loose', '--skipApiVersionCheck', '--disableTelemetry'],
    ...['--blobPort', String(ports.blob), '--queuePort', String(ports.queue), '--tablePort', String(ports.table)],
  ],
  { stdio: ['ignore', 'pipe', 'inherit'], env: { ...process.env, AZURITE_ACCOUNTS: `few:${key};many:${key}` } },
);
process.on('exit', () => azurite.kill());
await new Promise<void>((resolve) => {
  azurite.stdout.on('data', (text: Buffer) => {
    if (String(text).includes('Table service is successfully listening')) resolve();
  });
});

const newest = Date.parse('2026-11-22T09:00:00Z');

const measured = async (account: string, rows: number): Promise<Record<string, number>> => {
  const at = (service: string, port: number) => `${service}Endpoint=http://127.0.0.1:${port}/${account}`;
  const config = readConfig({
    AzureWebJobsStorage: [
      ...['DefaultEndpointsProtocol=http', `AccountName=${account}`, `AccountKey=${key}`],
      ...[at('Blob', ports.blob), at('Queue', ports.queue), at('Table', ports.table)],
    ].join(';'),
    KEY_VAULT_URI: 'https://localhost:1',
    POSTERN_PUBLIC_URL: 'https://localhost:1',
  });
  const azure = azureClients(config);
  await createMissing(config, azure, []);
  const tables = {
    deliveries: azure.table('deliveries'),
    recipients: azure.table('recipients'),
    keys: azure.table('keys'),
  };
  const start = performance.now();
  const recipients = Array.from({ length: rows / 200 }, (_, i) => `r${i}@example.com`);
  await fillHistory(tables, { rows, recipients, newest });
  console.log(`${rows} rows written in ${Math.round((performance.now() - start) / 1000)} s`);

  const book = ledger(tables.deliveries, tables.recipients);
  const keys = idempotencyKeys(tables.keys);
  const requests = countingRequests(Object.values(tables));
  const middle = newest - (rows / 2) * 15_000;
  const asked: Record<string, () => Promise<unknown>> = {
    'newest 50': () => book.byTime({}, 50),
    '50 of an hour in the middle': () => book.byTime({ since: middle - 3_600_000, until: middle }, 50),
    'newest 50 of a recipient': () => book.byRecipient('r3@example.com', {}, 50),
    'by key': async () => book.ofMessage((await keys.find('key-300'))?.accepted ?? ''),
  };
  const costs: Record<string, number> = {};
  for (const [name, ask] of Object.entries(asked)) {
    requests.take();
    await ask();
    costs[name] = requests.take();
  }
  return costs;
};

const few = await measured('few', 1000);
const full = await measured('many', many);
console.log('\nStorage requests');
console.table(
  Object.fromEntries(Object.keys(few).map((name) => [name, { '1000 rows': few[name], [`${many} rows`]: full[name] }])),
);
process.exit(0);
