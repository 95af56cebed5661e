import { createRequire } from 'node:module';
import { QueueServiceClient } from '@azure/storage-queue';
import { expect, test, vi } from 'vitest';
import { runApp } from '../helpers/functions-app.ts';
import { ownConnectionString } from '../helpers/storage.ts';

const quick = { maxPollingInterval: '00:00:00.1', visibilityTimeout: '00:00:00' };

const base64 = (text: string) => Buffer.from(text).toString('base64');

const trigger = (handler: string, options: object = {}) =>
  `app.storageQueue('take', { queueName: 'work', connection: 'AzureWebJobsStorage', ...${JSON.stringify(options)}, handler: ${handler} });`;

const storage = async () => {
  const connectionString = await ownConnectionString();
  const service = QueueServiceClient.fromConnectionString(connectionString);
  const queue = service.getQueueClient('work');
  await queue.create();
  return { service, queue, env: { AzureWebJobsStorage: connectionString } };
};

const eventually = (check: () => unknown) => vi.waitFor(check, { timeout: 10_000, interval: 50 });

const textsOf = async (service: QueueServiceClient, name: string) => {
  const peeked = await service.getQueueClient(name).peekMessages({ numberOfMessages: 32 });
  return peeked.peekedMessageItems.map(({ messageText }) => messageText);
};

test('a message is decoded, handed over, and deleted when the handler returns', async () => {
  const { queue, env } = await storage();
  const { seen } = await runApp(trigger(`(item, context) => saw([item, context.triggerMetadata.queueTrigger])`), {
    env,
    hostJson: { queues: quick },
  });
  await queue.sendMessage(base64('{"mail":{"to":"Ana ✓"}}'));
  await eventually(() => expect(seen).toEqual([[{ mail: { to: 'Ana ✓' } }, { mail: { to: 'Ana ✓' } }]]));
  await eventually(async () => expect((await queue.getProperties()).approximateMessagesCount).toBe(0));
});

test('a failing message is tried maxDequeueCount times, then copied to the poison queue and deleted', async () => {
  const { service, queue, env } = await storage();
  const { seen } = await runApp(
    trigger(`(item, context) => { saw(context.triggerMetadata.dequeueCount); throw new Error('no'); }`),
    { env, hostJson: { queues: { ...quick, maxDequeueCount: 3 } } },
  );
  await queue.sendMessage(base64('bad'));
  await eventually(async () => expect(await textsOf(service, 'work-poison')).toEqual([base64('bad')]));
  expect(seen).toEqual([1, 2, 3]);
  await eventually(async () => expect((await queue.getProperties()).approximateMessagesCount).toBe(0));
});

test('a failed message stays hidden for the visibilityTimeout of host.json', async () => {
  const { queue, env } = await storage();
  const { seen, logs } = await runApp(trigger(`() => { saw(1); throw new Error('no'); }`), {
    env,
    hostJson: { queues: { ...quick, visibilityTimeout: '01:00:00' } },
  });
  const sent = await queue.sendMessage(base64('bad'));
  await eventually(() => expect(logs.join()).toContain(sent.messageId));
  await eventually(async () => expect((await queue.peekMessages()).peekedMessageItems).toHaveLength(0));
  // Not deleted either: the count has it still.
  expect((await queue.getProperties()).approximateMessagesCount).toBe(1);
  expect(seen).toEqual([1]);
});

test('throwing undefined counts as success, as under the real worker', async () => {
  const { service, queue, env } = await storage();
  const { seen } = await runApp(trigger(`() => { saw(1); throw undefined; }`), { env, hostJson: { queues: quick } });
  await queue.sendMessage(base64('x'));
  await eventually(async () => expect((await queue.getProperties()).approximateMessagesCount).toBe(0));
  expect(seen).toEqual([1]);
  expect(await service.getQueueClient('work-poison').exists()).toBe(false);
});

test('what is not Base64 goes to the poison queue without reaching the function', async () => {
  const { service, queue, env } = await storage();
  const { seen } = await runApp(trigger(`(item) => saw(item)`), { env, hostJson: { queues: quick } });
  await queue.sendMessage('{"plain":"json"}');
  await eventually(async () => expect(await textsOf(service, 'work-poison')).toEqual(['{"plain":"json"}']));
  expect(seen).toEqual([]);
});

test('with messageEncoding none the text arrives as it is', async () => {
  const { queue, env } = await storage();
  const { seen } = await runApp(trigger(`(item) => saw(item)`), {
    env,
    hostJson: { queues: { ...quick, messageEncoding: 'none' } },
  });
  await queue.sendMessage('plain text');
  await eventually(() => expect(seen).toEqual(['plain text']));
});

test('top-level properties of the body overwrite the trigger metadata, as .NET strings', async () => {
  const { queue, env } = await storage();
  const { seen } = await runApp(trigger(`(item, context) => saw(context.triggerMetadata)`), {
    env,
    hostJson: { queues: quick },
  });
  const forged = { id: 'mine', dequeuecount: 99, flag: true, at: '2026-11-23T00:00:00Z', list: [1], Sub: { a: 1 } };
  await queue.sendMessage(base64(JSON.stringify(forged)));
  await eventually(() => expect(seen).toHaveLength(1));
  expect(seen[0]).toMatchObject({
    id: 'mine',
    dequeueCount: 99,
    flag: 'True',
    at: '11/23/2026 00:00:00',
    sub: { a: 1 },
    popReceipt: expect.any(String),
  });
  expect(seen[0]).not.toHaveProperty('list');
});

test('no more run at once than batchSize + newBatchThreshold', async () => {
  const { queue, env } = await storage();
  for (let n = 0; n < 9; n++) await queue.sendMessage(base64(String(n)));
  const { seen, url } = await runApp(
    `let running = 0; const waiting = [];
     ${trigger(`async () => { saw(++running); await new Promise((resolve) => waiting.push(resolve)); running--; }`)}
     app.http('go', { route: 'go', methods: ['POST'], handler: () => { waiting.shift()?.(); } });`,
    { env, hostJson: { queues: { ...quick, batchSize: 2, newBatchThreshold: 1 } } },
  );
  await eventually(async () => {
    await fetch(`${url}/go`, { method: 'POST' });
    expect(seen).toHaveLength(9);
  });
  expect(Math.max(...(seen as number[]))).toBe(3);
  for (let n = 0; n < 3; n++) await fetch(`${url}/go`, { method: 'POST' });
});

test('a message whose handler runs long is kept hidden by renewing its lease', async () => {
  const { queue, env } = await storage();
  const { seen } = await runApp(
    trigger(`async () => { saw('begin'); await new Promise((resolve) => setTimeout(resolve, 3500)); saw('end'); }`),
    { env: { ...env, POSTERN_QUEUE_LEASE_SECONDS: '2' }, hostJson: { queues: quick } },
  );
  await queue.sendMessage(base64('x'));
  await eventually(async () => {
    expect(seen).toContain('end');
    expect((await queue.getProperties()).approximateMessagesCount).toBe(0);
  });
  expect(seen).toEqual(['begin', 'end']);
});

test('the poison queue has no poison queue: a message that fails there stays, hidden', async () => {
  const { service, env } = await storage();
  const poison = service.getQueueClient('work-poison');
  await poison.create();
  const { logs } = await runApp(trigger(`() => { throw new Error('no'); }`, { queueName: 'work-poison' }), {
    env,
    hostJson: { queues: { ...quick, maxDequeueCount: 1 } },
  });
  await poison.sendMessage(base64('x'));
  await eventually(() => expect(logs.join()).toContain('Error: no'));
  expect((await poison.getProperties()).approximateMessagesCount).toBe(1);
  expect((await poison.peekMessages()).peekedMessageItems).toHaveLength(0);
  expect(await service.getQueueClient('work-poison-poison').exists()).toBe(false);
});

test('a missing queue idles and is not created; once it is there, its messages arrive', async () => {
  const { service, env } = await storage();
  const { seen } = await runApp(trigger(`(item) => saw(item)`, { queueName: '%LATER%' }), {
    env: { ...env, LATER: 'Later' },
    hostJson: { queues: quick },
  });
  const later = service.getQueueClient('later');
  expect(await later.exists()).toBe(false);
  await later.create();
  await later.sendMessage(base64('"hi"'));
  await eventually(() => expect(seen).toEqual(['hi']));
});

test('a handler may delete its own message', async () => {
  const { queue, env } = await storage();
  const { seen, logs } = await runApp(
    trigger(`async (item, context) => {
      const { QueueServiceClient } = require(${JSON.stringify(createRequire(import.meta.url).resolve('@azure/storage-queue'))});
      const queue = QueueServiceClient.fromConnectionString(process.env.AzureWebJobsStorage).getQueueClient('work');
      await queue.deleteMessage(context.triggerMetadata.id, context.triggerMetadata.popReceipt);
      saw(item);
    }`),
    { env, hostJson: { queues: quick } },
  );
  await queue.sendMessage(base64('"x"'));
  await eventually(() => expect(seen).toEqual(['x']));
  expect(logs).toEqual([]);
});

test('a trigger whose connection or setting is missing is in error by name, the others run on', async () => {
  const { env } = await storage();
  const { functions } = await runApp(
    `${trigger(`() => {}`, { connection: 'OTHER_STORAGE' })}
     app.storageQueue('also', { queueName: '%NO_SUCH%', connection: 'AzureWebJobsStorage', handler: () => {} });
     app.storageQueue('fine', { queueName: 'work', connection: 'AzureWebJobsStorage', handler: () => {} });`,
    { env, hostJson: { queues: quick } },
  );
  expect(functions.map(({ name, error }) => [name, error])).toEqual([
    ['take', expect.stringContaining('OTHER_STORAGE__queueServiceUri')],
    ['also', expect.stringContaining('%NO_SUCH%')],
    ['fine', undefined],
  ]);
});

test('closing the host waits for the invocation in flight', async () => {
  const { queue, env } = await storage();
  const { seen, close } = await runApp(
    trigger(`async () => { saw('begin'); await new Promise((resolve) => setTimeout(resolve, 500)); saw('end'); }`),
    { env, hostJson: { queues: quick } },
  );
  await queue.sendMessage(base64('x'));
  await eventually(() => expect(seen).toEqual(['begin']));
  await close();
  expect(seen).toEqual(['begin', 'end']);
  expect((await queue.getProperties()).approximateMessagesCount).toBe(0);
});
