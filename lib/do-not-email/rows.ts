import { createHash } from 'node:crypto';
import type { TableEntityResult, TransactionAction } from '@azure/data-tables';
import { iso } from '../clock.ts';
import { domainOf, type Entry, isDomain, parseScope, type Reason, type Source, scopeText } from './entry.ts';

/**
 * How the table is laid out: one row an entry. No key holds raw outside text, but its bytes in hex.
 *
 * | partition | row | what for |
 * |---|---|---|
 * | `address-0` … `-f` | hex of the address | one address: the gate's point read; lists and prefixes |
 * | `domains` | hex of `@domain`; `!version` changes with each of them | the same for the few whole domains |
 * | `imports` | id of the import | progress |
 * | `suggestions` | hex of the address; `!recent` for the last minutes | what a relay refused, for an admin to decide |
 *
 * Hex keeps the order of the bytes, so a prefix is one range of keys. The digit of a partition is the first of the
 * address's hash: sixteen share the load of the gate and of an import, which still writes a hundred rows in one entity
 * group transaction, and a search asks them all at once. A search by domain reads a column: the service looks through
 * the rows, which takes it moments and no second copy of every row.
 */
export const partitions = {
  domains: 'domains',
  imports: 'imports',
  suggestions: 'suggestions',
} as const;

/** Where all entries are. */
export const entryPartitions: readonly string[] = [
  partitions.domains,
  ...[...'0123456789abcdef'].map((digit) => `address-${digit}`),
];

export interface Key {
  partitionKey: string;
  rowKey: string;
}

/** Sorts before all keys in hex. */
export const versionKey: Key = { partitionKey: partitions.domains, rowKey: '!version' };

/** What the relay refused lately, for all processes. Sorts before all keys in hex. */
export const recentKey: Key = { partitionKey: partitions.suggestions, rowKey: '!recent' };

/** Goes into the transaction that writes a whole-domain entry: without it running processes never hear of the entry. */
export const versionChange = (now: number): TransactionAction => [
  'upsert',
  { ...versionKey, time: iso(now) },
  'Replace',
];

const sha256 = (text: string) => createHash('sha256').update(text, 'utf8').digest('hex');
export const hex = (text: string): string => Buffer.from(text, 'utf8').toString('hex');

/** Where the entry of a canonical address or `@domain` is. */
export const keyOf = (address: string): Key => ({
  partitionKey: isDomain(address) ? partitions.domains : `address-${sha256(address)[0]}`,
  rowKey: fitting(hex(address)),
});

/** Keys of very long addresses end in a hash: a key has at most 1,024 bytes, and goes through the request's address. */
const fitting = (key: string) => (key.length <= 400 ? key : `${key.slice(0, 400)}-${sha256(key)}`);

export interface Columns {
  address: string;
  /** ASCII, lower case. */
  domain: string;
  scope: string;
  reason: string;
  source: string;
  actor: string;
  time: string;
  note: string;
  /** JSON of the entry as it was before its last change; empty where there was none. Undo puts it back. */
  before: string;
}

export type Row = TableEntityResult<Columns>;

export const columnsOf = (entry: Entry, before: Entry | undefined): Columns => ({
  address: entry.address,
  domain: domainOf(entry.address),
  scope: scopeText(entry.scope),
  reason: entry.reason,
  source: entry.source,
  actor: entry.actor,
  time: entry.time,
  note: entry.note,
  before: before ? JSON.stringify(before) : '',
});

/** @throws Error where the row's scope cannot be read: such a row must stop the mail and be seen, not be taken for none. */
export const entryOf = (row: Columns): Entry => {
  const read = parseScope(row.scope);
  if (!('scope' in read)) throw new Error('a row of the Do Not Email list has a scope that cannot be read');
  return {
    address: row.address,
    scope: read.scope,
    reason: row.reason as Reason,
    source: row.source as Source,
    actor: row.actor,
    time: row.time,
    note: row.note,
  };
};

export const beforeOf = (row: Columns): Entry | undefined =>
  row.before === '' ? undefined : (JSON.parse(row.before) as Entry);
