import { setTimeout as after } from 'node:timers/promises';
import type { TableClient, TransactionAction } from '@azure/data-tables';
import { type Clock, iso, seconds } from '../clock.ts';
import { isConflict, isMissing, isStale } from '../storage/table.ts';
import type { CsvLine } from './csv.ts';
import { domainsKept } from './domains.ts';
import { adds, type Entry, merged, union } from './entry.ts';
import type { ImportProgress } from './import-progress.ts';
import { type Columns, columnsOf, entryOf, partitions, type Row, truthKey, versionKey, viewKeys } from './rows.ts';
import { columns } from './views.ts';

export interface ImportRequest {
  lines: readonly CsvLine[];
  actor: string;
  /** Reads and counts, writes nothing. */
  dryRun: boolean;
  /** `next` of an earlier part of the same file. */
  after?: string | undefined;
}

export interface Imported {
  /** Addresses that the list did not cover so far; an entry that grows counts here too. */
  new: number;
  known: number;
  /** Where to go on; absent where all is done. */
  next?: string;
}

export interface ImportParts {
  table: TableClient;
  clock: Clock;
  /** See `ListParts`. */
  wait?: (milliseconds: number) => Promise<unknown>;
  /** Milliseconds after which a part ends. Azure's front end cuts a request off after 230 s. */
  budget?: number;
}

const atOnce = 8;
const perTransaction = 100;
const tries = 10;

/**
 * Adds many entries: look-up partition by look-up partition, one read and a few entity group transactions each, so that
 * 100,000 lines take a few thousand operations. What is known stays as it is, or grows; so a part that was cut off is
 * made good by sending the same file again.
 */
export const importEntries =
  ({ table, clock, wait = after, budget = seconds(150) }: ImportParts) =>
  async (request: ImportRequest, progress: ImportProgress): Promise<Imported> => {
    const started = clock.now();
    const time = iso(started);
    const wanted = byPartition(request.lines, (line) => entryFrom(line, request.actor, time));
    const names = [...wanted.keys()].filter((name) => request.after === undefined || name > request.after).sort();
    const total: Imported = { new: 0, known: repeatedLines(request, wanted, names) };
    for (let i = 0; i < names.length; i += atOnce) {
      const window = names.slice(i, i + atOnce);
      const counts = await Promise.all(
        window.map((name) => addPartition(table, name, wanted.get(name) ?? new Map(), request.dryRun)),
      );
      for (const count of counts) {
        total.new += count.new;
        total.known += count.known;
      }
      await progress.report(total, (i + window.length) / names.length);
      if (window.includes(partitions.domains) && !request.dryRun) {
        await table.upsertEntity({ ...versionKey, time: iso(clock.now()) }, 'Replace');
        await wait(domainsKept);
      }
      const last = window.at(-1);
      if (clock.now() - started > budget && last !== names.at(-1) && last !== undefined)
        return { ...total, next: last };
    }
    return total;
  };

const entryFrom = ({ address, scope, note }: CsvLine, actor: string, time: string): Entry => ({
  ...{ address, scope, reason: 'imported', source: 'import', actor, time, note },
});

type Wanted = Map<string, Map<string, Entry>>;

/** By partition and row key; an address that comes more than once in the file gets the scopes of all its lines. */
function byPartition(lines: readonly CsvLine[], entryOfLine: (line: CsvLine) => Entry): Wanted {
  const wanted: Wanted = new Map();
  for (const line of lines) {
    const { partitionKey, rowKey } = truthKey(line.address);
    const rows = wanted.get(partitionKey) ?? new Map<string, Entry>();
    const before = rows.get(rowKey);
    const entry = entryOfLine(line);
    rows.set(rowKey, before ? { ...before, scope: union(before.scope, entry.scope) } : entry);
    wanted.set(partitionKey, rows);
  }
  return wanted;
}

/** Lines that say again what another line of the file says; counted with the first part. */
function repeatedLines(request: ImportRequest, wanted: Wanted, names: string[]): number {
  if (request.after !== undefined) return 0;
  return request.lines.length - names.reduce((sum, name) => sum + (wanted.get(name)?.size ?? 0), 0);
}

async function addPartition(
  table: TableClient,
  name: string,
  wanted: Map<string, Entry>,
  dryRun: boolean,
): Promise<{ new: number; known: number }> {
  let isNew: number | undefined;
  for (let attempt = 0; attempt < tries; attempt++) {
    const rows = await rowsOf(table, name, [...wanted.keys()]);
    const planned = [...wanted].map(([rowKey, entry]) => planOf(entry, rows.get(rowKey)));
    // A second attempt finds what the first one wrote; what is new was decided by the first.
    isNew ??= planned.filter(({ action }) => action).length;
    const count = { new: isNew, known: wanted.size - isNew };
    if (dryRun) return count;
    try {
      await submit(
        table,
        planned.flatMap(({ action }) => action ?? []),
      );
    } catch (error) {
      if (isConflict(error) || isStale(error) || isMissing(error)) continue;
      throw error;
    }
    await Promise.all(
      [0, 1].map((view) =>
        submit(
          table,
          planned.map(({ shown }): TransactionAction => ['upsert', viewOf(shown, view), 'Replace']),
        ),
      ),
    );
    return count;
  }
  throw new Error('too many others change the Do Not Email list during this import');
}

interface Plan {
  /** A list of one, or nothing where the entry is known. */
  action?: TransactionAction[];
  /** What the views show. Written for known entries too, which mends what a crash left. */
  shown: Columns;
}

function planOf(asked: Entry, row: Row | undefined): Plan {
  if (!row) {
    const shown = columnsOf(asked, undefined);
    return { action: [['create', { ...truthKey(asked.address), ...shown }]], shown };
  }
  const known = entryOf(row);
  const entry = merged(known, asked);
  if (!adds(known, entry)) return { shown: row };
  const shown = columnsOf(entry, known);
  return { action: [['update', { ...truthKey(entry.address), ...shown }, 'Replace', { etag: row.etag }]], shown };
}

const viewOf = (shown: Columns, view: number) => ({
  ...columns(shown),
  ...(viewKeys(shown.address)[view] ?? { partitionKey: '', rowKey: '' }),
});

/** The rows of one partition that may be among the wanted: one range of keys. */
async function rowsOf(table: TableClient, partition: string, rowKeys: string[]): Promise<Map<string, Row>> {
  const found = new Map<string, Row>();
  const [first, last] = [rowKeys.reduce(least), rowKeys.reduce(greatest)];
  const filter = `PartitionKey eq '${partition}' and RowKey ge '${first}' and RowKey le '${last}'`;
  for await (const row of table.listEntities<Columns>({ queryOptions: { filter } })) found.set(row.rowKey ?? '', row);
  return found;
}

const least = (one: string, other: string) => (one < other ? one : other);
const greatest = (one: string, other: string) => (one > other ? one : other);

async function submit(table: TableClient, actions: TransactionAction[]): Promise<void> {
  for (let i = 0; i < actions.length; i += perTransaction) {
    await table.submitTransaction(actions.slice(i, i + perTransaction));
  }
}
