import type { TableClient } from '@azure/data-tables';
import type { Entry } from './entry.ts';
import { byDomainPrefix, type Columns, entryOf, hex, partitions } from './rows.ts';

export interface Search {
  /** Beginning of the address; case does not matter. */
  prefix?: string | undefined;
  /** Exactly this domain: its whole-domain entry first, then its addresses. With `prefix`, those that begin so. */
  domain?: string | undefined;
  /** Most entries of one page. */
  limit: number;
  /** `next` of the page before. */
  after?: string | undefined;
}

export interface Page {
  entries: Entry[];
  /** Where the next page begins; absent on the last. */
  next?: string;
}

/**
 * One page, by address, or by domain and address. One range of keys in one partition, whatever the size of the list.
 * Entries that come and go between two pages neither shift nor repeat others.
 */
export const searchList = async (table: TableClient, search: Search): Promise<Page> => {
  const { partition, prefix } = rangeOf(search);
  // Hex digits sort before "g", so this ends the keys that begin with the prefix.
  const filter =
    `PartitionKey eq '${partition}' and RowKey lt '${prefix}g'` +
    (search.after === undefined ? ` and RowKey ge '${prefix}'` : ` and RowKey gt '${safe(search.after)}'`);
  const entries: Entry[] = [];
  let last = '';
  let more = false;
  for await (const page of table
    .listEntities<Columns>({ queryOptions: { filter } })
    .byPage({ maxPageSize: most(search) })) {
    for (const row of page) {
      if (entries.length === search.limit) more = true;
      else {
        entries.push(entryOf(row));
        last = row.rowKey ?? '';
      }
    }
    if (more || entries.length > search.limit) break;
  }
  return more ? { entries, next: last } : { entries };
};

/** One more than asked for tells whether there is a next page. The service gives at most 1,000 at once. */
const most = ({ limit }: Search) => Math.min(limit + 1, 1000);

function rangeOf({ prefix = '', domain }: Search): { partition: string; prefix: string } {
  const wanted = hex(prefix.trim().normalize('NFC').toLowerCase());
  if (domain === undefined) return { partition: partitions.byAddress, prefix: wanted };
  return { partition: partitions.byDomain, prefix: byDomainPrefix(domain) + wanted };
}

const safe = (cursor: string) => cursor.replace(/[^0-9a-f-]/g, '');
