import type { TableClient, TransactionAction } from '@azure/data-tables';
import { type Clock, iso } from '../clock.ts';
import type { KindClass, Lane } from '../message/kinds.ts';
import { groupCommit } from '../storage/group-commit.ts';
import { isConflict, isMissing } from '../storage/table.ts';
import { carrierOf, type Lanes } from './carrier.ts';
import { classOf, type Delivery, laneOfDelivery } from './delivery.ts';
import { type WaitsFor, waits } from './gates.ts';
import { parseId } from './id.ts';

/**
 * Deliveries set aside until a time or an event. They lie in a table and cost nothing while they wait; a release
 * enqueues their carriers in order, priority first. The carrier goes first and the entry after it, so that a crash
 * between the two doubles a carrier, which the claim sorts out, and never loses a mail. A delivery whose carrier comes
 * to a closed gate again before its old entry is deleted gets a new entry, not the old one that is about to go.
 */
export interface Parking {
  /** Idempotent for one parking of the delivery, which its row tells already. @param until milliseconds; for `time` it decides the order */
  park(delivery: Delivery, waitsFor: WaitsFor, until?: number): Promise<void>;
  /**
   * Releases what may go, in bounded steps.
   * @param room how many deliveries of a class may go now that wait for this; `Infinity` for all
   * @param most carriers at the most in this call
   * @returns how many were released, and whether more may go at once
   */
  release(room: (waitsFor: WaitsFor, kindClass: KindClass) => Promise<number>, most?: number): Promise<Released>;
  /** Counts what waits, up to a thousand each. */
  waiting(): Promise<Record<WaitsFor, Record<KindClass, number>>>;
}

export interface Released {
  released: number;
  more: boolean;
}

interface Entry {
  partitionKey: string;
  rowKey: string;
  id: string;
  attempt: number;
  lane: Lane;
  until: string;
}

const classes = ['priority', 'ordinary'] as const satisfies KindClass[];
const partition = (waitsFor: WaitsFor, kindClass: KindClass) => `${kindClass}-${waitsFor}`;
const sortable = (ms: number) => String(ms).padStart(14, '0');

/** Carriers that are enqueued side by side. */
const abreast = 16;
const transactionSize = 90;

export const parking = (table: TableClient, lanes: Lanes, clock: Clock): Parking => {
  const write = groupCommit(table);

  const releasePart = async (waitsFor: WaitsFor, kindClass: KindClass, room: number): Promise<Released> => {
    const due = waitsFor === 'time' ? ` and RowKey lt '${sortable(clock.now() + 1)}'` : '';
    const filter = `PartitionKey eq '${partition(waitsFor, kindClass)}'${due}`;
    let released = 0;
    while (released < room) {
      const size = Math.min(room - released, transactionSize);
      const { value: entries } = await table
        .listEntities<Entry>({ queryOptions: { filter } })
        .byPage({ maxPageSize: size })
        .next();
      if (!entries?.length) return { released, more: false };
      for (let i = 0; i < entries.length; i += abreast) {
        await Promise.all(
          entries
            .slice(i, i + abreast)
            .map((entry: Entry) => lanes.send(entry.lane, carrierOf(entry.id, entry.attempt))),
        );
      }
      await removeAll(table, entries);
      released += entries.length;
    }
    return { released, more: true };
  };

  return {
    park: async (delivery, waitsFor, until) => {
      const order = waitsFor === 'time' && until !== undefined ? until : (parseId(delivery.messageId)?.at ?? 0);
      const entity: Entry = {
        partitionKey: partition(waitsFor, classOf(delivery)),
        rowKey: `${sortable(order)}-${delivery.id}-${delivery.parkings ?? 0}`,
        id: delivery.id,
        attempt: delivery.attempt + 1,
        lane: laneOfDelivery(delivery),
        until: until === undefined ? '' : iso(until),
      };
      try {
        await write({ entity: { ...entity } });
      } catch (error) {
        if (!isConflict(error)) throw error;
      }
    },

    release: async (room, most = 1000) => {
      let released = 0;
      let more = false;
      for (const kindClass of classes) {
        for (const waitsFor of waits) {
          const mayGo = Math.min(await room(waitsFor, kindClass), most - released);
          if (mayGo <= 0) continue;
          const part = await releasePart(waitsFor, kindClass, mayGo);
          released += part.released;
          more ||= part.more;
        }
      }
      return { released, more: more && released >= most };
    },

    waiting: async () => {
      const count = async (waitsFor: WaitsFor, kindClass: KindClass) => {
        const queryOptions = { filter: `PartitionKey eq '${partition(waitsFor, kindClass)}'`, select: ['rowKey'] };
        const { value } = await table.listEntities({ queryOptions }).byPage({ maxPageSize: 1000 }).next();
        return value?.length ?? 0;
      };
      const rows = await Promise.all(
        waits.map(async (waitsFor) => {
          const [priority, ordinary] = await Promise.all(classes.map((kindClass) => count(waitsFor, kindClass)));
          return [waitsFor, { priority: priority ?? 0, ordinary: ordinary ?? 0 }] as const;
        }),
      );
      return Object.fromEntries(rows) as Record<WaitsFor, Record<KindClass, number>>;
    },
  };
};

const removeAll = async (table: TableClient, entries: Entry[]): Promise<void> => {
  try {
    await table.submitTransaction(
      entries.map(({ partitionKey, rowKey }): TransactionAction => ['delete', { partitionKey, rowKey }]),
    );
  } catch (error) {
    if (!isMissing(error)) throw error;
    // Another instance released some of them at the same time.
    for (const { partitionKey, rowKey } of entries) {
      await table.deleteEntity(partitionKey, rowKey).catch((gone: unknown) => {
        if (!isMissing(gone)) throw gone;
      });
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
