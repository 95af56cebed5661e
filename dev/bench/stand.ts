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
  /** Waits for the mail with this subject; ask before it is put. @returns when it arrived, in milliseconds since 1970 */
  arrivalOf(subject: string): Promise<number>;
  /** Storage requests so far that mail caused: without idle polls and the host's own lock. */
  requests(): Record<string, number>;
}

/** @param counted whether storage requests are counted, which takes its time from what is measured */
export const withStand = async (
  { counted }: { counted: boolean },
  work: (stand: Stand) => Promise<void>,
): Promise<void> => {
  const app = await mkdtemp(join(tmpdir(), 'postern-bench-'));
  let stack: ChaosStack | undefined;
  try {
    await buildApp(app);
    stack = await startChaosStack({ environment: { POSTERN_APP: app }, counted });
    const api = chaosApi(stack.env);
    await saveSettings(api, stack.env, { mode: 'hold' });
    const arrivals = await watchInbox(stack.env.INBOX_URL ?? '');
    try {
      await work(standOn(stack, api, arrivals));
    } finally {
      arrivals.end();
    }
  } finally {
    await stack?.end();
    await rm(app, { recursive: true, force: true });
  }
};

const standOn = (stack: ChaosStack, api: Api, { arrivalOf }: Arrivals): Stand => {
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
    arrivalOf,
    requests: () =>
      Object.fromEntries(
        Object.entries(stack.storage.counts()).filter(([name]) => !/nothing there|own lock/.test(name)),
      ),
  };
};

interface Arrivals {
  arrivalOf(subject: string): Promise<number>;
  end(): void;
}

/** By the inbox's stream of arrivals: asking for its list again and again would take the time that is measured. */
const watchInbox = async (url: string): Promise<Arrivals> => {
  const awaited = new Map<string, (at: number) => void>();
  const stop = new AbortController();
  const { body } = await fetch(`${url}/api/stream`, { signal: stop.signal });
  const read = async () => {
    let rest = '';
    for await (const text of body?.pipeThrough(new TextDecoderStream()) ?? []) {
      const lines = (rest + text).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) {
        const [, data] = /^data: (\{"id".*)/.exec(line) ?? [];
        if (data === undefined) continue;
        const { subject, date } = JSON.parse(data) as { subject: string; date: string };
        awaited.get(subject)?.(Date.parse(date));
        awaited.delete(subject);
      }
    }
  };
  read().catch((error: unknown) => {
    if (!stop.signal.aborted) throw error;
  });
  return {
    arrivalOf: (subject) => new Promise((resolve) => awaited.set(subject, resolve)),
    end: () => stop.abort(),
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
