import type { TableClient } from '@azure/data-tables';
import { ifFound } from '../storage/table.ts';
import { type Columns, type Row, viewKeys } from './rows.ts';

/**
 * Makes the copies that lists and searches read equal to the truth, or removes them where there is none. Who wrote last
 * looks once more: had the truth changed meanwhile, it copies again, so that two writers at once leave the newer copy.
 * A crash before the end is mended by the next change of the same entry, and only what admins see is stale till then.
 */
export const bringViewsUpToDate = async (
  table: TableClient,
  address: string,
  read: (address: string) => Promise<Row | undefined>,
): Promise<void> => {
  let truth = await read(address);
  for (;;) {
    const copied = truth;
    await Promise.all(viewKeys(address).map((key) => copy(table, key, copied)));
    truth = await read(address);
    if (truth?.etag === copied?.etag) return;
  }
};

const copy = (table: TableClient, key: { partitionKey: string; rowKey: string }, truth: Row | undefined) =>
  truth
    ? table.upsertEntity({ ...columns(truth), ...key }, 'Replace')
    : ifFound(table.deleteEntity(key.partitionKey, key.rowKey));

/** What a view shows; how an entry was before is kept with the truth only. */
export const columns = ({ address, scope, reason, source, actor, time, note }: Columns) => ({
  address,
  scope,
  reason,
  source,
  actor,
  time,
  note,
});
