import { randomBytes } from 'node:crypto';
import type { TableClient } from '@azure/data-tables';
import { alerts } from '../alerts.ts';
import { type Clock, iso, minutes, seconds } from '../clock.ts';
import type { Log } from '../log.ts';
import type { KindClass } from '../message/kinds.ts';
import { changeRow, type Row, tableRow, type Versioned } from '../storage/row.ts';
import { blockOf, isLive, type Lease, newLease, nextBlock, usedOf } from './lease.ts';
import { alertFor, lowered, raised } from './marks.ts';
import { type Refusal, refusalIn, type Taken, tapRefusal, type Unit } from './taken.ts';
import { type Usage, usageOf } from './usage.ts';
import {
  aged,
  allowedSkew,
  ceilingOf,
  countedIn,
  emptyWindow,
  type LimitSettings,
  leased,
  leaseLength,
  settled,
  type Tap,
  type Window,
  windowSchema,
} from './window.ts';

export interface RollingLimit {
  /**
   * Takes one unit for a hand-over that begins now. Units are counted also while no limit is set (`per24Hours` 0): a
   * limit holds for any 24 hours, those before it was switched on included.
   * @throws RestError of the storage: then it is not known whether there is a unit, and the mail must wait.
   */
  take(kindClass: KindClass, limit: LimitSettings): Promise<Taken>;
  /** What `take` would say, and how many units the class has left; counts and stores nothing. One read. */
  look(kindClass: KindClass, limit: LimitSettings): Promise<{ ok: true; left: number } | Refusal>;
  /** The relay refused for its own quota: closes the tap for all instances until `until`, milliseconds since 1970. */
  quotaHit(until: number, reply: string): Promise<void>;
  /** Opens the tap again, e.g. since an admin asks to try now. @returns whether it was closed. */
  openTap(): Promise<boolean>;
  usage(limit: LimitSettings): Promise<Usage>;
  /** Ends this process's leases and returns what it did not use; for a shut-down. */
  close(): Promise<void>;
}

/** Calls once after so many milliseconds and does not keep the process alive for it. */
export type After = (milliseconds: number, run: () => void) => void;

const unrefTimer: After = (milliseconds, run) => {
  setTimeout(run, milliseconds).unref();
};

/** The row of the limit: table `limit`. */
export const windowRow = (table: TableClient): Row<Window> =>
  tableRow(table, { partitionKey: 'limit', rowKey: '24-hours' }, windowSchema);

/** A refusal is answered from memory for so long before the row is read again. */
const refusalKept = seconds(5);

/**
 * The 24-hour limit (law 3). Units are leased in blocks from one shared row, so a mail costs a fraction of a storage
 * operation. Why no span of 24 hours can hold more hand-overs than the limit, with every clock within 30 s of true time:
 * a lease is counted in the bucket of its last possible use, and a bucket leaves only when all of it is older than 24
 * hours by the slowest clock. Of the hand-overs in any such span take the one whose lease was written last: at that
 * write all others were still counted, and the sum was within the limit.
 *
 * A process that dies leaves its block counted, since nobody can know what it used; it leaves with its bucket.
 * @param handOver the longest time from `take` to the relay's last reply, in milliseconds
 */
export const rollingLimit = ({
  row,
  clock,
  log,
  handOver = minutes(2),
  after = unrefTimer,
}: {
  row: Row<Window>;
  clock: Clock;
  log: Log;
  handOver?: number;
  after?: After;
}): RollingLimit => {
  const process = `i${randomBytes(6).toString('base64url')}`;
  let leases = 0;
  let known: (Versioned<Window> & { at: number }) | undefined;
  const current: Partial<Record<KindClass, Lease>> = {};
  const past = new Set<Lease>();
  const waiting: Record<KindClass, number> = { ordinary: 0, priority: 0 };
  const flights: Partial<Record<KindClass, Promise<Refusal | undefined>>> = {};
  let line: Promise<unknown> = Promise.resolve();

  /** One write at a time: a process that races itself only loses. */
  const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
    const turn = line.then(work, work);
    line = turn.catch(() => undefined);
    return turn;
  };

  /** The window as it is now, with what this process knows of its own leases that have ended. */
  const seen = (window: Window | undefined, ended: Iterable<Lease> = past): Window => {
    let view = aged(window ?? emptyWindow, clock.now(), handOver);
    for (const lease of ended) view = settled(view, lease.id, usedOf(lease));
    return view;
  };

  const remember = (found: Versioned<Window> | undefined) => {
    known = found && { ...found, at: clock.now() };
  };

  const readAgain = async () => remember(await row.read());

  /** What is known of the row, read again where it is older than a refusal may be. */
  const fresh = async (): Promise<Window> => {
    if (!known || clock.now() - known.at >= refusalKept) await readAgain();
    return seen(known?.value);
  };

  /** Writes the window that `apply` makes; what has ended is settled in the same write. */
  const change = async <R>(apply: (window: Window) => { window?: Window; result: R }): Promise<R> => {
    const told = new Map<Lease, number>();
    const from = known;
    const changed = changeRow(row, from, (stored) => {
      told.clear();
      for (const lease of past) told.set(lease, usedOf(lease));
      const { window, result } = apply(seen(stored));
      return window ? { value: window, result } : { result };
    });
    const { row: found, wrote, result } = await changed.catch(forgetRow);
    // Without a write the row may be the one from memory, whose age must not be forgotten.
    if (wrote || found !== from) remember(found);
    if (wrote) for (const [lease, counted] of told) lease.counted = counted;
    forget();
    return result;
  };

  const forgetRow = (error: unknown): never => {
    known = undefined;
    throw error;
  };

  const forget = () => {
    for (const lease of past) {
      if (clock.now() > lease.ends + handOver + 2 * allowedSkew) past.delete(lease);
    }
  };

  const end = (lease: Lease) => {
    past.add(lease);
    if (current[lease.kindClass] === lease) delete current[lease.kindClass];
  };

  /** Tells the window of units that came back, once no busy lease does it in passing. */
  const settle = async (): Promise<void> => {
    for (const lease of Object.values(current)) if (clock.now() >= lease.ends) end(lease);
    if ([...past].every((lease) => lease.counted === usedOf(lease))) return forget();
    await change((window) => ({ window, result: undefined }));
  };

  const settleLater = (milliseconds: number) =>
    after(milliseconds, () => {
      inTurn(settle).catch((error: unknown) => log.warn('postern.limit.settle-failed', { error: String(error) }));
    });

  const unitOf = (lease: Lease): Unit => {
    let held = true;
    lease.free -= 1;
    return {
      giveBack: async () => {
        if (!held) return;
        held = false;
        lease.free += 1;
        if (past.has(lease)) settleLater(seconds(5));
      },
    };
  };

  const fromLease = (kindClass: KindClass): Unit | undefined => {
    const lease = current[kindClass];
    return lease && isLive(lease, clock.now()) ? unitOf(lease) : undefined;
  };

  const lease = async (kindClass: KindClass, limit: LimitSettings): Promise<Refusal | undefined> => {
    const last = current[kindClass];
    if (last && isLive(last, clock.now())) return undefined;
    if (last) end(last);
    // A window from memory may refuse only while it is fresh; it may always grant, since the ETag proves it true.
    if (known && refusalIn(seen(known.value), kindClass, limit, clock.now())) {
      const refusal = refusalIn(await fresh(), kindClass, limit, clock.now());
      if (refusal) return refusal;
    }
    const block = nextBlock(last);
    const id = `${process}.${leases++}`;
    let asked = newLease(id, kindClass, 0, clock.now());
    try {
      const { refusal, crossed } = await change<Asked>((window) => {
        const now = clock.now();
        // This very lease may stand there already, where a write's answer was lost.
        const before = lowered(settled(window, id, 0), limit);
        const refusal = refusalIn(before, kindClass, limit, clock.now());
        if (refusal) return { result: { refusal, crossed: [] } };
        const left = ceilingOf(kindClass, limit) - countedIn(before);
        const units = blockOf({ block, waiting: waiting[kindClass], left });
        asked = newLease(id, kindClass, units, now);
        const after = raised(leased(before, { id, kindClass, units, now, handOver }), limit);
        return { window: after.window, result: { refusal: undefined, crossed: after.crossed } };
      });
      for (const mark of crossed) {
        const { name, stops } = alertFor(mark);
        log.alert(name, { limit: limit.per24Hours, reserve: limit.priorityReserve, stops });
      }
      if (refusal) return refusal;
    } catch (error) {
      // Perhaps written, never used: if the window knows the lease, all of it is returned.
      end(asked);
      settleLater(leaseLength);
      throw error;
    }
    current[kindClass] = asked;
    settleLater(leaseLength + seconds(1));
    return undefined;
  };

  const leaseOnce = (kindClass: KindClass, limit: LimitSettings): Promise<Refusal | undefined> => {
    flights[kindClass] ??= inTurn(() => lease(kindClass, limit)).finally(() => {
      delete flights[kindClass];
    });
    return flights[kindClass];
  };

  const take = async (kindClass: KindClass, limit: LimitSettings): Promise<Taken> => {
    if (known?.value.tap && known.value.tap.until > clock.now()) {
      const { tap } = await inTurn(fresh);
      if (tap) return tapRefusal(tap);
    }
    for (;;) {
      const unit = fromLease(kindClass);
      if (unit) return { ok: true, unit };
      waiting[kindClass] += 1;
      const refusal = await leaseOnce(kindClass, limit).finally(() => {
        waiting[kindClass] -= 1;
      });
      if (!refusal) continue;
      const spare = kindClass === 'priority' && refusal.reason === 'limit' ? fromLease('ordinary') : undefined;
      return spare ? { ok: true, unit: spare } : refusal;
    }
  };

  return {
    take,

    look: async (kindClass, limit) => {
      const window = await readWithOwn();
      const refusal = refusalIn(window, kindClass, limit, clock.now());
      if (refusal) return refusal;
      return { ok: true, left: ceilingOf(kindClass, limit) - countedIn(window) };
    },

    quotaHit: async (until, reply) => {
      const closed = await inTurn(async () => {
        await readAgain();
        return change((window) => {
          // Mails that were on their way report the same quota moments later.
          if (window.tap && window.tap.until >= until - minutes(5)) return { result: false };
          const tap: Tap = { since: window.tap?.since ?? clock.now(), until: Math.round(until), reply };
          return { window: { ...window, tap }, result: window.tap === undefined };
        });
      });
      if (closed) log.alert(alerts.limitReached, { stops: 'all mail', by: 'relay', until: iso(until), reply });
    },

    openTap: () =>
      inTurn(async () => {
        await readAgain();
        return change((window) => {
          if (!window.tap) return { result: false };
          const { tap: _, ...open } = window;
          return { window: open, result: true };
        });
      }),

    usage: async (limit) => usageOf(await readWithOwn(), limit, clock.now(), handOver),

    close: () =>
      inTurn(async () => {
        for (const lease of Object.values(current)) end(lease);
        await settle();
      }),
  };

  /** The row as it is, with this process's free units not counted: what it shows after a mail is that mail. */
  async function readWithOwn(): Promise<Window> {
    const found = await row.read();
    return seen(found?.value, [...past, ...Object.values(current)]);
  }
};

interface Asked {
  refusal: Refusal | undefined;
  crossed: Window['marks'];
}
