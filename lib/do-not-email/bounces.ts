import type { TableClient } from '@azure/data-tables';
import { z } from 'zod';
import { type Clock, iso, minutes } from '../clock.ts';
import type { Log } from '../log.ts';
import { canonicalAddress } from '../message/address.ts';
import type { Fault } from '../relay/outcome.ts';
import { changeRow, tableRow } from '../storage/row.ts';
import { ifFound } from '../storage/table.ts';
import {
  type BounceMode,
  type BounceVerdict,
  burst,
  isBurst,
  onRefusal,
  type Refusal,
  recentRefusals,
} from './feedback.ts';
import type { DoNotEmailList } from './list.ts';
import { keyOf, partitions, recentKey } from './rows.ts';

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

const refusal = z.object({ address: z.string(), at: z.int() });

/** How long a burst goes on without the other processes being told of it again. */
const toldAgain = minutes(1);

/**
 * What the relay's refusals teach. Those of the last minutes stand in a row that all processes share, so that a burst is
 * told however many of them it falls on. The first of a burst look like single refusals; whoever sees it become one takes
 * back what followed from them.
 */
export const bounceFeedback = ({ table, list, clock, log }: BounceParts): BounceFeedback => {
  const placeOf = (address: string) => ({ partitionKey: partitions.suggestions, rowKey: keyOf(address).rowKey });
  const shared = tableRow(table, recentKey, z.array(refusal));
  /** What the row held when this process wrote it last, and what came since. */
  let seen: { refusals: Refusal[]; sharedAt: number } = { refusals: [], sharedAt: 0 };

  const dismiss = async (address: string): Promise<void> => {
    const { partitionKey, rowKey } = placeOf(address);
    await ifFound(table.deleteEntity(partitionKey, rowKey));
  };

  const takeBack = async (address: string, now: number): Promise<void> => {
    await dismiss(address);
    const entry = await list.get(address);
    if (entry?.source !== 'bounce' || now - Date.parse(entry.time) >= burst.within) return;
    await list.undo(address, entry.time, 'bounced');
  };

  /**
   * In a burst that is known of, every single one need not be told.
   * @returns all recent refusals, and whether this one made them a burst
   */
  const shareOne = async (one: Refusal): Promise<{ refusals: Refusal[]; begins: boolean }> => {
    const refusals = recentRefusals(seen.refusals, one);
    if (isBurst(refusals, one.at) && one.at - seen.sharedAt < toldAgain) {
      seen = { ...seen, refusals };
      return { refusals, begins: false };
    }
    const { result } = await changeRow(shared, undefined, (known = []) => {
      const refusals = recentRefusals(known, one);
      const begins = isBurst(refusals, one.at) && !isBurst(known, one.at);
      return { value: refusals, result: { refusals, begins } };
    });
    seen = { refusals: isBurst(result.refusals, one.at) ? result.refusals : [], sharedAt: one.at };
    return result;
  };

  const follow = async (act: 'add' | 'suggest', address: string, fault: Fault, now: number): Promise<void> => {
    const reply = fault.reply.slice(0, 500);
    if (act === 'suggest') {
      await table.upsertEntity({ ...placeOf(address), address, reply, time: iso(now) }, 'Replace');
      return;
    }
    await list.add({
      ...{ address, scope: 'all', reason: 'bounced', source: 'bounce', actor: 'relay', note: reply },
    });
  };

  return {
    refused: async (given, fault, circumstances) => {
      const one = { address: canonicalAddress(given), at: clock.now() };
      const now = one.at;
      const alone = onRefusal(fault, { ...circumstances, refusals: [], now });
      if (alone.act === 'nothing') return alone;
      const { refusals, begins } = await shareOne(one);
      const verdict = onRefusal(fault, { ...circumstances, refusals, now });
      if (begins) {
        log.warn('do-not-email.burst', { addresses: refusals.length });
        for (const { address } of refusals) await takeBack(address, now);
      }
      if (verdict.act === 'nothing') return verdict;
      await follow(verdict.act, one.address, fault, now);
      // The burst may have begun while this was written, and its taking back have passed this one by.
      const since = await shared.read();
      if (since && isBurst(since.value, now)) await takeBack(one.address, now);
      return verdict;
    },

    suggestions: async () => {
      const filter = `PartitionKey eq '${partitions.suggestions}' and RowKey gt '${recentKey.rowKey}'`;
      const pages = table.listEntities<Suggestion>({ queryOptions: { filter } }).byPage({ maxPageSize: 1000 });
      const { value: rows = [] } = await pages.next();
      const found = rows.map(({ address, reply, time }: Suggestion): Suggestion => ({ address, reply, time }));
      return found.sort((one: Suggestion, other: Suggestion) => other.time.localeCompare(one.time));
    },

    dismiss,
  };
};

export interface BounceParts {
  table: TableClient;
  list: Pick<DoNotEmailList, 'add' | 'get' | 'undo'>;
  clock: Clock;
  log: Log;
}
