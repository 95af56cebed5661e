import type { TableClient, TransactionAction } from '@azure/data-tables';
import type { AuditLog } from '../audit/audit.ts';
import { type Clock, days } from '../clock.ts';
import type { Settings } from '../settings/schema.ts';
import { isMissing } from '../storage/table.ts';
import { type ContentStore, contentBlobOf, messageBlobOf } from './content.ts';
import type { Delivery } from './delivery.ts';
import { keyPartition, partitionOf, recipientPartition } from './id.ts';
import { finalStates, type State } from './states.ts';

interface Parts {
  deliveries: TableClient;
  recipients: TableClient;
  keys: TableClient;
  audit: Pick<AuditLog, 'ageOut'>;
  content: Pick<ContentStore, 'remove'>;
  settings: { current(): Promise<Settings> };
  clock: Clock;
}

/** Rows taken away in one step, and requests side by side within it. */
const step = 90;
const abreast = 16;

/**
 * Ages out history, content, keys and the audit by the setting, oldest first, in steps that can be broken off anywhere:
 * a delivery's row goes last, so that what hangs on it is found again.
 *
 * What still waits or asks for a person stays, however old it is.
 * @param most rows in one run
 * @returns how many deliveries went
 */
export const retention = ({ deliveries, recipients, keys, audit, content, settings, clock }: Parts) => {
  const ended = (finalStates as readonly State[]).map((state) => `state eq '${state}'`).join(' or ');

  const forget = async (rows: readonly Row[]): Promise<void> => {
    const summaries = rows.map((row) => ({ rowKey: row.rowKey, ...(JSON.parse(row.summary) as Summary) }));
    await inSteps(summaries, async ({ to, rowKey }) => {
      await gone(recipients.deleteEntity(recipientPartition(to), rowKey));
    });
    const messages = [...new Set(summaries.map(({ messageId }) => messageId))];
    await inSteps(messages, async (messageId) => {
      await content.remove(contentBlobOf(messageId));
      await content.remove(messageBlobOf(messageId));
    });
    await inSteps(
      rows.filter(({ blob }) => blob),
      async ({ blob }) => await content.remove(blob ?? ''),
    );
    await inSteps(
      rows.filter(({ key }) => key),
      async ({ key }) => await gone(keys.deleteEntity(keyPartition(key ?? ''), 'key')),
    );
    for (const part of byPartition(rows)) {
      await gone(
        deliveries.submitTransaction(
          part.map(({ partitionKey, rowKey }): TransactionAction => ['delete', { partitionKey, rowKey }]),
        ),
      );
    }
  };

  return async (most = 5000): Promise<number> => {
    const { delivery } = await settings.current();
    const cutoff = clock.now() - days(delivery.retentionDays);
    let done = 0;
    while (done < most) {
      // Partitions sort newest first, so everything behind the cut-off's own hour is older.
      const filter = `PartitionKey gt '${partitionOf(cutoff)}' and (${ended})`;
      const select = ['partitionKey', 'rowKey', 'summary', 'blob', 'key'];
      const { value: rows } = await deliveries
        .listEntities<Row>({ queryOptions: { filter, select } })
        .byPage({ maxPageSize: step })
        .next();
      if (!rows?.length) break;
      await forget(rows);
      done += rows.length;
    }
    await audit.ageOut(cutoff, most);
    return done;
  };
};

type Summary = Pick<Delivery, 'messageId'> & { to: string };

interface Row {
  partitionKey: string;
  rowKey: string;
  summary: string;
  blob?: string;
  key?: string;
}

const byPartition = (rows: readonly Row[]): Row[][] => [
  ...Map.groupBy(rows, ({ partitionKey }) => partitionKey).values(),
];

const inSteps = async <T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> => {
  for (let i = 0; i < items.length; i += abreast) await Promise.all(items.slice(i, i + abreast).map(work));
};

/** Deleting what is gone already is what was wanted. */
const gone = async (deleted: Promise<unknown>): Promise<void> => {
  try {
    await deleted;
  } catch (error) {
    if (!isMissing(error)) throw error;
  }
};
