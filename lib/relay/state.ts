import type { TableClient } from '@azure/data-tables';
import { z } from 'zod';
import { type Clock, seconds } from '../clock.ts';
import { type Change, changeRow, type Row, tableRow, type Versioned } from '../storage/row.ts';

const time = z.int();
const actor = z.object({ id: z.string(), name: z.string() });
export type Actor = z.output<typeof actor>;

/** What opened the breaker: the fault as it was told, without what only a single mail needs. */
const cause = z.object({
  class: z.enum(['auth', 'sender', 'connection', 'temporary', 'unknown']),
  phase: z.string(),
  code: z.int().optional(),
  enhanced: z.string().optional(),
  reply: z.string(),
  remedy: z.string().optional(),
});
export type Cause = z.output<typeof cause>;

export const pauseScopes = ['ordinary', 'all'] as const;

const pause = z.object({ scope: z.enum(pauseScopes), reason: z.string(), actor, since: time });
export type Pause = z.output<typeof pause>;

/**
 * What all processes share about the relay. Times in milliseconds since 1970. `generation` grows with every opening and
 * every closing: whoever reports names the generation in which it was let through, and a report of another one is old
 * news.
 */
export const relayStateSchema = z.object({
  v: z.literal(1),
  generation: z.int(),
  /** Connection faults in a row while closed. */
  faults: z.int(),
  open: z
    .object({
      cause,
      since: time,
      /** Probes that failed. */
      probes: z.int(),
      nextProbe: time,
      /** Who may probe just now, and until when the right lasts. */
      probing: z.object({ id: z.string(), until: time }).optional(),
    })
    .optional(),
  pause: pause.optional(),
});
export type RelayState = z.output<typeof relayStateSchema>;

export const newRelayState: RelayState = { v: 1, generation: 0, faults: 0 };

/** The row of the relay's state: table `relay`. */
export const relayRow = (table: TableClient): Row<RelayState> =>
  tableRow(table, { partitionKey: 'relay', rowKey: 'state' }, relayStateSchema);

/** How old the state may be that a mail is judged by. */
export const stateKept = seconds(2);

export interface SharedRelayState {
  /** At most 2 seconds old; many askers at once cost one read. */
  recent(): Promise<RelayState>;
  /** What is in memory, however old, without an operation. */
  remembered(): RelayState | undefined;
  /** As the row holds it now. */
  current(): Promise<RelayState>;
  /** Changes the row, or leaves it where `apply` gives no value. @returns what `apply` said about the version written. */
  change<R>(apply: (state: RelayState) => Change<RelayState, R>): Promise<{ wrote: boolean; result: R }>;
}

/** The relay's row behind a memory of two seconds. @throws RestError of the storage: then nobody knows, and mail waits. */
export const sharedRelayState = ({ row, clock }: { row: Row<RelayState>; clock: Clock }): SharedRelayState => {
  let known: { version: Versioned<RelayState> | undefined; at: number } | undefined;
  let reading: Promise<RelayState> | undefined;

  const remember = (version: Versioned<RelayState> | undefined): RelayState => {
    known = { version, at: clock.now() };
    return version?.value ?? newRelayState;
  };
  const read = async () => remember(await row.read());

  return {
    recent: () => {
      if (known && clock.now() - known.at < stateKept) return Promise.resolve(known.version?.value ?? newRelayState);
      reading ??= read().finally(() => {
        reading = undefined;
      });
      return reading;
    },
    remembered: () => known && (known.version?.value ?? newRelayState),
    current: read,
    change: async (apply) => {
      // Judged by the row as it is now: a decision from memory could be two seconds behind.
      const { row: version, wrote, result } = await changeRow(row, undefined, (state) => apply(state ?? newRelayState));
      remember(version);
      return { wrote, result };
    },
  };
};
