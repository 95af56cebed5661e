import type { TableClient, TransactionAction } from '@azure/data-tables';
import { type Clock, iso } from '../clock.ts';
import type { KindClass, Lane } from '../message/kinds.ts';
import { beforeMail } from '../relay/outcome.ts';
import { stateKept } from '../relay/state.ts';
import { inSteps } from '../steps.ts';
import { groupCommit } from '../storage/group-commit.ts';
import { ifFound, isConflict, isMissing } from '../storage/table.ts';
import { convoyOf, type Lanes, mostInConvoy } from './carrier.ts';
import { classOf, type Delivery, laneOfDelivery } from './delivery.ts';
import { type WaitsFor, waits } from './gates.ts';
import { parseId } from './id.ts';

/**
 * Deliveries set aside until a time or an event. They lie in a table and cost nothing while they wait; a release
 * enqueues them in the order of their acceptance, whatever they waited for. The carrier goes first and the entry after
 * it, so that a crash between the two doubles a carrier, which the claim sorts out, and never loses a mail. A delivery
 * whose carrier comes to a closed gate again before its old entry is deleted gets a new entry, not the old one that is
 * about to go.
 */
export interface Parking {
  /** Idempotent for one parking of the delivery, which its row tells already. @param until milliseconds; for `time` it decides the order */
  park(delivery: Delivery, waitsFor: WaitsFor, until?: number): Promise<void>;
  /**
   * Releases the longest waiting mails of a class, without those whose time has not come.
   * @param spacing milliseconds from one mail to the next, where the relay wants its mails spaced
   * @returns how many there were, fewer than `most` where no more wait
   */
  release(kindClass: KindClass, most: number, spacing?: Spacing): Promise<number>;
  /** Takes away the entry of a delivery that waits no longer, so that it uses up nobody's room. @param delivery as its row says while it is parked */
  leave(delivery: Delivery): Promise<void>;
  /** Releases the mails that nobody needs any more, so that their rows say so. @returns how many */
  releaseExpired(): Promise<number>;
  /** Counts what waits, up to some thousands of each class. */
  waiting(): Promise<Record<WaitsFor, Record<KindClass, number>>>;
}

export interface Spacing {
  /** Milliseconds between two mails. */
  apart: number;
  /** How many may come at once and wait for their turn where they are handed over. */
  together: number;
}

interface Entry {
  partitionKey: string;
  rowKey: string;
  id: string;
  attempt: number;
  lane: Lane;
  waitsFor: WaitsFor;
  until: string;
  expires: string;
}

export const classes = ['priority', 'ordinary'] as const satisfies KindClass[];

/** A class waits in two lines: those who wait for an event, by acceptance, and those who wait for a time, by that time. */
const lines = ['event', 'time'] as const;
const partition = (kindClass: KindClass, line: (typeof lines)[number]) => `${kindClass}-${line}`;
const sortable = (ms: number) => String(ms).padStart(14, '0');

/** Entries in one transaction. */
const transactionSize = 90;
const mostCounted = 5000;

/** Other processes remember for so long that a gate is closed; a mail that met one of them would be parked again. */
const headStart = stateKept;

export const parking = (table: TableClient, lanes: Lanes, clock: Clock): Parking => {
  const write = groupCommit(table);

  const firstOf = async (filter: string, size: number): Promise<Entry[]> => {
    const { value } = await table
      .listEntities<Entry>({ queryOptions: { filter } })
      .byPage({ maxPageSize: size })
      .next();
    return value ?? [];
  };

  /** The next in both lines: one whose time has come queues like one that was accepted then. */
  const nextIn = async (kindClass: KindClass, size: number): Promise<Entry[]> => {
    const due = `RowKey lt '${sortable(clock.now() + 1)}'`;
    const both = await Promise.all([
      firstOf(`PartitionKey eq '${partition(kindClass, 'event')}'`, size),
      firstOf(`PartitionKey eq '${partition(kindClass, 'time')}' and ${due}`, size),
    ]);
    const merged = both.flat().sort((a, b) => (a.rowKey < b.rowKey ? -1 : 1));
    return merged.slice(0, size);
  };

  const letGo = async (entries: Entry[], before: number, { apart, together }: Spacing): Promise<void> => {
    const size = Math.min(together, mostInConvoy);
    const convoys = Array.from({ length: Math.ceil(entries.length / size) }, (_, i) =>
      entries.slice(i * size, (i + 1) * size),
    );
    await inSteps(convoys, (convoy, i) => {
      const wait = headStart + (before + i * size) * apart;
      return lanes.send((convoy[0] as Entry).lane, convoyOf(convoy), wait / 1000);
    });
    await removeAll(table, entries);
  };

  return {
    leave: async (delivery) => {
      const { partitionKey, rowKey } = placeOf(delivery);
      await ifFound(table.deleteEntity(partitionKey, rowKey));
    },

    park: async (delivery, waitsFor, until) => {
      const entity: Entry = {
        ...placeOf(delivery),
        id: delivery.id,
        attempt: delivery.attempt + 1,
        lane: laneOfDelivery(delivery),
        waitsFor,
        until: until === undefined ? '' : iso(until),
        expires: delivery.expiresAt,
      };
      try {
        await write({ entity: { ...entity } });
      } catch (error) {
        if (!isConflict(error)) throw error;
      }
    },

    release: async (kindClass, most, spacing = { apart: 0, together: mostInConvoy }) => {
      let released = 0;
      while (released < most) {
        const entries = await nextIn(kindClass, Math.min(most - released, transactionSize));
        if (entries.length === 0) break;
        await letGo(entries, released, spacing);
        released += entries.length;
      }
      return released;
    },

    releaseExpired: async () => {
      let released = 0;
      for (const partitionKey of classes.flatMap((kindClass) => lines.map((line) => partition(kindClass, line)))) {
        const filter = `PartitionKey eq '${partitionKey}' and expires le '${iso(clock.now())}'`;
        const pages = table.listEntities<Entry>({ queryOptions: { filter } }).byPage({ maxPageSize: transactionSize });
        for await (const entries of pages) {
          if (entries.length > 0) await letGo(entries, 0, { apart: 0, together: mostInConvoy });
          released += entries.length;
        }
      }
      return released;
    },

    waiting: async () => {
      const counts = Object.fromEntries(waits.map((it) => [it, { priority: 0, ordinary: 0 }])) as Record<
        WaitsFor,
        Record<KindClass, number>
      >;
      const count = async (kindClass: KindClass, line: (typeof lines)[number]) => {
        const queryOptions = { filter: `PartitionKey eq '${partition(kindClass, line)}'`, select: ['waitsFor'] };
        let seen = 0;
        for await (const page of table.listEntities<Entry>({ queryOptions }).byPage({ maxPageSize: 1000 })) {
          for (const { waitsFor } of page) counts[waitsFor][kindClass] += 1;
          seen += page.length;
          if (seen >= mostCounted) return;
        }
      };
      await Promise.all(classes.flatMap((kindClass) => lines.map((line) => count(kindClass, line))));
      return counts;
    },
  };
};

/**
 * Where a parked delivery waits, as its row tells: by acceptance, or by its time. One whose connection broke after the
 * relay had heard of it waits behind all others: if it is this very mail that breaks it, another one shall be the probe.
 */
const placeOf = (delivery: Delivery): { partitionKey: string; rowKey: string } => {
  const timed = delivery.waitsFor === 'time' && delivery.due !== undefined;
  const last = delivery.attempts.at(-1);
  const broke = last?.class === 'connection' && last.phase !== undefined && !beforeMail.has(last.phase);
  const accepted = parseId(delivery.messageId)?.at ?? 0;
  const order = timed ? Date.parse(delivery.due ?? '') : broke ? Date.parse(delivery.changedAt) : accepted;
  return {
    partitionKey: partition(classOf(delivery), timed ? 'time' : 'event'),
    rowKey: `${sortable(order)}-${delivery.id}-${delivery.parkings ?? 0}`,
  };
};

const removeAll = async (table: TableClient, entries: readonly Entry[]): Promise<void> => {
  for (const part of Map.groupBy(entries, ({ partitionKey }) => partitionKey).values()) {
    try {
      await table.submitTransaction(
        part.map(({ partitionKey, rowKey }): TransactionAction => ['delete', { partitionKey, rowKey }]),
      );
    } catch (error) {
      if (!isMissing(error)) throw error;
      // Another instance released some of them at the same time.
      for (const { partitionKey, rowKey } of part) {
        await table.deleteEntity(partitionKey, rowKey).catch((gone: unknown) => {
          if (!isMissing(gone)) throw gone;
        });
      }
    }
  }
};

/** How many mails wait, by what for and class, in one flat list: `relay.priority`. */
export const waitingIn = async (parked: Pick<Parking, 'waiting'>): Promise<Record<string, number>> => {
  const counts = await parked.waiting();
  return Object.fromEntries(
    Object.entries(counts).flatMap(([waitsFor, { priority, ordinary }]) => [
      [`${waitsFor}.priority`, priority],
      [`${waitsFor}.ordinary`, ordinary],
    ]),
  );
};
