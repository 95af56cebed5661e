import { randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { type Api, chaosApi, patiently, type RelayView } from './api.ts';
import { readArrivals, readRows } from './evidence.ts';
import { faultsFor, submitTimeout } from './faults.ts';
import { doNotEmail } from './happenings/do-not-email.ts';
import type { Happening, Scene } from './happenings/happening.ts';
import { judgeLanes } from './happenings/lanes.ts';
import { limit } from './happenings/limit.ts';
import { outage } from './happenings/outage.ts';
import { pause } from './happenings/pause.ts';
import { type Kill, killHosts, lifeTime } from './killer.ts';
import { planMails } from './mails.ts';
import type { ChaosOptions, Mode } from './options.ts';
import { handIn } from './producer.ts';
import { saveSettings } from './settings.ts';
import { type ChaosStack, startChaosStack } from './stack.ts';
import { type Finding, isSettled, judge, lawsOf, type Verdict } from './verdict.ts';

export interface RunReport {
  mode: Mode;
  seed: number;
  kills: number;
  /** How often the relay's breaker opened. */
  relayOpened: number;
  seconds: { handingIn: number; draining: number; all: number };
  verdict: Verdict;
  facts: Record<string, string | number>;
  /** What must be empty. */
  laws: Record<string, Finding[]>;
  storageRequests: Record<string, number>;
  /** Where the log, storage and mails are, if kept. */
  folder?: string;
}

export const isLawful = ({ laws }: RunReport): boolean => Object.values(laws).every((found) => found.length === 0);

/** One run from an empty stack to its verdict. @param app folder with the built app */
export const runChaos = async (options: ChaosOptions, mode: Mode, app: string): Promise<RunReport> => {
  const stack = await startChaosStack({
    environment: {
      POSTERN_APP: app,
      POSTERN_SUBMIT_TIMEOUT_SECONDS: String(submitTimeout),
      // What a killed host was working on comes back to the other one so soon.
      POSTERN_QUEUE_LEASE_SECONDS: '10',
    },
    keep: options.keep,
  });
  const stop = new AbortController();
  try {
    return await runOn(stack, options, mode, stop);
  } finally {
    stop.abort();
    await stack.end();
  }
};

const runOn = async (
  stack: ChaosStack,
  options: ChaosOptions,
  mode: Mode,
  stop: AbortController,
): Promise<RunReport> => {
  const began = Date.now();
  const { env, storage } = stack;
  const api = chaosApi(env);
  const run = `run${randomBytes(4).toString('hex')}`;
  const kills: Kill[] = [];
  let relayOpened = 0;
  const postponed = new Set<string>();
  stack.onLine((line) => {
    if (line.includes('postern.relay.opened')) relayOpened++;
    if (!line.includes('postern.delivery.postponed')) return;
    const [, id] = /"delivery":"([^"]+)"/.exec(line) ?? [];
    if (id) postponed.add(id);
  });

  await saveSettings(api, env, { mode, limit: options.limit });
  await api.setFaults(faultsFor(options));
  const spread = Math.max(options.kills * lifeTime, options.outage ? fewestWithOutage : fewest);
  const scene: Scene = { options, mode, api, storage, spread, handsOff: { yes: false } };
  const happenings = happeningsOf(scene);
  for (const it of happenings) await it.before?.();

  const start = Date.now();
  const probing = keepProbing(scene, stop.signal);
  const busy = new AbortController();
  const [endless, finite] = [true, false].map((kind) =>
    Promise.all(
      happenings
        .filter((it) => (it.endless ?? false) === kind)
        .map((it) => it.during(kind ? busy.signal : stop.signal)),
    ),
  );
  const planned = planMails({ mails: options.mails, seed: options.seed, run });
  const [handedIn] = await Promise.all([
    handIn(planned, { connection: storage.direct, api, spread }),
    killHosts(stack, options, kills),
    finite,
  ]);
  busy.abort();
  await endless;
  const allIn = Date.now();
  await untilSettled({ options, mode, expected: deliveriesIn(handedIn), read: () => readRows(storage.direct, run) });
  stop.abort();
  await probing;
  const end = Date.now();

  const evidence = { rows: await readRows(storage.direct, run), arrivals: await readArrivals(api, run) };
  const verdict = judge({ mode, limit: options.limit, handedIn, ...evidence });
  const judged = [judgeLanes(evidence.rows, kills, postponed), ...happenings.map((it) => it.judge(evidence))];
  return {
    ...{ mode, seed: options.seed, kills: kills.length, relayOpened, verdict },
    seconds: { handingIn: secondsOf(allIn - start), draining: secondsOf(end - allIn), all: secondsOf(end - began) },
    facts: Object.assign({}, ...judged.map(({ facts }) => facts)),
    laws: Object.assign(lawsOf(verdict), ...judged.map(({ laws }) => laws)),
    storageRequests: storage.counts(),
    ...(options.keep ? { folder: stack.folder } : {}),
  };
};

/** Time in which the mail is handed in where no kill stretches it. */
const fewest = 5000;
/** An outage must find mail on its way, also after a pause. */
const fewestWithOutage = 40_000;

const secondsOf = (milliseconds: number): number => Math.round(milliseconds / 100) / 10;

const deliveriesIn = (handedIn: { planned: { mail: { to: unknown[] } } }[]): number =>
  handedIn.reduce((sum, it) => sum + it.planned.mail.to.length, 0);

const happeningsOf = (scene: Scene): Happening[] => {
  const { options } = scene;
  return [
    ...(options.limit > 0 ? [limit(scene)] : []),
    ...(options.outage ? [outage(scene)] : []),
    ...(options.pause ? [pause(scene)] : []),
    ...(options.doNotEmail ? [doNotEmail(scene)] : []),
  ];
};

interface Settling {
  options: ChaosOptions;
  mode: Mode;
  expected: number;
  read(): ReturnType<typeof readRows>;
}

/** Returns when every delivery has come to rest for a while, or nothing has moved for too long; the verdict tells which. */
const untilSettled = async ({ options, mode, expected, read }: Settling): Promise<void> => {
  const end = Date.now() + longestDraining;
  // Mail that waits for the limit is looked at again every 15 seconds, as units come back.
  const rest = options.limit > 0 ? 20_000 : 3000;
  let moved = Date.now();
  let before = '';
  while (Date.now() < end) {
    const start = Date.now();
    const rows = await read();
    const reading = Date.now() - start;
    const settled =
      rows.length >= expected && rows.every(({ delivery }) => isSettled(delivery, { mode, limit: options.limit }));
    const now = rows.map(({ delivery }) => `${delivery.id} ${delivery.changedAt}`).join();
    if (now !== before) moved = Date.now();
    before = now;
    if (Date.now() - moved >= (settled ? rest : options.patience)) return;
    // Looking at thousands of rows must not take the storage's time from those who work.
    await delay(Math.max(1000, 4 * reading));
  }
};

const longestDraining = 1_800_000;

/** An admin who does not wait for the breaker's own probes, which come a minute apart at the soonest. */
const keepProbing = async ({ api, handsOff }: { api: Api; handsOff: { yes: boolean } }, stop: AbortSignal) => {
  while (!stop.aborted) {
    const look = await api.admin<RelayView>('GET', '/api/relay').catch(() => undefined);
    if (look?.state === 'open' && !handsOff.yes) {
      await patiently(() => api.admin('POST', '/api/relay/probe')).catch(() => {});
    }
    await delay(1000, undefined, { signal: stop }).catch(() => {});
  }
};
