import { performance } from 'node:perf_hooks';
import type { TableClient } from '@azure/data-tables';
import { systemClock } from '../../lib/clock.ts';
import { readConfig } from '../../lib/config.ts';
import { readCsv } from '../../lib/do-not-email/csv.ts';
import { importEntries } from '../../lib/do-not-email/import.ts';
import { doNotEmailList } from '../../lib/do-not-email/list.ts';
import { azureClients, createMissing } from '../../lib/storage/azure.ts';

/**
 * How long the import of a big Do Not Email list takes, and what it costs in storage operations; then what a look-up
 * costs in a list of that size. Writes `bench…@example.com` addresses into the table of the storage account that
 * `AzureWebJobsStorage` names, so give it one for the purpose:
 *
 *   npm start                                   (in another terminal)
 *   node --env-file=.dev/env dev/bench/import.ts [lines]
 */
const lines = Number(process.argv[2] ?? 100_000);
const connection = process.env.AzureWebJobsStorage ?? process.env.AZURE_STORAGE_CONNECTION_STRING;

const config = readConfig({
  AzureWebJobsStorage: connection,
  KEY_VAULT_URI: 'https://localhost:1',
  POSTERN_PUBLIC_URL: 'https://localhost:1',
});
const azure = azureClients(config);
await createMissing(config, azure, []);
const table = azure.table('donotemail');
const operations = counted(table);

const domains = ['example.com', 'example.org', 'example.net', 'mail.example', 'post.example'];
const addressOf = (n: number) => `bench${n}@${domains[n % domains.length]}`;
const file = `address,scope,note\r\n${Array.from({ length: lines }, (_, n) => `${addressOf(n)},all,\r\n`).join('')}`;
console.log(`${lines} lines, ${(file.length / 1e6).toFixed(1)} MB of CSV`);

const read = timed('read the file', () => Promise.resolve(readCsv(file)));
const parsed = await read;
const quiet = { report: async () => {}, end: async () => {} };
const importAll = async (dryRun: boolean) => {
  const total = { new: 0, known: 0, parts: 0 };
  let after: string | undefined;
  do {
    const run = importEntries({ table, clock: systemClock });
    const part = await run({ lines: parsed.lines, actor: 'bench', dryRun, after }, quiet);
    total.new += part.new;
    total.known += part.known;
    total.parts += 1;
    after = part.next;
  } while (after !== undefined);
  return total;
};

console.log(await timed('dry run', () => importAll(true)));
console.log(await timed('import', () => importAll(false)));
console.log(await timed('the same import again', () => importAll(false)));

const list = doNotEmailList({ table, clock: systemClock });
const looks = 1000;
await timed(`${looks} look-ups, one after another`, async () => {
  for (let n = 0; n < looks; n++) await list.find(addressOf((n * 7919) % (2 * lines)), 'share');
});
await timed('one page of a prefix search', () => list.search({ prefix: 'bench99', limit: 100 }));
await timed('one page of a domain', () => list.search({ domain: 'example.org', limit: 100 }));

async function timed<T>(what: string, run: () => Promise<T>): Promise<T> {
  const before = operations.count;
  const start = performance.now();
  const result = await run();
  const seconds = (performance.now() - start) / 1000;
  const memory = Math.round(process.memoryUsage().rss / 1e6);
  console.log(`${what}: ${seconds.toFixed(2)} s, ${operations.count - before} storage operations, ${memory} MB`);
  return result;
}

function counted(client: TableClient): { count: number } {
  const seen = { count: 0 };
  client.pipeline.addPolicy({
    name: 'count',
    sendRequest: (request, next) => {
      seen.count += 1;
      return next(request);
    },
  });
  return seen;
}
