import { minutes, seconds } from '../clock.ts';
import type { TokenFailure } from './aadsts.ts';

/** Entra refused: until when it is not asked again, and with what callers are answered meanwhile. */
export interface Setback {
  fault: TokenFailure;
  /** In a row. */
  count: number;
  /** Milliseconds since 1970. */
  until: number;
}

/**
 * Entra answers AADSTS50196, and goes on doing so for a while, to whoever repeats one request too often within minutes
 * (learn.microsoft.com, "Handle errors and exceptions in MSAL"). So after a failure it is left alone, longer each time.
 */
const waits = {
  passing: [seconds(5), seconds(15), seconds(30), minutes(1), minutes(2), minutes(5)],
  lasting: [minutes(1), minutes(2), minutes(5), minutes(15)],
} as const;

const loopWait = minutes(5);
const longest = minutes(60);

/** @param retryAfter seconds that Entra asked to wait */
export const nextSetback = (
  before: Setback | undefined,
  fault: TokenFailure,
  { now, retryAfter = 0 }: { now: number; retryAfter?: number | undefined },
): Setback => {
  const count = (before?.count ?? 0) + 1;
  const steps = fault.kind === 'temporary' ? waits.passing : waits.lasting;
  const usual = steps[Math.min(count, steps.length) - 1] ?? loopWait;
  const loop = fault.remedy === 'too-many-requests' ? loopWait : 0;
  const wait = Math.min(Math.max(usual, loop, seconds(retryAfter)), longest);
  return { fault: { ...fault, retryAfter: wait }, count, until: now + wait };
};
