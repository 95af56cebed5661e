import type { TableClient } from '@azure/data-tables';

interface Keys {
  partitionKey: string;
  rowKey: string;
}

/**
 * Deletes what a filter finds, a page in one transaction of each partition, until at least `most` rows are gone. For rows
 * that nobody changes any more: no ETag is looked at.
 * @returns how many went
 */
export const deleteRows = async (table: TableClient, filter: string, most: number): Promise<number> => {
  const queryOptions = { filter, select: ['partitionKey', 'rowKey'] };
  let done = 0;
  // A page may be empty and still not the last: the service ends one at a border between its partitions.
  for await (const rows of table.listEntities<Keys>({ queryOptions }).byPage({ maxPageSize: 90 })) {
    for (const part of Map.groupBy(rows, ({ partitionKey }) => partitionKey).values()) {
      await table.submitTransaction(part.map(({ partitionKey, rowKey }) => ['delete', { partitionKey, rowKey }]));
    }
    done += rows.length;
    if (done >= most) break;
  }
  return done;
};
