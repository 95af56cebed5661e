import { setTimeout as delay } from 'node:timers/promises';
import { sequence } from '../../smtp/faults.ts';
import { patiently } from '../api.ts';
import { everybody } from '../mails.ts';
import { claimsOf, findingOf, type Happening, type Scene } from './happening.ts';

/** A time in which somebody was on the list. Milliseconds since 1970. */
interface Entry {
  address: string;
  /** When the request was made that put it there, and when that was answered. */
  asked: number;
  from: number;
  /** When its removal was asked for. */
  until: number;
}

/** The longest from the look-up, through the limit, to the claim that the row shows. */
const oneLookUp = 1000;

/**
 * A fifth of all recipients is on the list; while mail goes, entries come and go, and the list's table fails for
 * seconds at a time (law 2).
 */
export const doNotEmail = ({ options, api, storage }: Scene): Happening => {
  const draw = sequence(options.seed + 200);
  const pick = <T>(from: readonly T[]): T => from[Math.floor(draw() * from.length)] as T;
  const entries: Entry[] = [];
  const listed = new Map<string, Entry>();

  const add = async (address: string): Promise<void> => {
    const asked = Date.now();
    await patiently(() => api.admin('POST', '/api/do-not-email', { address, note: 'chaos' }), 60);
    const entry = { address, asked, from: Date.now(), until: Number.POSITIVE_INFINITY };
    entries.push(entry);
    listed.set(address, entry);
  };
  const remove = async (address: string): Promise<void> => {
    const entry = listed.get(address);
    if (entry) entry.until = Date.now();
    listed.delete(address);
    await patiently(() => api.admin('DELETE', `/api/do-not-email?address=${encodeURIComponent(address)}&days=0`), 60);
  };
  const failures = async (stop: AbortSignal): Promise<void> => {
    while (!stop.aborted) {
      await delay(6000 + draw() * 4000, undefined, { signal: stop });
      storage.failTables(/\/donotemail\b/);
      await delay(2000 + draw() * 4000, undefined, { signal: stop }).finally(() => storage.failTables(undefined));
    }
  };

  return {
    endless: true,
    before: async () => {
      for (const address of everybody) if (draw() < 0.2) await add(address);
    },
    during: async (stop) => {
      const failing = failures(stop).catch(() => {});
      while (!stop.aborted) {
        const address = pick(everybody);
        if (listed.has(address)) await remove(address);
        else await add(address);
        await delay(200 + draw() * 400, undefined, { signal: stop }).catch(() => {});
      }
      await failing;
      storage.failTables(undefined);
    },
    judge: ({ rows }) => {
      const of = (address: string) => entries.filter((entry) => entry.address === address);
      const violations = claimsOf(rows).filter(({ row, at }) =>
        of(row.delivery.to.address).some(({ from, until }) => at > from + oneLookUp && at < until),
      );
      const suppressed = rows.filter(({ delivery }) => delivery.state === 'suppressed');
      const baseless = suppressed.filter(({ delivery: { to, changedAt } }) => {
        const at = Date.parse(changedAt);
        return !of(to.address).some(({ asked, until }) => at >= asked && at < until + oneLookUp + 5000);
      });
      const nameless = suppressed.filter(({ delivery }) => !delivery.reason.row);
      return {
        facts: {
          'entries of the list at the start and later': entries.length,
          'look-ups and writes of the list refused on purpose': storage.counts()['table refused on purpose'] ?? 0,
        },
        laws: {
          'handed over to somebody on the list': violations.map(({ row }) => findingOf(row, 'handed over')),
          'suppressed without an entry': baseless.map((row) => findingOf(row, 'suppressed')),
          'suppressed without naming the entry': nameless.map((row) => findingOf(row, 'suppressed')),
        },
      };
    },
  };
};
