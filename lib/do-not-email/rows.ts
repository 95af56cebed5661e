import { createHash } from 'node:crypto';
import type { TableEntityResult } from '@azure/data-tables';
import { domainOf, type Entry, isDomain, parseScope, type Reason, type Source, scopeText } from './entry.ts';

/**
 * How the table is laid out. No key holds raw outside text: a look-up key is a hash, a view key is hex.
 *
 * | partition | row | what for |
 * |---|---|---|
 * | `x00` … `xff`, the hash's first byte | SHA-256 of the address | the truth about one address: one point read |
 * | `domains` | SHA-256 of `@domain`; `!version` changes with each of them | the short list of whole domains |
 * | `by-address` | hex of the address | copy, for pages and prefix search |
 * | `by-domain` | hex of the domain, `40`, hex of the local part | copy, for search by domain |
 * | `imports` | id of the import | progress |
 * | `suggestions` | SHA-256 of the address | what a relay refused, for an admin to decide |
 *
 * 256 look-up partitions spread the load of the gate, and still let an import of 100,000 lines write a hundred rows in
 * one entity group transaction. Hex keeps the order of the bytes, so a prefix is one range of keys.
 */
export const partitions = {
  domains: 'domains',
  byAddress: 'by-address',
  byDomain: 'by-domain',
  imports: 'imports',
  suggestions: 'suggestions',
} as const;

export interface Key {
  partitionKey: string;
  rowKey: string;
}

export const versionKey: Key = { partitionKey: partitions.domains, rowKey: '!version' };

const sha256 = (text: string) => createHash('sha256').update(text, 'utf8').digest('hex');
export const hex = (text: string): string => Buffer.from(text, 'utf8').toString('hex');
const at = hex('@');

/** Where the truth about a canonical address or `@domain` is. */
export const truthKey = (address: string): Key => {
  const hash = sha256(address);
  return { partitionKey: isDomain(address) ? partitions.domains : `x${hash.slice(0, 2)}`, rowKey: hash };
};

/** Where its copies for listing and searching are. */
export const viewKeys = (address: string): readonly Key[] => [
  { partitionKey: partitions.byAddress, rowKey: fitting(hex(address)) },
  { partitionKey: partitions.byDomain, rowKey: fitting(byDomainPrefix(domainOf(address)) + hex(localOf(address))) },
];

export const byDomainPrefix = (domain: string): string => hex(domain) + at;

/** Keys of very long addresses end in a hash: a key has at most 1,024 bytes, and goes through the request's address. */
const fitting = (key: string) => (key.length <= 400 ? key : `${key.slice(0, 400)}-${sha256(key)}`);

const localOf = (address: string) => address.slice(0, address.lastIndexOf('@'));

export interface Columns {
  address: string;
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
