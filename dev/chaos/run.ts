import { randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { chaosApi, patiently, type RelayView } from './api.ts';
import { readArrivals, readRows } from './evidence.ts';
import { faultsFor, submitTimeout } from './faults.ts';
import { type Kill, killHosts, lifeTime } from './killer.ts';
import { planMails } from './mails.ts';
import type { ChaosOptions, Mode } from './options.ts';
import { handIn } from './producer.ts';
import { saveSettings } from './settings.ts';
import { startChaosStack } from './stack.ts';
import { isSettled, judge, type Verdict } from './verdict.ts';

export interface RunReport extends Verdict {
  mode: Mode;
  seed: number;
  kills: number;
  /** Mails that the relay's breaker made wait, by how often it opened. */
  relayOpened: number;
  seconds: { handingIn: number; draining: number; all: number };
  /** Where the log, storage and mails are, if kept. */
  folder?: string;
}

/** One run from an empty stack to its verdict. @param app folder with the built app */
export const runChaos = async (options: ChaosOptions, mode: Mode, app: string): Promise<RunReport> => {
  const began = Date.now();
  const stack = await startChaosStack(
    {
      POSTERN_APP: app,
      POSTERN_SUBMIT_TIMEOUT_SECONDS: String(submitTimeout),
      // What a killed host was working on comes back to the other one so soon.
      POSTERN_QUEUE_LEASE_SECONDS: '10',
    },
    options.keep,
  );
  const stop = new AbortController();
  try {
    const { env } = stack;
    const api = chaosApi(env);
    const storage = env.AZURE_STORAGE_CONNECTION_STRING ?? '';
    const run = `run${randomBytes(4).toString('hex')}`;
    const kills: Kill[] = [];
    let relayOpened = 0;
    stack.onLine((line) => {
      if (line.includes('postern.relay.opened')) relayOpened++;
    });

    await saveSettings(api, env, { mode });
    await api.setFaults(faultsFor(options));
    const probing = keepProbing(api, stop.signal);

    const start = Date.now();
    const planned = planMails({ mails: options.mails, seed: options.seed, run });
    const [handedIn] = await Promise.all([
      handIn(planned, { env, api, spread: options.kills * lifeTime }),
      killHosts(stack, options, kills),
    ]);
    const allIn = Date.now();
    const expected = handedIn.reduce((sum, it) => sum + it.planned.mail.to.length, 0);
    const settled = async () => {
      const rows = await readRows(storage, run);
      return rows.length >= expected && rows.every(({ delivery }) => isSettled(delivery, mode));
    };
    while (Date.now() < allIn + options.patience && !(await settled())) await delay(2000);
    // What somebody would still send twice has time to do so.
    await delay(3000);
    stop.abort();
    await probing;
    const end = Date.now();
    const evidence = { rows: await readRows(storage, run), arrivals: await readArrivals(api, run) };
    return {
      ...judge({ mode, handedIn, ...evidence }),
      ...{ mode, seed: options.seed, kills: kills.length, relayOpened },
      seconds: { handingIn: secondsOf(allIn - start), draining: secondsOf(end - allIn), all: secondsOf(end - began) },
      ...(options.keep ? { folder: stack.folder } : {}),
    };
  } finally {
    stop.abort();
    await stack.end();
  }
};

const secondsOf = (milliseconds: number): number => Math.round(milliseconds / 100) / 10;

/** An admin who does not wait for the breaker's own probes, which come a minute apart at the soonest. */
const keepProbing = async (api: ReturnType<typeof chaosApi>, stop: AbortSignal): Promise<void> => {
  while (!stop.aborted) {
    const look = await api.admin<RelayView>('GET', '/api/relay').catch(() => undefined);
    if (look?.state === 'open') await patiently(() => api.admin('POST', '/api/relay/probe', {})).catch(() => {});
    await delay(1000, undefined, { signal: stop }).catch(() => {});
  }
};
