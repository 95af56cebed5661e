import type { TableClient } from '@azure/data-tables';
import { z } from 'zod';
import { type Clock, minutes, seconds } from '../clock.ts';
import { changeRow, type Row, tableRow, type Versioned } from '../storage/row.ts';
import { allowedSkew, type LimitSettings } from './window.ts';

/** The last slot that was given away, milliseconds since 1970. */
export const paceSchema = z.object({ v: z.literal(1), last: z.int() });
export type PaceState = z.output<typeof paceSchema>;

/** The row of the pace: table `limit`. */
export const paceRow = (table: TableClient): Row<PaceState> =>
  tableRow(table, { partitionKey: 'limit', rowKey: 'pace' }, paceSchema);

export interface Slot {
  /** When this mail may go, milliseconds since 1970. */
  at: number;
  /**
   * Whether the slot is this mail's own: wait in the process and hand it over then. Otherwise nothing is held, since a
   * slot far ahead would make priority mail wait for it: park the mail until `at` and ask again.
   */
  held: boolean;
}

export interface Pace {
  /**
   * The next time at which a mail may go. With no pace set (`perMinute` 0) that is now, without a storage operation.
   * @throws RestError of the storage: the mail must wait.
   */
  wait(limit: LimitSettings): Promise<Slot>;
  /** When a mail that asked now could go, milliseconds since 1970; takes no slot and stores nothing. One read. */
  look(limit: LimitSettings): Promise<number>;
}

/** Slots are given away no further ahead than this: the longest that a mail waits in the process. */
export const horizon = seconds(10);

/** Milliseconds from one mail to the next, rounded up, so that no minute holds more than was asked for. */
export const spacingOf = (perMinute: number): number => Math.ceil(minutes(1) / perMinute);

/**
 * Mails per minute across all instances, as slots of time spaced evenly: there is no bucket that could burst at its
 * edge, and a slot that passes unused is gone. Slots are leased in blocks as big as the process's own demand. Exact for
 * clocks that agree; clocks that differ shift a block by their difference. (Exchange Online: 30 messages a minute a
 * mailbox, and it delays what is more.)
 */
export const pace = ({ row, clock }: { row: Row<PaceState>; clock: Clock }): Pace => {
  let known: Versioned<PaceState> | undefined;
  let block: { next: number; end: number; spacing: number } | undefined;
  let blockUsedUp = false;
  let lastBlock = 1;
  let waiting = 0;
  let flight: Promise<Slot | undefined> | undefined;
  /** Where the next mail that finds no slot is told to come back, so that not all come at once. */
  let tail = 0;

  /** The first slot that may still be given away. A slot that no right clock could have given is forgotten. */
  const firstFree = (state: PaceState | undefined, spacing: number): number => {
    const now = clock.now();
    if (!state || state.last > now + horizon + 2 * allowedSkew) return now;
    return Math.max(now, state.last + spacing);
  };

  const fromBlock = (spacing: number): number | undefined => {
    if (!block || block.spacing !== spacing) return undefined;
    const behind = Math.max(0, Math.ceil((clock.now() - block.next) / spacing));
    const at = block.next + behind * spacing;
    if (at > block.end) return undefined;
    block.next = at + spacing;
    if (block.next > block.end) blockUsedUp = behind === 0;
    return at;
  };

  const later = (first: number, spacing: number): Slot => {
    const next = Math.max(tail + spacing, first);
    tail = next > first + minutes(5) ? first : next;
    return { at: tail, held: false };
  };

  const lease = async (spacing: number): Promise<Slot | undefined> => {
    // The last slot only moves ahead, so what is remembered may refuse, and only the row may grant.
    if (known && firstFree(known.value, spacing) > clock.now() + horizon)
      return { at: firstFree(known.value, spacing), held: false };
    const wanted = blockUsedUp ? lastBlock * 2 : 1;
    const from = known;
    known = undefined;
    const { row: found, result } = await changeRow(row, from, (state) => {
      const first = firstFree(state, spacing);
      const fitting = Math.floor((clock.now() + horizon - first) / spacing) + 1;
      if (fitting < 1) return { result: { at: first, slots: 0 } };
      const slots = Math.min(fitting, Math.max(wanted, waiting));
      return { value: { v: 1 as const, last: first + (slots - 1) * spacing }, result: { at: first, slots } };
    });
    known = found;
    if (result.slots === 0) return { at: result.at, held: false };
    block = { next: result.at, end: result.at + (result.slots - 1) * spacing, spacing };
    lastBlock = result.slots;
    blockUsedUp = false;
    return undefined;
  };

  return {
    look: async ({ perMinute }) => {
      if (perMinute === 0) return clock.now();
      return firstFree((await row.read())?.value, spacingOf(perMinute));
    },

    wait: async ({ perMinute }) => {
      if (perMinute === 0) return { at: clock.now(), held: true };
      const spacing = spacingOf(perMinute);
      waiting += 1;
      try {
        for (;;) {
          const at = fromBlock(spacing);
          if (at !== undefined) return { at, held: true };
          flight ??= lease(spacing).finally(() => {
            flight = undefined;
          });
          const full = await flight;
          if (full) return later(full.at, spacing);
        }
      } finally {
        waiting -= 1;
      }
    },
  };
};
