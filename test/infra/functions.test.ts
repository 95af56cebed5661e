import { join } from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
import { createCore, loadApp } from '../../dev/host/core-module.ts';
import { lanes } from '../../lib/message/kinds.ts';
import { builtApp } from '../helpers/built-app.ts';
import { ofType, readSnapshot } from './snapshot.ts';

test('instances that always run are those of functions that there are, of both lanes and of HTTP', async () => {
  vi.stubEnv('AzureWebJobsStorage', 'UseDevelopmentStorage=true');
  vi.stubEnv('KEY_VAULT_URI', 'https://localhost:1');
  vi.stubEnv('POSTERN_PUBLIC_URL', 'https://localhost:1');
  onTestFinished(() => {
    vi.unstubAllEnvs();
  });
  const core = createCore(() => {});
  loadApp(join(await builtApp(), 'index.cjs'), core);

  const byQueue = [...core.functions.values()].flatMap(({ metadata }) =>
    Object.values(metadata.bindings)
      .filter(({ type, queueName }) => type === 'queueTrigger' && queueName !== undefined)
      .map(({ queueName }) => ({ name: metadata.name, queue: String(queueName) })),
  );
  expect(byQueue.map(({ queue }) => queue).toSorted()).toEqual(Object.values(lanes).toSorted());

  const [site] = ofType(readSnapshot('hardened'), 'Web/sites');
  const groups: { name: string }[] = site!.properties.functionAppConfig.scaleAndConcurrency.alwaysReady;
  expect(groups.map(({ name }) => name).toSorted()).toEqual(
    ['http', ...byQueue.map(({ name }) => `function:${name}`)].toSorted(),
  );
});
