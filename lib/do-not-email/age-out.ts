import { odata, type TableClient } from '@azure/data-tables';
import { iso } from '../clock.ts';
import { deleteRows } from '../storage/delete-rows.ts';
import { partitions, recentKey } from './rows.ts';

/**
 * Deletes what is kept beside the list and has not changed since `before` (milliseconds), at most about so many rows:
 * the progress of imports, and suggestions that nobody took up. Never an entry of the list.
 * @returns how many went
 */
export const ageOutDoNotEmail =
  (table: TableClient) =>
  async (before: number, most: number): Promise<number> => {
    const time = iso(before);
    const { partitionKey, rowKey } = recentKey;
    return (
      (await deleteRows(table, odata`PartitionKey eq ${partitions.imports} and updated lt ${time}`, most)) +
      (await deleteRows(
        table,
        odata`PartitionKey eq ${partitionKey} and RowKey gt ${rowKey} and time lt ${time}`,
        most,
      ))
    );
  };
