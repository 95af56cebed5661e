import { odata, type TableClient } from '@azure/data-tables';
import type { Entry } from './entry.ts';
import { type Columns, entryOf, entryPartitions, hex, type Row } from './rows.ts';

export interface Search {
  /** Beginning of the address; case does not matter. */
  prefix?: string | undefined;
  /** Exactly this domain: its whole-domain entry and its addresses. With `prefix`, those that begin so. */
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
 * One page, in the order of the addresses. Each partition is asked for one range of its keys, all at once, and the
 * answers are merged; so a page costs the same number of operations whatever the size of the list. Entries that come
 * and go between two pages neither shift nor repeat others.
 */
export const searchList = async (table: TableClient, { prefix, domain, limit, after }: Search): Promise<Page> => {
  const begin = hex((prefix ?? '').trim().normalize('NFC').toLowerCase());
  const conditions = [
    after === undefined ? odata`RowKey ge ${begin || '0'}` : odata`RowKey gt ${after}`,
    // Hex digits sort before "g", so this ends the keys that begin with the prefix.
    odata`RowKey lt ${`${begin}g`}`,
    ...(domain === undefined ? [] : [odata`domain eq ${domain}`]),
  ].join(' and ');
  const parts = await Promise.all(
    entryPartitions.map((name) => first(table, `${odata`PartitionKey eq ${name}`} and ${conditions}`, limit + 1)),
  );
  const rows = parts.flat().sort((one, other) => (rowKeyOf(one) < rowKeyOf(other) ? -1 : 1));
  const page = rows.slice(0, limit);
  const next = rows.length > page.length ? page.at(-1) : undefined;
  return { entries: page.map(entryOf), ...(next && { next: rowKeyOf(next) }) };
};

/** Every entry, in no order, a thousand an operation: for the export. */
export async function* everyEntry(table: TableClient): AsyncGenerator<Entry> {
  for (const partition of entryPartitions) {
    const filter = `PartitionKey eq '${partition}' and RowKey ge '0'`;
    for await (const row of table.listEntities<Columns>({ queryOptions: { filter } })) yield entryOf(row);
  }
}

/** The first rows of a range. The service gives at most 1,000 at once, and may give fewer than there are. */
async function first(table: TableClient, filter: string, count: number): Promise<Row[]> {
  const rows: Row[] = [];
  const pages = table
    .listEntities<Columns>({ queryOptions: { filter } })
    .byPage({ maxPageSize: Math.min(count, 1000) });
  for await (const page of pages) {
    rows.push(...page);
    if (rows.length >= count) break;
  }
  return rows;
}

const rowKeyOf = (row: Row) => row.rowKey ?? '';
