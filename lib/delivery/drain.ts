import type { TableClient } from '@azure/data-tables';
import { z } from 'zod';
import { type Clock, minutes, seconds } from '../clock.ts';
import type { RollingLimit } from '../limit/limit.ts';
import { horizon, spacingOf } from '../limit/pace.ts';
import type { Log } from '../log.ts';
import type { KindClass } from '../message/kinds.ts';
import { hasSender } from '../message/sender.ts';
import type { Breaker } from '../relay/breaker.ts';
import type { PauseSwitch } from '../relay/pause.ts';
import type { Settings } from '../settings/schema.ts';
import { changeRow, type Row, tableRow, type Versioned } from '../storage/row.ts';
import { mostInConvoy } from './carrier.ts';
import { classes, type Parking, type Spacing } from './parking.ts';

/**
 * Releases parked mail for which there is room now, priority first, in steps. One process at a time does it; where
 * another one is at it, this call does nothing, and the timer comes again. A call while this process is at it makes it
 * look once more, since the event may have come after it looked. @returns how many were released
 */
export type Drain = () => Promise<number>;

const leaseSchema = z.object({ until: z.int() });
export const drainLease = (table: TableClient): Row<z.output<typeof leaseSchema>> =>
  tableRow(table, { partitionKey: 'drain', rowKey: 'lease' }, leaseSchema);

interface Parts {
  parking: Pick<Parking, 'release'>;
  lease: Row<{ until: number }>;
  settings: { current(): Promise<Settings> };
  pause: Pick<PauseSwitch, 'paused'>;
  breaker: Pick<Breaker, 'look'>;
  limit: Pick<RollingLimit, 'look'>;
  clock: Clock;
  log: Log;
}

/** Releases come this far apart, by the timer. */
export const drainEvery = seconds(15);
const leaseFor = seconds(60);
/** Mails released in one step; before each the gates are looked at again. */
const step = 1000;
const longestRun = seconds(40);

export const drainOf = ({ parking, lease, settings, pause, breaker, limit, clock, log }: Parts): Drain => {
  /** @returns the row as taken, or `undefined` where somebody else holds it */
  const takeLease = async (): Promise<Versioned<{ until: number }> | undefined> => {
    const until = clock.now() + leaseFor;
    const { row, wrote } = await changeRow(lease, undefined, (held) =>
      held && held.until > clock.now() ? { result: undefined } : { value: { until }, result: undefined },
    );
    return wrote ? row : undefined;
  };

  /** It was taken by somebody else meanwhile where this changes nothing. */
  const endLease = (mine: Versioned<{ until: number }>) => lease.write({ until: 0 }, mine.etag);

  /**
   * How many mails of a class the gates would let pass now: what is released beyond that would only be parked again.
   * @param released so far in this run, of any class: they have not reached the gates yet
   */
  const roomFor = async (kindClass: KindClass, released: number): Promise<number> => {
    const present = await settings.current();
    if (!hasSender(present) || (await pause.paused(kindClass))) return 0;
    const relay = await breaker.look();
    if (relay.open) return relay.nextProbe <= clock.now() ? 1 - released : 0;
    const left = await limit.look(kindClass, present.limit);
    if (!left.ok) return 0;
    return Math.min(left.left, atThePace(present.limit.perMinute)) - released;
  };

  const run = async (): Promise<number> => {
    let released = 0;
    const end = clock.now() + longestRun;
    for (const kindClass of classes) {
      for (let wanted = step; wanted === step && clock.now() < end; ) {
        wanted = Math.min(await roomFor(kindClass, released), step);
        if (wanted <= 0) break;
        const gone = await parking.release(kindClass, wanted, spacingFor((await settings.current()).limit.perMinute));
        released += gone;
        if (gone < wanted) break;
      }
    }
    return released;
  };

  const once = async (): Promise<number> => {
    const mine = await takeLease();
    if (mine === undefined) return 0;
    try {
      const released = await run();
      if (released > 0) log.info('postern.parking.released', { released });
      return released;
    } finally {
      await endLease(mine);
    }
  };

  let running: Promise<number> | undefined;
  let again = false;

  const untilQuiet = async (): Promise<number> => {
    let released = 0;
    try {
      do {
        again = false;
        released += await once();
      } while (again);
    } finally {
      running = undefined;
    }
    return released;
  };

  return () => {
    again = true;
    running ??= untilQuiet();
    return running;
  };
};

/** What may go until the timer comes again. */
const atThePace = (perMinute: number): number =>
  perMinute === 0 ? Number.POSITIVE_INFINITY : Math.ceil((perMinute * drainEvery) / minutes(1));

/** Mails come as their turns do; those that come together wait for theirs in the process, no longer than it allows. */
const spacingFor = (perMinute: number): Spacing => {
  if (perMinute === 0) return { apart: 0, together: mostInConvoy };
  const apart = spacingOf(perMinute);
  return { apart, together: Math.max(1, Math.min(mostInConvoy, Math.floor(horizon / apart) - 1)) };
};
