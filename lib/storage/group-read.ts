import { odata, type TableClient, type TableEntityResult } from '@azure/data-tables';
import { ifFound } from './table.ts';

export interface Key {
  partitionKey: string;
  rowKey: string;
}

/**
 * Point reads, of which those that are asked for while an earlier one of their partition is under way are joined into
 * one query, as `groupCommit` joins writes: no read waits for company. A query over several row keys walks through what
 * lies between them, so only neighbours are joined.
 * @param near whether two row keys have little between them
 * @returns the row, `undefined` where there is none. @throws RestError of the storage
 */
export const groupRead = <T extends object>(
  table: TableClient,
  near: (rowKey: string, other: string) => boolean,
): ((key: Key) => Promise<TableEntityResult<T> | undefined>) => {
  interface Pending {
    key: Key;
    resolve: (row: TableEntityResult<T> | undefined) => void;
    reject: (error: unknown) => void;
  }
  const busy = new Map<string, Pending[]>();

  const single = ({ partitionKey, rowKey }: Key) => ifFound(table.getEntity<T>(partitionKey, rowKey));

  const settleSingly = (pending: Pending[]) =>
    Promise.all(pending.map(({ key, resolve, reject }) => single(key).then(resolve, reject)));

  const fetch = async (pending: Pending[]): Promise<void> => {
    const [first] = pending;
    if (!first || pending.length === 1) return void (await settleSingly(pending));
    const rowKeys = pending.map(({ key }) => key.rowKey).toSorted();
    const filter = [
      odata`PartitionKey eq ${first.key.partitionKey}`,
      odata`RowKey ge ${rowKeys[0]}`,
      odata`RowKey le ${rowKeys.at(-1)}`,
      `(${rowKeys.map((rowKey) => odata`RowKey eq ${rowKey}`).join(' or ')})`,
    ].join(' and ');
    const found = new Map<string, TableEntityResult<T>>();
    try {
      for await (const row of table.listEntities<T & Key>({ queryOptions: { filter } })) found.set(row.rowKey, row);
    } catch {
      // Whatever it was, each read now gets its own answer.
      return void (await settleSingly(pending));
    }
    for (const { key, resolve } of pending) resolve(found.get(key.rowKey));
  };

  const run = async (partition: string): Promise<void> => {
    for (let next = busy.get(partition) ?? []; next.length > 0; next = busy.get(partition) ?? []) {
      const [first] = next;
      const joined = next.filter(({ key }) => near(key.rowKey, first?.key.rowKey ?? '')).slice(0, mostJoined);
      busy.set(
        partition,
        next.filter((it) => !joined.includes(it)),
      );
      await fetch(joined);
    }
    busy.delete(partition);
  };

  return (key) =>
    new Promise((resolve, reject) => {
      const pending = busy.get(key.partitionKey);
      if (pending) {
        pending.push({ key, resolve, reject });
        return;
      }
      busy.set(key.partitionKey, [{ key, resolve, reject }]);
      void run(key.partitionKey);
    });
};

/** A filter holds at most 15 comparisons, of which three say where to look (learn.microsoft.com, "Query timeout and pagination"). */
const mostJoined = 12;
