import type { TableClient } from '@azure/data-tables';
import { type Clock, seconds } from '../clock.ts';
import { ifFound } from '../storage/table.ts';
import { domainOf, type Entry } from './entry.ts';
import { type Columns, entryOf, partitions, versionKey } from './rows.ts';

/**
 * How long a process goes on with the whole-domain entries that it has read. Whoever adds one waits this long before
 * the addition is reported as done, so from then on no process works with an older list (law 2), and yet a mail costs
 * no second look-up. Only lengths of time are compared, never two machines' clocks.
 */
export const domainsKept = seconds(3);

export interface DomainEntries {
  /** @throws RestError where the list cannot be read and the last reading is too old. */
  covering(address: string): Promise<Entry | undefined>;
  forget(): void;
}

/** One point read every `domainsKept` while mail flows; the entries themselves are read only after a change. */
export const domainEntries = ({ table, clock }: { table: TableClient; clock: Clock }): DomainEntries => {
  let known: { entries: Map<string, Entry>; version: string; at: number } | undefined;
  let reading: Promise<Map<string, Entry>> | undefined;
  let forgotten = 0;

  const read = async (): Promise<Map<string, Entry>> => {
    const at = clock.now();
    const since = forgotten;
    // The version is read first: a change between the two reads makes the next reading look again.
    const version = await ifFound(table.getEntity(versionKey.partitionKey, versionKey.rowKey));
    const tag = version?.etag ?? '';
    const entries = known?.version === tag ? known.entries : await list(table);
    if (since === forgotten) known = { entries, version: tag, at };
    return entries;
  };

  const fresh = () => {
    const age = known ? clock.now() - known.at : Number.NaN;
    return age >= 0 && age < domainsKept ? known?.entries : undefined;
  };

  const entries = async () => {
    const now = fresh();
    if (now) return now;
    reading ??= read().finally(() => {
      reading = undefined;
    });
    return reading;
  };

  return {
    covering: async (address) => (await entries()).get(domainOf(address)),
    forget: () => {
      forgotten += 1;
      known = undefined;
      reading = undefined;
    },
  };
};

async function list(table: TableClient): Promise<Map<string, Entry>> {
  const found = new Map<string, Entry>();
  const filter = `PartitionKey eq '${partitions.domains}' and RowKey gt '${versionKey.rowKey}'`;
  for await (const row of table.listEntities<Columns>({ queryOptions: { filter } })) {
    found.set(domainOf(row.address), entryOf(row));
  }
  return found;
}
