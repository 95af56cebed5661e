import type { TableClient } from '@azure/data-tables';
import { z } from 'zod';
import { type Clock, seconds } from '../clock.ts';
import type { RollingLimit } from '../limit/limit.ts';
import type { Log } from '../log.ts';
import type { KindClass } from '../message/kinds.ts';
import type { Breaker } from '../relay/breaker.ts';
import type { PauseSwitch } from '../relay/pause.ts';
import type { Settings } from '../settings/schema.ts';
import { changeRow, type Row, tableRow } from '../storage/row.ts';
import type { WaitsFor } from './gates.ts';
import type { Parking, Released } from './parking.ts';

/**
 * Releases parked mail for which there is room now, priority first, in steps. One process at a time does it; another
 * call meanwhile does nothing, and the timer comes again. @returns how many were released
 */
export type Drain = () => Promise<number>;

const leaseSchema = z.object({ until: z.int() });
export const drainLease = (table: TableClient): Row<z.output<typeof leaseSchema>> =>
  tableRow(table, { partitionKey: 'drain', rowKey: 'lease' }, leaseSchema);

interface Parts {
  parking: Parking;
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
/** Carriers released in one step; a step is done again as long as there is room and time. */
const step = 1000;
const longestRun = seconds(40);

export const drainOf = ({ parking, lease, settings, pause, breaker, limit, clock, log }: Parts): Drain => {
  const takeLease = async (): Promise<boolean> => {
    const now = clock.now();
    const { result } = await changeRow(lease, undefined, (held) =>
      held && held.until > now ? { result: false } : { value: { until: now + leaseFor }, result: true },
    );
    return result;
  };
  const endLease = () => changeRow(lease, undefined, () => ({ value: { until: 0 }, result: undefined }));

  /** How many mails of a class the gates would let pass now: what is released beyond that would only be parked again. */
  const roomFor = async (kindClass: KindClass): Promise<{ all: number; probe: number }> => {
    if (await pause.paused(kindClass)) return { all: 0, probe: 0 };
    const relay = await breaker.look();
    if (relay.open) return { all: 0, probe: relay.nextProbe <= clock.now() ? 1 : 0 };
    const { limit: limits } = await settings.current();
    const left = await limit.look(kindClass, limits);
    const paced = limits.perMinute === 0 ? Infinity : Math.ceil((limits.perMinute * drainEvery) / 60_000);
    return { all: left.ok ? Math.min(limits.per24Hours === 0 ? Infinity : left.left, paced) : 0, probe: 0 };
  };

  const releaseStep = async (): Promise<Released> => {
    const [priority, ordinary] = [await roomFor('priority'), await roomFor('ordinary')];
    const left = { priority, ordinary };
    return await parking.release(async (waitsFor: WaitsFor, kindClass) => {
      if (waitsFor === 'time') return Infinity;
      if (waitsFor === 'relay' && left[kindClass].probe > 0) return left[kindClass].probe;
      return left[kindClass].all;
    }, step);
  };

  return async () => {
    if (!(await takeLease())) return 0;
    let released = 0;
    try {
      const end = clock.now() + longestRun;
      for (let more = true; more && clock.now() < end; ) {
        const done = await releaseStep();
        released += done.released;
        more = done.more;
      }
    } finally {
      await endLease();
    }
    if (released > 0) log.info('postern.parking.released', { released });
    return released;
  };
};
