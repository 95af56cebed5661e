import { hours, iso, seconds } from '../clock.ts';
import {
  allowedSkew,
  bucketLength,
  ceilingOf,
  type LimitSettings,
  leaseLength,
  leavesAt,
  type Window,
} from './window.ts';

/** The last 24 hours, oldest first; the last number is the hour until now. Together they are all that counts. */
export const byHour = (window: Window, now: number, handOver: number): number[] => {
  const sums = Array.from({ length: 24 }, () => 0);
  for (const [key, [ordinary, priority]] of Object.entries(window.buckets)) {
    const hour = 23 - Math.floor((now - aboutUsedAt(Number(key), handOver)) / hours(1));
    const index = Math.min(23, Math.max(0, hour));
    sums[index] = (sums[index] ?? 0) + ordinary + priority;
  }
  return sums;
};

/** A bucket tells the last possible use; in the middle its units were used this much earlier. */
const aboutUsedAt = (bucket: number, handOver: number): number =>
  (bucket + 0.5) * bucketLength - (leaseLength / 2 + handOver + allowedSkew);

export interface Forecast {
  /** ISO 8601; absent where the limit is not reached within 24 hours at the pace of the last hour. */
  ordinaryStopsAt?: string;
  priorityStopsAt?: string;
  /** The same in words, for the admin. Times in UTC. */
  sentence: string;
}

/**
 * Goes on at the pace of the last hour, bucket by bucket: old units leave the window, new ones come. Where ordinary mail
 * stops, priority mail alone goes on into the reserve.
 */
export const forecast = (window: Window, limit: LimitSettings, now: number, handOver: number): Forecast => {
  const buckets = Object.entries(window.buckets).map(([key, units]) => ({ bucket: Number(key), units }));
  const recent = buckets.filter(({ bucket }) => aboutUsedAt(bucket, handOver) > now - hours(1));
  const pace = { ordinary: 0, priority: 0 };
  for (const { units } of recent) {
    pace.ordinary += units[0];
    pace.priority += units[1];
  }
  const perStep = bucketLength / hours(1);
  const stops: { ordinary?: number; priority?: number } = {};
  let added = 0;
  for (let at = now; at <= now + hours(24); at += bucketLength) {
    const old = buckets
      .filter(({ bucket }) => leavesAt(bucket) > at)
      .reduce((sum, { units }) => sum + units[0] + units[1], 0);
    if (old + added >= ceilingOf('ordinary', limit)) stops.ordinary ??= at;
    if (old + added >= ceilingOf('priority', limit)) {
      stops.priority = at;
      break;
    }
    added += perStep * (pace.priority + (stops.ordinary === undefined ? pace.ordinary : 0));
  }
  return {
    ...(stops.ordinary !== undefined && { ordinaryStopsAt: iso(stops.ordinary) }),
    ...(stops.priority !== undefined && { priorityStopsAt: iso(stops.priority) }),
    sentence: sentenceFor(stops, now),
  };
};

const sentenceFor = ({ ordinary, priority }: { ordinary?: number; priority?: number }, now: number): string => {
  if (ordinary === undefined) return 'At the pace of the last hour the limit is not reached in the next 24 hours.';
  const stop = ordinary <= now ? 'Ordinary mail has stopped' : `Ordinary mail stops at about ${timeOf(ordinary)}`;
  if (priority === undefined) return `${stop}; priority mail goes on for the next 24 hours.`;
  if (priority <= now) return 'All mail has stopped: the limit is used up.';
  if (priority - ordinary < seconds(1)) return `All mail stops at about ${timeOf(priority)}.`;
  return `${stop}; priority mail goes on until about ${timeOf(priority)}.`;
};

const timeOf = (ms: number): string => `${iso(ms).slice(11, 16)} UTC`;
