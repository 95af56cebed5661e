import type { TableClient } from '@azure/data-tables';
import { type Clock, days, hours } from '../clock.ts';
import { kindNames, traitsOf } from '../message/kinds.ts';
import { type ContentStore, contentBlobOf, messageBlobOf } from './content.ts';
import type { Delivery } from './delivery.ts';
import { parseId, partitionOf } from './id.ts';
import type { Ledger, Summary } from './ledger.ts';
import { isFinal } from './states.ts';

interface Parts {
  deliveries: TableClient;
  ledger: Pick<Ledger, 'ofMessage' | 'move'>;
  content: Pick<ContentStore, 'remove'>;
  clock: Clock;
}

interface Row {
  summary: string;
  blob?: string;
}

/** Longer than a code waits by itself; what a producer gave a later end goes when its history ages out. */
const lookedThrough = days(2);
/** By then a message has been split into its recipients' rows, or is too old to be sent. */
const settlingTime = hours(1);

/**
 * Takes away what is left of codes and account links: the blobs of messages none of whose deliveries goes on, and the
 * mail in rows whose outcome nobody knows and whose time is over. Nobody may read such content later or send it again.
 * Harmless to repeat.
 */
export const forgetCodes = ({ deliveries, ledger, content, clock }: Parts) => {
  const secret = kindNames.filter((kind) => traitsOf(kind).confidential);
  const kinds = secret.map((kind) => `kind eq '${kind}'`).join(' or ');

  const isOver = ({ state, expiresAt }: Delivery, now: number): boolean =>
    isFinal(state) || (state === 'uncertain' && Date.parse(expiresAt) <= now);

  const forget = async (messageId: string): Promise<void> => {
    const all = await ledger.ofMessage(messageId);
    if (!all.every(({ delivery }) => isOver(delivery, clock.now()))) return;
    for (const stored of all) {
      // A row that somebody else writes now is looked at again in the next run.
      if (stored.mail) await ledger.move(stored, stored.delivery, stored.writer);
    }
    const blob = contentBlobOf(messageId);
    if (all.some(({ delivery }) => delivery.blob === blob)) await content.remove(blob);
    if (all.length > 1) await content.remove(messageBlobOf(messageId));
  };

  return async (): Promise<void> => {
    const now = clock.now();
    const filter = `PartitionKey ge '0' and PartitionKey le '${partitionOf(now - lookedThrough)}' and (${kinds})`;
    const select = ['partitionKey', 'rowKey', 'summary', 'blob'];
    const held = new Set<string>();
    for await (const { summary, blob } of deliveries.listEntities<Row>({ queryOptions: { filter, select } })) {
      const { id, messageId, state } = JSON.parse(summary) as Summary;
      const { at, n } = parseId(id) ?? { at: now, n: 0 };
      if (at <= now - settlingTime && (blob || n || state === 'uncertain')) held.add(messageId);
    }
    for (const messageId of held) await forget(messageId);
  };
};
