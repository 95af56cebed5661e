import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, inject, onTestFinished, test } from 'vitest';
import { composePostern } from '../../functions/app.ts';
import { readConfig } from '../../lib/config.ts';
import { azureClients } from '../../lib/storage/azure.ts';
import { share, stack } from '../helpers/postern.ts';

/** A proxy before one service of the storage's stand-in that counts what really goes over the wire. */
const counting = async (target: number) => {
  const seen: string[] = [];
  const server = createServer((incoming: IncomingMessage, outgoing: ServerResponse) => {
    const { method, url: path, headers } = incoming;
    seen.push(`${method} ${decodeURIComponent((path ?? '').split('?')[0] ?? '').replace(/^\/[^/]+\//, '')}`);
    // The signature covers path and headers, not the port.
    const onward = request({ host: '127.0.0.1', port: target, method, path, headers }, (answer) => {
      outgoing.writeHead(answer.statusCode ?? 500, answer.headers);
      answer.pipe(outgoing);
    });
    incoming.pipe(onward);
  }).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return { port: (server.address() as AddressInfo).port, seen };
};

/** A second Postern on the storage of a stack, all of whose requests are seen. */
const watched = async () => {
  const base = await stack({ settings: { limit: { per24Hours: 10_000, perMinute: 0, connections: 20 } } });
  const { ports } = inject('azurite');
  const [tables, blobs, queues] = await Promise.all([
    counting(ports.table),
    counting(ports.blob),
    counting(ports.queue),
  ]);
  const connection = base.environment
    .AzureWebJobsStorage!.replace(`127.0.0.1:${ports.table}/`, `127.0.0.1:${tables.port}/`)
    .replace(`127.0.0.1:${ports.blob}/`, `127.0.0.1:${blobs.port}/`)
    .replace(`127.0.0.1:${ports.queue}/`, `127.0.0.1:${queues.port}/`);
  const config = readConfig({ ...base.environment, AzureWebJobsStorage: connection });
  let vaultCalls = 0;
  const vault = () => {
    vaultCalls += 1;
    return base.azure.vault();
  };
  const azure = { ...azureClients(config), vault };
  const world = { azure, clock: base.time, log: base.log, random: () => 0.5, wait: async () => undefined };
  const postern = composePostern(config, world);
  onTestFinished(postern.close);
  const measure = async (act: () => Promise<unknown>) => {
    for (const { seen } of [tables, blobs, queues]) seen.length = 0;
    vaultCalls = 0;
    await act();
    return { tables: [...tables.seen], blobs: [...blobs.seen], queues: [...queues.seen], vault: vaultCalls };
  };
  // Warm: settings read, a block of the limit leased, the signing key known.
  for (let i = 0; i < 3; i++) await base.put(share(`warm${i}@example.com`), 'mail', postern);
  return { ...base, postern, measure };
};

test('an ordinary mail without a key costs at most 4 table operations, no blob, no queue request of its own and no Key Vault call', async () => {
  const { put, postern, measure, deliveryTo } = await watched();
  const cost = await measure(() => put(share('ana@example.com'), 'mail', postern));
  expect(cost.tables.length, cost.tables.join('\n')).toBeLessThanOrEqual(4);
  // The host receives and deletes the message; nothing else is asked of the queue.
  expect(cost).toMatchObject({ blobs: [], queues: [], vault: 0 });
  expect(await deliveryTo('ana@example.com')).toMatchObject({ state: 'sent' });
});

test('a producer’s key costs one operation more', async () => {
  const { put, postern, measure, deliveryTo } = await watched();
  const cost = await measure(() => put(share('ana@example.com', { key: 'k-1' }), 'mail', postern));
  expect(cost.tables.length, cost.tables.join('\n')).toBeLessThanOrEqual(5);
  expect(cost).toMatchObject({ blobs: [], queues: [], vault: 0 });
  expect(await deliveryTo('ana@example.com')).toMatchObject({ state: 'sent' });
});

test('under load, claims and results are written together: 50 mails at once cost less each than one alone', async () => {
  const { put, postern, measure, smtp } = await watched();
  const before = smtp.accepted.length;
  const cost = await measure(() =>
    Promise.all(Array.from({ length: 50 }, (_, i) => put(share(`r${i}@example.com`), 'mail', postern))),
  );
  expect(smtp.accepted.length - before).toBe(50);
  const written = cost.tables.filter((it) => it === 'POST $batch');
  expect(written.length).toBeGreaterThan(0);
  expect(cost.tables.length / 50).toBeLessThan(3.5);
  expect(cost).toMatchObject({ blobs: [], queues: [], vault: 0 });
});
