import { expect, test } from 'vitest';
import { readHostJson } from '../../dev/host/host-json.ts';
import { appFolder } from '../helpers/functions-app.ts';

test('the queue settings have the real host’s defaults', async () => {
  const { extensions } = readHostJson(await appFolder(''), {});
  expect(extensions.queues).toMatchObject({
    batchSize: 16,
    maxPollingInterval: 60_000,
    visibilityTimeout: 0,
    maxDequeueCount: 5,
    messageEncoding: 'base64',
  });
});

test('time spans are read as .NET does', async () => {
  const folder = await appFolder('', { queues: { maxPollingInterval: '00:00:02', visibilityTimeout: '1.00:00:30.5' } });
  expect(readHostJson(folder, {}).extensions.queues).toMatchObject({
    maxPollingInterval: 2000,
    visibilityTimeout: 86_430_500,
  });
});

test('an app setting overrides a value of host.json', async () => {
  const folder = await appFolder('', { queues: { batchSize: 8 } });
  const env = { AzureFunctionsJobHost__extensions__queues__batchSize: '4' };
  expect(readHostJson(folder, env).extensions.queues.batchSize).toBe(4);
});

test('a value out of its range is named by its path', async () => {
  const folder = await appFolder('', { queues: { batchSize: 33 } });
  expect(() => readHostJson(folder, {})).toThrow('extensions.queues.batchSize');
});
