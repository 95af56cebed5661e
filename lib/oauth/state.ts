import type { TableClient } from '@azure/data-tables';
import { z } from 'zod';
import { type Clock, seconds } from '../clock.ts';
import { type Change, changeRow, tableRow } from '../storage/row.ts';

/** Milliseconds since 1970. */
const time = z.int();

/** An account that was connected, without any secret. */
const connection = z.object({
  id: z.string(),
  /** What it was connected for, see `sealOfUse`. */
  seal: z.string(),
  /** Version of the token cache in Key Vault that the sign-in made. */
  version: z.string(),
  account: z.object({ homeAccountId: z.string(), username: z.string(), tenantId: z.string() }),
  at: time,
  by: z.object({ id: z.string(), name: z.string() }),
  /** When the refresh token was last renewed. */
  renewedAt: time,
});
export type Connection = z.output<typeof connection>;

/** A fault that does not pass by itself. */
const broken = z.object({
  seal: z.string(),
  kind: z.string(),
  rule: z.string(),
  reply: z.string(),
  remedy: z.string().optional(),
  since: time,
});
export type Broken = z.output<typeof broken>;

export const happenings = ['connected', 'disconnected', 'renewed', 'broken', 'mended', 'warned'] as const;
const happening = z.object({ at: time, what: z.enum(happenings), detail: z.string() });
export type Happening = z.output<typeof happening>;

/** For which end (milliseconds since 1970) an alert was last raised, and at how many days before it. */
const told = z.object({ ends: time, days: z.int() });

/** What all processes share about the connection: table `oauth`. */
const connectionState = z.object({
  v: z.literal(1),
  connection: connection.optional(),
  /** The last access token that anybody got. */
  access: z.object({ seal: z.string(), at: time, ends: time }).optional(),
  broken: broken.optional(),
  /** An admin disconnected the application grant of these settings: no token is fetched until one is generated again. */
  cut: z.object({ seal: z.string(), at: time }).optional(),
  told: z.object({ refreshToken: told.optional(), clientSecret: told.optional() }).default({}),
  /** Newest first. */
  history: z.array(happening).default([]),
});
export type ConnectionState = z.output<typeof connectionState>;

const nothing: ConnectionState = { v: 1, told: {}, history: [] };

/** How long a process works with the row that it has read. */
const freshFor = seconds(10);
/** All of the state is one property of at most 32 Ki characters, and Entra's sentences have up to a thousand. */
const historyLength = 50;
const detailLength = 250;

export interface SharedConnection {
  /** At most ten seconds old, and read anew while something is broken. @throws RestError */
  recent(): Promise<ConnectionState>;
  /** As the row holds it now. @throws RestError */
  current(): Promise<ConnectionState>;
  /** Changes the row, or leaves it where `apply` gives no value. @returns what `apply` said of the version written. */
  change<R>(apply: (state: ConnectionState) => Change<ConnectionState, R>): Promise<R>;
}

export const sharedConnection = ({ table, clock }: { table: TableClient; clock: Clock }): SharedConnection => {
  const row = tableRow(table, { partitionKey: 'connection', rowKey: 'state' }, connectionState);
  let known: { state: ConnectionState; at: number } | undefined;
  let reading: Promise<ConnectionState> | undefined;

  const keep = (state: ConnectionState | undefined): ConnectionState => {
    known = { state: state ?? nothing, at: clock.now() };
    return known.state;
  };
  const current = async () => keep((await row.read())?.value);

  return {
    current,
    recent: () => {
      // What is broken may have been mended elsewhere a moment ago, and mail waits for it.
      const good = known && !known.state.broken && (known.state.connection || known.state.access);
      if (known && good && clock.now() - known.at < freshFor) return Promise.resolve(known.state);
      reading ??= current().finally(() => {
        reading = undefined;
      });
      return reading;
    },
    change: async (apply) => {
      const { row: version, result } = await changeRow(row, undefined, (state) => apply(state ?? nothing));
      keep(version?.value);
      return result;
    },
  };
};

/** The history with one more happening in front. */
export const withHappening = ({ history }: Pick<ConnectionState, 'history'>, it: Happening): Happening[] =>
  [it, ...history]
    .slice(0, historyLength)
    .map(({ detail, ...rest }) => ({ ...rest, detail: detail.slice(0, detailLength) }));
