import type { TableClient, TableEntityResult } from '@azure/data-tables';
import type { AuditLog } from '../audit/audit.ts';
import { type Clock, days, minutes } from '../clock.ts';
import type { Settings } from '../settings/schema.ts';
import { inSteps } from '../steps.ts';
import { isMissing, isStale } from '../storage/table.ts';
import { forgetCodes } from './codes.ts';
import { type ContentStore, contentBlobOf, messageBlobOf } from './content.ts';
import { parseId, partitionOf, recipientPartition } from './id.ts';
import { idempotencyKeys } from './keys.ts';
import type { Ledger, Summary } from './ledger.ts';
import { finalStates, isFinal, type State } from './states.ts';

interface Parts {
  deliveries: TableClient;
  recipients: TableClient;
  keys: TableClient;
  ledger: Pick<Ledger, 'ofMessage' | 'move'>;
  audit: Pick<AuditLog, 'ageOut'>;
  /** What is kept beside the Do Not Email list; as the audit's. */
  ageOutDoNotEmail: AuditLog['ageOut'];
  content: Pick<ContentStore, 'remove'>;
  settings: { current(): Promise<Settings> };
  clock: Clock;
}

/** Rows taken away in one step. */
const step = 90;
/** Shorter than `functionTimeout` of host.json; what is left goes in the next run. */
const longestRun = minutes(5);

/**
 * Ages out history, content, keys and the audit by the setting, and what is left of codes at once; in steps that can be broken off anywhere: a delivery's
 * row goes last, so that what hangs on it is found again.
 *
 * What still waits or asks for a person stays, however old it is, and so does what it shares with the other recipients
 * of its message. A blob that a producer named is the producer's and may be another message's too: the storage's own
 * lifecycle rule takes it.
 * @param most deliveries in one run
 * @returns how many deliveries went
 */
export const retention = (parts: Parts) => {
  const { deliveries, recipients, ledger, audit, content, settings, clock } = parts;
  const keys = idempotencyKeys(parts.keys);
  const ended = (finalStates as readonly State[]).map((state) => `state eq '${state}'`).join(' or ');

  const forget = async (rows: readonly TableEntityResult<Row>[]): Promise<void> => {
    const old = rows.map((row) => ({ ...row, ...(JSON.parse(row.summary) as Summary) }));
    await inSteps(old, async ({ to, rowKey }) => {
      await gone(recipients.deleteEntity(recipientPartition(to), rowKey));
    });
    const byMessage = [...Map.groupBy(old, ({ messageId }) => messageId)];
    await inSteps(byMessage, async ([messageId, own]) => await forgetShared(messageId, own));
    // One by one, since no transaction's delete carries an ETag: what an admin sent again in the meantime stays.
    await inSteps(rows, async ({ partitionKey, rowKey, etag }) => {
      await gone(deliveries.deleteEntity(partitionKey, rowKey, { etag }));
    });
  };

  /** What the recipients of a message have in common goes when none of them waits any more. */
  const forgetShared = async (messageId: string, own: readonly (Row & Summary)[]): Promise<void> => {
    const [first] = own;
    const several = own.some(({ id }) => (parseId(id)?.n ?? 0) > 0);
    const key = own.find((it) => it.key)?.key;
    const ownBlob = first?.blob === contentBlobOf(messageId);
    if (!first || !(several || ownBlob || key)) return;
    const all = await ledger.ofMessage(messageId);
    if (all.some(({ delivery }) => !isFinal(delivery.state))) return;
    if (ownBlob) await content.remove(contentBlobOf(messageId));
    if (several) await content.remove(messageBlobOf(messageId));
    if (key) await keys.forget(key, messageId);
  };

  return async (most = 100_000): Promise<number> => {
    const { delivery } = await settings.current();
    const start = clock.now();
    const cutoff = start - days(delivery.retentionDays);
    // Partitions are named newest first, so everything behind the cut-off's own hour is older.
    const filter = `PartitionKey gt '${partitionOf(cutoff)}' and (${ended})`;
    const select = ['partitionKey', 'rowKey', 'timestamp', 'summary', 'blob', 'key'];
    const pages = deliveries.listEntities<Row>({ queryOptions: { filter, select } }).byPage({ maxPageSize: step });
    let done = 0;
    // A page may be empty and still not the last: the service ends one at a border between its partitions.
    for await (const rows of pages) {
      if (rows.length > 0) await forget(rows);
      done += rows.length;
      if (done >= most || clock.now() - start > longestRun) break;
    }
    await forgetCodes(parts)();
    await audit.ageOut(cutoff, most);
    await parts.ageOutDoNotEmail(cutoff, most);
    return done;
  };
};

interface Row {
  partitionKey: string;
  rowKey: string;
  summary: string;
  blob?: string;
  key?: string;
}

/** Deleting what is gone already is what was wanted; what changed since it was read is not meant any more. */
const gone = async (deleted: Promise<unknown>): Promise<void> => {
  try {
    await deleted;
  } catch (error) {
    if (!isMissing(error) && !isStale(error)) throw error;
  }
};
