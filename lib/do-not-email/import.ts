import { setTimeout as after } from 'node:timers/promises';
import type { TableClient, TransactionAction } from '@azure/data-tables';
import { type Clock, iso, seconds } from '../clock.ts';
import { ifFound, isConflict, isMissing, isStale } from '../storage/table.ts';
import type { CsvLine } from './csv.ts';
import { domainsKept } from './domains.ts';
import { adds, type Entry, merged } from './entry.ts';
import type { ImportProgress } from './import-progress.ts';
import { type Columns, columnsOf, entryOf, keyOf, partitions, type Row, versionChange } from './rows.ts';

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
const fewRows = 100;
const tries = 10;

/**
 * Adds many entries: partition by partition, in entity group transactions of a hundred, so that 100,000 lines take little
 * more than a thousand operations. What is known stays as it is, or grows; so a part that was cut off is
 * made good by sending the same file again.
 */
export const importEntries =
  ({ table, clock, wait = after, budget = seconds(190) }: ImportParts) =>
  async (request: ImportRequest, progress: ImportProgress): Promise<Imported> => {
    const started = clock.now();
    const time = iso(started);
    const wanted = byPartition(request.lines, (line) => entryFrom(line, request.actor, time));
    const names = [...wanted.keys()].filter((name) => request.after === undefined || name > request.after).sort();
    const total: Imported = { new: 0, known: repeatedLines(request, wanted, names) };
    for (const [i, name] of names.entries()) {
      const count = await addPartition({ table, clock }, name, wanted.get(name) ?? new Map(), request.dryRun);
      total.new += count.new;
      total.known += count.known;
      if (name === partitions.domains && !request.dryRun) await wait(domainsKept);
      await progress.report(total, (i + 1) / names.length);
      if (clock.now() - started > budget && name !== names.at(-1)) return { ...total, next: name };
    }
    return total;
  };

const entryFrom = ({ address, scope, reason, note }: CsvLine, actor: string, time: string): Entry => ({
  ...{ address, scope, reason, source: 'import', actor, time, note },
});

type Wanted = Map<string, Map<string, Entry>>;

/** By partition and row key; an address that comes more than once in the file gets one entry that says all of it. */
function byPartition(lines: readonly CsvLine[], entryOfLine: (line: CsvLine) => Entry): Wanted {
  const wanted: Wanted = new Map();
  for (const line of lines) {
    const { partitionKey, rowKey } = keyOf(line.address);
    const rows = wanted.get(partitionKey) ?? new Map<string, Entry>();
    const before = rows.get(rowKey);
    const entry = entryOfLine(line);
    rows.set(rowKey, before ? merged(before, entry) : entry);
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
  { table, clock }: Pick<ImportParts, 'table' | 'clock'>,
  name: string,
  wanted: Map<string, Entry>,
  dryRun: boolean,
): Promise<{ new: number; known: number }> {
  let isNew: number | undefined;
  for (let attempt = 0; attempt < tries; attempt++) {
    const rows = await rowsOf(table, name, [...wanted.keys()]);
    const actions = [...wanted].flatMap(([rowKey, entry]) => actionFor(entry, rows.get(rowKey)) ?? []);
    // A second attempt finds what the first one wrote; what is new was decided by the first.
    isNew ??= actions.length;
    const count = { new: isNew, known: wanted.size - isNew };
    if (dryRun) return count;
    try {
      await submit(table, actions, name === partitions.domains ? [versionChange(clock.now())] : []);
    } catch (error) {
      if (isConflict(error) || isStale(error) || isMissing(error)) continue;
      throw error;
    }
    return count;
  }
  throw new Error('too many others change the Do Not Email list during this import');
}

/** A list of one, or `undefined` where the entry is known. */
function actionFor(asked: Entry, row: Row | undefined): TransactionAction[] | undefined {
  if (!row) return [['create', { ...keyOf(asked.address), ...columnsOf(asked, undefined) }]];
  const known = entryOf(row);
  const entry = merged(known, asked);
  if (!adds(known, entry)) return undefined;
  return [['update', { ...keyOf(entry.address), ...columnsOf(entry, known) }, 'Replace', { etag: row.etag }]];
}

/** The rows of one partition that are among the wanted: few by point reads, many by one range of keys. */
async function rowsOf(table: TableClient, partition: string, rowKeys: string[]): Promise<Map<string, Row>> {
  const found = new Map<string, Row>();
  const keep = (row: Row | undefined) => row && found.set(row.rowKey ?? '', row);
  if (rowKeys.length <= fewRows) {
    await inTurn(rowKeys, async (rowKey) => keep(await ifFound(table.getEntity<Columns>(partition, rowKey))));
    return found;
  }
  const [first, last] = [rowKeys.reduce(least), rowKeys.reduce(greatest)];
  const filter = `PartitionKey eq '${partition}' and RowKey ge '${first}' and RowKey le '${last}'`;
  const wanted = new Set(rowKeys);
  for await (const row of table.listEntities<Columns>({ queryOptions: { filter } })) {
    if (wanted.has(row.rowKey ?? '')) keep(row);
  }
  return found;
}

const least = (one: string, other: string) => (one < other ? one : other);
const greatest = (one: string, other: string) => (one > other ? one : other);

/** All actions of one partition, a hundred in a transaction; `beside` is in each, alone where there are none. */
async function submit(
  table: TableClient,
  actions: readonly TransactionAction[],
  beside: readonly TransactionAction[],
): Promise<void> {
  const room = perTransaction - beside.length;
  const count = Math.max(Math.ceil(actions.length / room), beside.length);
  const parts = Array.from({ length: count }, (_, i) => [...actions.slice(i * room, (i + 1) * room), ...beside]);
  await inTurn(parts, (part) => table.submitTransaction(part));
}

/** Does all, some at a time. After a failure nothing new begins, and what is under way comes to its end first. */
async function inTurn<T>(items: readonly T[], act: (item: T) => Promise<unknown>): Promise<void> {
  const queue = items.values();
  const worker = async () => {
    try {
      for (const item of queue) await act(item);
    } catch (error) {
      for (const _ of queue);
      throw error;
    }
  };
  const ends = await Promise.allSettled(Array.from({ length: atOnce }, worker));
  const failed = ends.find((end) => end.status === 'rejected');
  if (failed) throw failed.reason;
}
