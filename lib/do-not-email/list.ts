import { setTimeout as after } from 'node:timers/promises';
import type { TableClient, TransactionAction } from '@azure/data-tables';
import { type Clock, iso } from '../clock.ts';
import { PosternError } from '../errors.ts';
import { canonicalAddress } from '../message/address.ts';
import type { Kind } from '../message/kinds.ts';
import { ifFound, isConflict, isMissing, isStale } from '../storage/table.ts';
import { domainEntries, domainsKept } from './domains.ts';
import { adds, covers, type Entry, isDomain, merged, type Request } from './entry.ts';
import { beforeOf, type Columns, columnsOf, entryOf, keyOf, type Row, versionChange } from './rows.ts';
import { everyEntry, type Page, type Search, searchList } from './search.ts';

export interface Added {
  entry: Entry;
  /** `known`: the list covered it already, nothing was written. `widened`: an entry grew or became a complaint. */
  change: 'added' | 'widened' | 'known';
}

export interface DoNotEmailList {
  /**
   * The entry that stops mail of `kind` to `address`, the strictest where the address and its domain both have one.
   * One point read; whole domains are known from a reading at most `domainsKept` old.
   * @throws RestError where storage does not answer. The gate then makes the mail wait, it never lets it pass (law 2).
   */
  find(address: string, kind: Kind): Promise<Entry | undefined>;
  /** The entry of exactly this address or `@domain`, read now. */
  get(address: string): Promise<Entry | undefined>;
  /**
   * Idempotent. Returns when the entry is in force in every process; for a whole domain that takes `domainsKept`.
   * @param before runs once before the first write, not where nothing is to be written; where it rejects nothing is
   */
  add(request: Request, before?: (planned: Added) => Promise<void>): Promise<Added>;
  /** @param before as with `add`. @returns what was removed, or `undefined` where there was nothing. */
  remove(address: string, before?: (planned: Entry) => Promise<void>): Promise<Entry | undefined>;
  /**
   * Takes back what was done at `time` for this reason, as long as nobody changed the entry since.
   * @returns `gone` where there is no entry any more, `changed` where it is another one by now.
   */
  undo(address: string, time: string, reason: 'unsubscribed' | 'bounced'): Promise<'undone' | 'gone' | 'changed'>;
  search(search: Search): Promise<Page>;
  /** Every entry, in no order. */
  all(): AsyncIterable<Entry>;
}

export interface ListParts {
  table: TableClient;
  clock: Clock;
  /** Waits milliseconds, for whole-domain entries to be in force everywhere. */
  wait?: (milliseconds: number) => Promise<unknown>;
}

const tries = 10;

export const doNotEmailList = ({ table, clock, wait = after }: ListParts): DoNotEmailList => {
  const domains = domainEntries({ table, clock });

  const read = (address: string): Promise<Row | undefined> => {
    const { partitionKey, rowKey } = keyOf(address);
    return ifFound(table.getEntity<Columns>(partitionKey, rowKey));
  };

  /**
   * Other processes look at the version of the whole domains, so it changes in one transaction with the entry: an entry
   * without it would never be heard of. It changes after one that is known or gone too.
   */
  const commit = async (address: string, { put, remove }: Pick<Decision<unknown>, 'put' | 'remove'>): Promise<void> => {
    if (remove) await table.deleteEntity(remove.partitionKey ?? '', remove.rowKey ?? '', { etag: remove.etag });
    const actions = [...(put ? [put] : []), ...(isDomain(address) ? [versionChange(clock.now())] : [])];
    if (actions.length > 0) await table.submitTransaction(actions);
    if (isDomain(address)) domains.forget();
  };

  /**
   * Reads, decides, writes; again where somebody else wrote in between. The client repeats a write whose answer was lost
   * and may then meet its own: what stands there is what was wanted, and so done.
   */
  const change = async <T>(
    address: string,
    decide: (row: Row | undefined) => Decision<T>,
    before?: (planned: T) => Promise<void>,
  ): Promise<T> => {
    let tried: Decision<T> | undefined;
    for (let attempt = 0; attempt < tries; attempt++) {
      const row = await read(address);
      if (tried && stands(tried, row)) {
        await commit(address, {});
        return tried.result;
      }
      const decided = decide(row);
      if (!tried && (decided.put || decided.remove)) await before?.(decided.result);
      try {
        await commit(address, decided);
      } catch (error) {
        if (!isConflict(error) && !isStale(error) && !isMissing(error)) throw error;
        if (decided.put || decided.remove) tried = decided;
        continue;
      }
      return decided.result;
    }
    throw new PosternError('unavailable', 'Too many others change this entry of the Do Not Email list. Try again.');
  };

  return {
    find: async (address, kind) => {
      const canonical = canonicalAddress(address);
      const [own, domain] = await Promise.all([read(canonical), domains.covering(canonical)]);
      const stopping = [own && entryOf(own), domain].filter((entry) => entry && covers(entry.scope, kind));
      return stopping.find((entry) => entry?.reason === 'complaint') ?? stopping[0];
    },

    get: async (address) => {
      const row = await read(address);
      return row && entryOf(row);
    },

    add: async (request, before) => {
      const asked: Entry = { ...request, time: iso(clock.now()) };
      const added = await change<Added>(request.address, (row) => additionOf(asked, row), before);
      if (isDomain(request.address)) await wait(domainsKept);
      return added;
    },

    remove: (address, before) =>
      change<Entry | undefined>(
        address,
        (row) => (row ? { result: entryOf(row), remove: row } : { result: undefined }),
        async (planned) => {
          if (planned) await before?.(planned);
        },
      ),

    undo: (address, time, reason) =>
      change<'undone' | 'gone' | 'changed'>(address, (row) => {
        // An older entry is what undoing left behind before.
        if (!row || row.time < time) return { result: 'gone' };
        if (row.time !== time || row.reason !== reason) return { result: 'changed' };
        const before = beforeOf(row);
        return { result: 'undone', ...(before ? { put: replacing(row, before, undefined) } : { remove: row }) };
      }),

    search: (search) => searchList(table, search),

    all: () => everyEntry(table),
  };
};

interface Decision<T> {
  result: T;
  /** Both absent where the row stays as it is. */
  put?: TransactionAction;
  remove?: Row;
}

/** Whether the row is as the decision wanted it. */
const stands = ({ put, remove }: Decision<unknown>, row: Row | undefined): boolean => {
  if (remove) return row === undefined;
  const [, wanted] = put ?? [];
  const { time, actor, source, scope, reason } = (wanted ?? {}) as Partial<Columns>;
  return (
    row !== undefined &&
    [row.time, row.actor, row.source, row.scope, row.reason].join() === [time, actor, source, scope, reason].join()
  );
};

const additionOf = (asked: Entry, row: Row | undefined): Decision<Added> => {
  if (!row) {
    const entity = { ...keyOf(asked.address), ...columnsOf(asked, undefined) };
    return { result: { entry: asked, change: 'added' }, put: ['create', entity] };
  }
  const known = entryOf(row);
  const entry = merged(known, asked);
  if (!adds(known, entry)) return { result: { entry: known, change: 'known' } };
  return { result: { entry, change: 'widened' }, put: replacing(row, entry, known) };
};

const replacing = (row: Row, entry: Entry, before: Entry | undefined): TransactionAction => [
  'update',
  { ...keyOf(entry.address), ...columnsOf(entry, before) },
  'Replace',
  { etag: row.etag },
];
