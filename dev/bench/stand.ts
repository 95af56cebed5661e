import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { QueueServiceClient } from '@azure/storage-queue';
import { buildApp } from '../build.ts';
import { type Api, chaosApi } from '../chaos/api.ts';
import { saveSettings } from '../chaos/settings.ts';
import { type ChaosStack, startChaosStack } from '../chaos/stack.ts';

/** A stack to measure on: two functions hosts, an SMTP server without faults, storage whose requests are counted. */
export interface Stand {
  stack: ChaosStack;
  api: Api;
  /**
   * Puts mails of a kind on the queue, many at once; each subject is `name` and a number.
   * @param visibleAt milliseconds since 1970: all of them appear then, at once
   */
  put(name: string, count: number, kind: string, queue: string, visibleAt?: number): Promise<void>;
  /** Waits until so many mails are in the inbox. */
  untilArrived(count: number): Promise<void>;
  /** Storage requests so far that mail caused: without idle polls and the host's own lock. */
  requests(): Record<string, number>;
}

export const withStand = async (work: (stand: Stand) => Promise<void>): Promise<void> => {
  const app = await mkdtemp(join(tmpdir(), 'postern-bench-'));
  let stack: ChaosStack | undefined;
  try {
    await buildApp(app);
    stack = await startChaosStack({ POSTERN_APP: app }, false);
    const api = chaosApi(stack.env);
    await saveSettings(api, stack.env, { mode: 'hold' });
    await work(standOn(stack, api));
  } finally {
    await stack?.end();
    await rm(app, { recursive: true, force: true });
  }
};

const standOn = (stack: ChaosStack, api: Api): Stand => {
  /** By the files of the inbox: asking for its list would take the relay's own time. */
  const arrived = async (): Promise<number> =>
    (await readdir(join(stack.folder, 'stack', 'mail'))).filter((name) => name.endsWith('.json')).length;
  const queues = QueueServiceClient.fromConnectionString(stack.storage.direct);
  return {
    stack,
    api,
    put: async (name, count, kind, queue, visibleAt = 0) => {
      const client = queues.getQueueClient(queue);
      for (let n = 0; n < count; n += abreast) {
        await Promise.all(
          Array.from({ length: Math.min(abreast, count - n) }, async (_, i) => {
            const mail = {
              ...{ kind, to: [{ address: `person${(n + i) % 400}@example.com` }] },
              ...{ subject: `${name} ${n + i}`, text: 'A mail of the bench.' },
            };
            const visibilityTimeout = Math.max(0, Math.round((visibleAt - Date.now()) / 1000));
            await client.sendMessage(Buffer.from(JSON.stringify({ v: 1, mail })).toString('base64'), {
              visibilityTimeout,
            });
          }),
        );
      }
    },
    untilArrived: async (count) => {
      while ((await arrived()) < count) await delay(500);
    },
    requests: () =>
      Object.fromEntries(
        Object.entries(stack.storage.counts()).filter(([name]) => !/nothing there|own lock/.test(name)),
      ),
  };
};

const abreast = 32;

export const total = (counts: Record<string, number>): number =>
  Object.values(counts).reduce((sum, count) => sum + count, 0);

/** What `later` counted beyond `earlier`. */
export const since = (later: Record<string, number>, earlier: Record<string, number>): Record<string, number> =>
  Object.fromEntries(
    Object.entries(later)
      .map(([name, count]): [string, number] => [name, count - (earlier[name] ?? 0)])
      .filter(([, count]) => count > 0),
  );
