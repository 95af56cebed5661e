import { Cron } from 'croner';

export interface Timer {
  close(): Promise<void>;
}

export interface TimerInfo {
  Schedule: { AdjustForDST: boolean };
  ScheduleStatus: { Last: string; Next: string; LastUpdated: string };
  IsPastDue: boolean;
}

interface TimerOptions {
  /** NCRONTAB with six fields, seconds first, in UTC. */
  schedule: string;
  runOnStartup: boolean;
  /** Whether this host holds the timers' lock: of several hosts on one storage, one runs them. */
  mayRun(): boolean;
  run(info: TimerInfo): Promise<void>;
  log(message: string): void;
}

const longestTimeout = 2_147_483_647;

/**
 * The next time of an NCRONTAB expression after the given one, both in ms since 1970.
 * @throws Error for an expression without exactly six fields or one that NCRONTAB cannot read.
 */
export const nextTime = (schedule: string, after: number): number => {
  const fields = schedule.trim().split(/\s+/);
  // The host also takes five fields; Flex Consumption documents six, and a schedule off by sixty is no small slip.
  if (fields.length !== 6) throw new Error(`The schedule "${schedule}" needs six fields, seconds first.`);
  // NCRONTAB wants day of month and day of week both to fit, where cron takes either.
  const next = new Cron(fields.join(' '), { timezone: 'UTC', domAndDow: true, paused: true }).nextRun(new Date(after));
  if (!next) throw new Error(`The schedule "${schedule}" never comes.`);
  return next.getTime();
};

/** The timer trigger: never two runs at once; times that pass during a run are left out. */
export const startTimer = ({ schedule, runOnStartup, mayRun, run, log }: TimerOptions): Timer => {
  let closed = false;
  let timeout: NodeJS.Timeout | undefined;
  let running: Promise<void> = Promise.resolve();
  let last = 0;

  const runNow = () => {
    if (!mayRun()) return;
    const now = Date.now();
    const info: TimerInfo = {
      Schedule: { AdjustForDST: true },
      ScheduleStatus: { Last: isoOf(last), Next: isoOf(nextTime(schedule, now)), LastUpdated: isoOf(last) },
      IsPastDue: false,
    };
    last = now;
    running = run(info).catch((error: unknown) => log(`Timer: ${String(error)}`));
  };
  const plan = () => {
    if (closed) return;
    const due = nextTime(schedule, Date.now());
    const wait = () => {
      const left = due - Date.now();
      if (left > longestTimeout) timeout = setTimeout(wait, longestTimeout);
      else timeout = setTimeout(() => fire(), Math.max(left, 0));
    };
    wait();
  };
  const fire = () => {
    runNow();
    void running.then(plan);
  };

  nextTime(schedule, Date.now());
  if (runOnStartup) fire();
  else plan();
  return {
    close: async () => {
      closed = true;
      clearTimeout(timeout);
      await running;
    },
  };
};

const isoOf = (ms: number) => (ms === 0 ? '0001-01-01T00:00:00' : new Date(ms).toISOString());
