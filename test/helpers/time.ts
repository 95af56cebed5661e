import type { Clock } from '../../lib/clock.ts';

/** A clock that a test moves by hand, with the timers that hang on it. */
export interface ManualTime extends Clock {
  /** Moves true time on and runs what has come due, in order. */
  advance(milliseconds: number): void;
  /** A clock that is off by so many milliseconds. */
  skewed(by: number): Clock;
  after(milliseconds: number, run: () => void): void;
}

export const manualTime = (start = Date.parse('2026-11-22T09:00:00Z')): ManualTime => {
  let now = start;
  let timers: { due: number; run: () => void }[] = [];
  return {
    now: () => now,
    skewed: (by) => ({ now: () => now + by }),
    after: (milliseconds, run) => {
      timers.push({ due: now + milliseconds, run });
    },
    advance: (milliseconds) => {
      now += milliseconds;
      const due = timers.filter((timer) => timer.due <= now).sort((a, b) => a.due - b.due);
      timers = timers.filter((timer) => timer.due > now);
      for (const timer of due) timer.run();
    },
  };
};

/** Lets everything that only waits for promises in memory come to its end. */
export const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
