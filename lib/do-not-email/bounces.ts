import type { TableClient } from '@azure/data-tables';
import { z } from 'zod';
import type { AuditLog } from '../audit/audit.ts';
import { type Clock, iso, seconds } from '../clock.ts';
import type { Log } from '../log.ts';
import { canonicalAddress } from '../message/address.ts';
import type { Fault } from '../relay/outcome.ts';
import { type Page, readPage, type Span } from '../storage/page.ts';
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
  /** Takes note of a mail that the relay took: in memory only. */
  taken(): void;
  /** By address. */
  suggestions(span: Span): Promise<Page<Suggestion>>;
  /** @returns whether there was one */
  dismiss(address: string): Promise<boolean>;
}

export interface Circumstances {
  mode: BounceMode;
  relayOpen: boolean;
}

export interface BounceParts {
  table: TableClient;
  list: Pick<DoNotEmailList, 'add' | 'get' | 'undo'>;
  audit: Pick<AuditLog, 'record'>;
  clock: Clock;
  log: Log;
}

const refusal = z.object({ address: z.string(), at: z.int(), taken: z.int(), acted: z.boolean() });

/** In a burst, how long a process keeps what it meets to itself. */
const toldAgain = seconds(10);

const relay = { id: 'relay', name: 'relay' };

/**
 * What the relay's refusals teach. Those of the last minutes stand in a row that all processes share, so that a burst is
 * told however many of them it falls on. The first of a burst look like single refusals; whoever sees the burst next
 * takes back what followed from them, and where it dies in that, the one after it does.
 */
export const bounceFeedback = ({ table, list, audit, clock, log }: BounceParts): BounceFeedback => {
  const placeOf = (address: string) => ({ partitionKey: partitions.suggestions, rowKey: keyOf(address).rowKey });
  const shared = tableRow(table, recentKey, z.array(refusal));
  /** What the row held when this process wrote it last. */
  let seen: Refusal[] = [];
  let sharedAt = Number.NEGATIVE_INFINITY;
  /** What it has met since. */
  let untold: Refusal[] = [];
  let taken = 0;

  const dismiss = async (address: string): Promise<boolean> => {
    const { partitionKey, rowKey } = placeOf(address);
    return (await ifFound(table.deleteEntity(partitionKey, rowKey))) !== undefined;
  };

  const isRecent = (time: string, now: number) => now - Date.parse(time) < burst.within;

  /** What a person did meanwhile, or what is older than the burst, stays. */
  const takeBack = async (address: string, now: number): Promise<void> => {
    const { partitionKey, rowKey } = placeOf(address);
    const suggested = await ifFound(table.getEntity<Suggestion>(partitionKey, rowKey));
    if (suggested && isRecent(suggested.time, now)) await dismiss(address);
    const entry = await list.get(address);
    if (entry?.source !== 'bounce' || !isRecent(entry.time, now)) return;
    const result = await list.undo(address, entry.time, 'bounced');
    if (result !== 'undone') return;
    const detail = { because: 'many addresses were refused at once', added: entry.time };
    await audit.record({ actor: relay, action: 'do-not-email.undo', subject: address, detail });
  };

  const takeAllBack = async (acted: readonly Refusal[], now: number): Promise<void> => {
    if (acted.length === 0) return;
    log.warn('do-not-email.burst', { takenBack: acted.length });
    for (const { address } of acted) await takeBack(address, now);
    const done = new Set(acted.map(({ address, at }) => `${at} ${address}`));
    await changeRow(shared, undefined, (known = []) => ({
      value: known.map((it) => (done.has(`${it.at} ${it.address}`) ? { ...it, acted: false } : it)),
      result: undefined,
    }));
  };

  /** Tells the other processes what this one has met, the newest last, and learns what they have. */
  const share = async (now: number): Promise<Refusal[]> => {
    const told = untold;
    untold = [];
    try {
      const { result } = await changeRow(shared, undefined, (known = []) => {
        const all = recentRefusals(known, told, now);
        const one = told.at(-1)?.address;
        const calm = !isBurst(all, now);
        const value = all.map((it) => (it.address === one && calm ? { ...it, acted: true } : it));
        return { value, result: value };
      });
      seen = result;
      sharedAt = now;
      return result;
    } catch (error) {
      untold = [...told, ...untold];
      throw error;
    }
  };

  const follow = async (act: 'add' | 'suggest', address: string, fault: Fault, now: number): Promise<void> => {
    const reply = fault.reply.slice(0, 500);
    if (act === 'suggest') {
      await table.upsertEntity({ ...placeOf(address), address, reply, time: iso(now) }, 'Replace');
      return;
    }
    await list.add({
      ...{ address, scope: 'all', reason: 'bounced', source: 'bounce', actor: relay.name, note: reply },
    });
  };

  return {
    taken: () => {
      taken += 1;
    },

    refused: async (given, fault, circumstances) => {
      const address = canonicalAddress(given);
      const now = clock.now();
      const alone = onRefusal(fault, { ...circumstances, refusals: [], now });
      if (alone.act === 'nothing') return alone;
      untold = recentRefusals(untold, [{ address, at: now, taken, acted: false }], now);
      taken = 0;
      // In a burst that the others know of, every single refusal need not be told at once.
      const known = onRefusal(fault, { ...circumstances, refusals: seen, now });
      if (known.act === 'nothing' && now - sharedAt < toldAgain) return known;
      const refusals = await share(now);
      const verdict = onRefusal(fault, { ...circumstances, refusals, now });
      if (verdict.act === 'nothing') {
        await takeAllBack(
          refusals.filter(({ acted }) => acted),
          now,
        );
        return verdict;
      }
      await follow(verdict.act, address, fault, now);
      // The burst may have begun while this was written, and its taking back have passed this one by.
      const since = await shared.read();
      if (since && isBurst(since.value, now)) await takeBack(address, now);
      return verdict;
    },

    suggestions: (span) => {
      const filter = `PartitionKey eq '${partitions.suggestions}' and RowKey gt '${recentKey.rowKey}'`;
      return readPage<Suggestion, Suggestion>(table, { filter }, span, async ({ address, reply, time }) => ({
        address,
        reply,
        time,
      }));
    },

    dismiss,
  };
};
