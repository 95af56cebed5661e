import { z } from 'zod';
import { hours, minutes, seconds } from '../clock.ts';
import type { KindClass } from '../message/kinds.ts';
import type { Settings } from '../settings/schema.ts';

/** The limit's part of the settings. */
export type LimitSettings = Settings['limit'];

/** Units are counted by the time bucket of their last possible use. Milliseconds. */
export const bucketLength = minutes(5);
/** The span in which the limit holds. Exchange Online counts recipients over a rolling 24 hours, and so do we. */
export const windowLength = hours(24);
/** How far the clock of an instance may be from true time, either way. */
export const allowedSkew = seconds(30);
/** How long an instance may hand out the units of one lease, by its own clock. */
export const leaseLength = seconds(60);
/** Leases whose entries are kept; a lease whose entry is gone just stays counted, so dropping one is safe. */
const keptLeases = 400;

const count = z.int().min(0);
const bit = z.literal([0, 1]);
const storedTuple = z.tuple([bit, z.int(), count, z.int(), bit]);

/** Stored as `[priority?, bucket, counted, ends, open?]`: hundreds of leases must fit into one column. */
const storedLease = z.codec(
  storedTuple,
  z.object({
    class: z.enum(['ordinary', 'priority']),
    bucket: z.int(),
    counted: count,
    ends: z.int(),
    open: z.boolean(),
  }),
  {
    decode: ([priority, bucket, counted, ends, open]) => ({
      class: priority === 1 ? ('priority' as const) : ('ordinary' as const),
      bucket,
      counted,
      ends,
      open: open === 1,
    }),
    encode: ({ class: kindClass, bucket, counted, ends, open }): z.input<typeof storedTuple> => [
      kindClass === 'priority' ? 1 : 0,
      bucket,
      counted,
      ends,
      open ? 1 : 0,
    ],
  },
);

/**
 * The rolling window, all that instances share. `buckets`: number of the bucket (time / 5 min) → units counted in it,
 * `[ordinary, priority]`. `leases`: by id, what each lease has counted and in which bucket, so that its owner can give
 * back by naming the number that stays, which may be said twice. `marks`: the thresholds that have been warned of.
 */
export const windowSchema = z.object({
  v: z.literal(1),
  buckets: z.record(z.string().regex(/^\d+$/), z.tuple([count, count])),
  leases: z.record(z.string(), storedLease),
  marks: z.array(z.enum(['warning', 'ordinary', 'all'])),
  tap: z.object({ since: z.int(), until: z.int(), reply: z.string() }).optional(),
});

export type Window = z.output<typeof windowSchema>;
export type Tap = NonNullable<Window['tap']>;

export const emptyWindow: Window = { v: 1, buckets: {}, leases: {}, marks: [] };

const place = { ordinary: 0, priority: 1 } as const satisfies Record<KindClass, number>;

/** When all of a bucket is older than 24 hours by every clock that is no further off than allowed. */
export const leavesAt = (bucket: number): number => (bucket + 1) * bucketLength + windowLength + allowedSkew;

/** The bucket of the last possible use of a lease that is taken now: lease, then one hand-over, on a slow clock. */
export const lastUseBucket = (now: number, handOver: number): number =>
  Math.floor((now + leaseLength + handOver + allowedSkew) / bucketLength);

/** All units that count against the limit. */
export const countedIn = (window: Window): number =>
  Object.values(window.buckets).reduce((sum, [ordinary, priority]) => sum + ordinary + priority, 0);

/** How many units a class may use in all. The reserve is for priority mail only. */
export const ceilingOf = (kindClass: KindClass, { per24Hours, priorityReserve }: LimitSettings): number => {
  if (per24Hours === 0) return Number.POSITIVE_INFINITY;
  return kindClass === 'priority' ? per24Hours : Math.max(0, per24Hours - priorityReserve);
};

/**
 * The window without what no longer counts. A bucket further ahead than any right clock could have written is moved to
 * the last right one, so that an instance with a clock gone wild cannot hold units for longer than the window.
 */
export const aged = (window: Window, now: number, handOver: number): Window => {
  const latest = lastUseBucket(now + 2 * allowedSkew, handOver);
  const buckets: Window['buckets'] = {};
  for (const [key, [ordinary, priority]] of Object.entries(window.buckets)) {
    if (leavesAt(Number(key)) <= now || ordinary + priority === 0) continue;
    const bucket = Math.min(Number(key), latest);
    const [moreOrdinary, morePriority] = buckets[bucket] ?? [0, 0];
    buckets[bucket] = [ordinary + moreOrdinary, priority + morePriority];
  }
  const leases = Object.entries(window.leases)
    .filter(([, lease]) => lease.ends + handOver + 2 * allowedSkew > now)
    .map(([id, lease]) => [id, { ...lease, bucket: Math.min(lease.bucket, latest) }] as const)
    .slice(-keptLeases);
  const { tap, ...rest } = window;
  const aged: Window = { ...rest, buckets, leases: Object.fromEntries(leases) };
  return tap && tap.until > now ? { ...aged, tap } : aged;
};

const withCount = (window: Window, bucket: number, kindClass: KindClass, change: number): Window => {
  const next: [number, number] = [...(window.buckets[bucket] ?? [0, 0])];
  next[place[kindClass]] = Math.max(0, next[place[kindClass]] + change);
  return { ...window, buckets: { ...window.buckets, [bucket]: next } };
};

/**
 * A lease says how many of its units stay counted. It can only go down, and saying it twice changes nothing. A lease
 * that the window no longer knows stays counted as it was.
 */
export const settled = (window: Window, id: string, counted: number): Window => {
  const lease = window.leases[id];
  if (!lease || counted > lease.counted) return window;
  const next = withCount(window, lease.bucket, lease.class, counted - lease.counted);
  return { ...next, leases: { ...window.leases, [id]: { ...lease, counted, open: false } } };
};

/** Counts a new lease of `units` for its last possible use. */
export const leased = (
  window: Window,
  lease: { id: string; kindClass: KindClass; units: number; now: number; handOver: number },
): Window => {
  const bucket = lastUseBucket(lease.now, lease.handOver);
  const entry = {
    class: lease.kindClass,
    bucket,
    counted: lease.units,
    ends: lease.now + leaseLength,
    open: true,
  };
  const next = withCount(window, bucket, lease.kindClass, lease.units);
  return { ...next, leases: { ...window.leases, [lease.id]: entry } };
};

const byAge = (window: Window): [bucket: number, units: number][] =>
  Object.entries(window.buckets)
    .map(([key, [ordinary, priority]]): [number, number] => [Number(key), ordinary + priority])
    .filter(([, units]) => units > 0)
    .sort(([a], [b]) => a - b);

/**
 * When the next unit becomes free for a class, in milliseconds since 1970: as soon as so many of the oldest buckets
 * left that one more fits, or earlier where an instance's lease ends first and may give units back.
 * @returns `undefined` where that is never, because the class may use none at all.
 */
export const freeAt = (window: Window, kindClass: KindClass, limit: LimitSettings, now: number): number | undefined => {
  const ceiling = ceilingOf(kindClass, limit);
  if (ceiling === 0) return undefined;
  let counted = countedIn(window);
  let free = now;
  for (const [bucket, units] of byAge(window)) {
    if (counted < ceiling) break;
    counted -= units;
    free = leavesAt(bucket);
  }
  const returns = Object.values(window.leases)
    .filter((lease) => lease.open && lease.ends > now)
    .map((lease) => lease.ends + seconds(2));
  return Math.min(free, ...returns);
};

/** When the oldest unit leaves the window; `undefined` where none counts. */
export const oldestLeavesAt = (window: Window): number | undefined => {
  const oldest = byAge(window)[0];
  return oldest && leavesAt(oldest[0]);
};

/** Whether a change of the settings may let waiting mail go: the limit or the pace was raised or switched off. */
export const isRaised = (before: LimitSettings, after: LimitSettings): boolean =>
  (['ordinary', 'priority'] as const).some((kindClass) => ceilingOf(kindClass, after) > ceilingOf(kindClass, before)) ||
  (after.perMinute || Number.POSITIVE_INFINITY) > (before.perMinute || Number.POSITIVE_INFINITY);
