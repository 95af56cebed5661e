import type { TableClient } from '@azure/data-tables';
import { z } from 'zod';
import { type Clock, iso } from '../clock.ts';
import { canonicalAddress } from '../message/address.ts';
import type { Fault } from '../relay/outcome.ts';
import { ifFound } from '../storage/table.ts';
import { type BounceMode, type BounceVerdict, onRefusal, type Refusal, recentRefusals } from './feedback.ts';
import type { DoNotEmailList } from './list.ts';
import { keyOf, partitions } from './rows.ts';

export const suggestion = z
  .object({ address: z.string(), reply: z.string(), time: z.iso.datetime() })
  .meta({ id: 'DoNotEmailSuggestion' });
/** An address that the relay says does not exist, for an admin to put on the list or to dismiss. */
export type Suggestion = z.output<typeof suggestion>;

export interface BounceFeedback {
  /**
   * Takes note of a recipient that the relay refused, and does by setting what follows. Call it once the delivery's own
   * outcome is recorded: a failure here says nothing of the mail.
   * @throws RestError of the storage
   */
  refused(address: string, fault: Fault, circumstances: Circumstances): Promise<BounceVerdict>;
  /** The newest first, at most 1,000. */
  suggestions(): Promise<Suggestion[]>;
  dismiss(address: string): Promise<void>;
}

export interface Circumstances {
  mode: BounceMode;
  relayOpen: boolean;
}

/**
 * What the relay's refusals teach. Refusals are remembered for an hour and by each process for itself: enough to see a
 * burst, since in one every process meets many.
 */
export const bounceFeedback = ({ table, list, clock }: BounceParts): BounceFeedback => {
  let refusals: Refusal[] = [];

  const placeOf = (address: string) => ({ partitionKey: partitions.suggestions, rowKey: keyOf(address).rowKey });

  return {
    refused: async (given, fault, circumstances) => {
      const address = canonicalAddress(given);
      const now = clock.now();
      refusals = recentRefusals(refusals, { address, at: now });
      const verdict = onRefusal(fault, { ...circumstances, refusals, now });
      if (verdict.act === 'nothing') return verdict;
      const reply = fault.reply.slice(0, 500);
      if (verdict.act === 'add') {
        await list.add({
          ...{ address, scope: 'all', reason: 'bounced', source: 'bounce', actor: 'relay', note: reply },
        });
      } else await table.upsertEntity({ ...placeOf(address), address, reply, time: iso(now) }, 'Replace');
      return verdict;
    },

    suggestions: async () => {
      const filter = `PartitionKey eq '${partitions.suggestions}'`;
      const pages = table.listEntities<Suggestion>({ queryOptions: { filter } }).byPage({ maxPageSize: 1000 });
      const { value: rows = [] } = await pages.next();
      const found = rows.map(({ address, reply, time }: Suggestion): Suggestion => ({ address, reply, time }));
      return found.sort((one: Suggestion, other: Suggestion) => other.time.localeCompare(one.time));
    },

    dismiss: async (address) => {
      const { partitionKey, rowKey } = placeOf(address);
      await ifFound(table.deleteEntity(partitionKey, rowKey));
    },
  };
};

export interface BounceParts {
  table: TableClient;
  list: Pick<DoNotEmailList, 'add'>;
  clock: Clock;
}
