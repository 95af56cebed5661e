import type { TableClient } from '@azure/data-tables';
import { minutes } from '../../lib/clock.ts';
import { moved, newDelivery } from '../../lib/delivery/delivery.ts';
import { messageIdOf } from '../../lib/delivery/id.ts';
import { idempotencyKeys } from '../../lib/delivery/keys.ts';
import { ledger } from '../../lib/delivery/ledger.ts';

/** A history as it lies in the tables after a while, made without sending anything. */
export interface History {
  /** Deliveries in all; every hundredth has a key `key-<n>`. */
  rows: number;
  /** They go round these recipients. */
  recipients: readonly string[];
  /** Milliseconds; the newest. The others lie `apart` before each other. */
  newest: number;
  apart?: number;
}

type Entity = { partitionKey: string; rowKey: string } & Record<string, unknown>;

/** Fills the tables by entity group transactions with what the ledger itself would write. */
export const fillHistory = async (
  tables: { deliveries: TableClient; recipients: TableClient; keys: TableClient },
  { rows, recipients, newest, apart = minutes(0.25) }: History,
): Promise<void> => {
  const kept = { deliveries: catching(), recipients: catching(), keys: catching() };
  const book = ledger(kept.deliveries.client, kept.recipients.client);
  const keys = idempotencyKeys(kept.keys.client);
  for (let n = 0; n < rows; n++) {
    const at = newest - n * apart;
    const messageId = messageIdOf(`bench:${n}`, at);
    const to = { address: recipients[n % recipients.length] ?? '' };
    const key = n % 100 === 0 ? `key-${n}` : undefined;
    const mail = { kind: 'share' as const, to: [to], subject: `Mail ${n}`, text: 'See the plans.', key };
    const by = { at, by: 'engine', reason: { code: 'bench', detail: 'Made for a measurement.' } };
    const claimed = moved(newDelivery({ messageId, n: 0, at, mail, to }), 'new', { ...by, to: 'submitting' });
    const sent = moved(claimed, 'submitting', { ...by, to: n % 1000 === 999 ? 'failed' : 'sent' });
    await book.open(sent, 'bench');
    await book.index(sent);
    if (key) await keys.claim(key, messageId, 'hash', at);
  }
  for (const name of ['deliveries', 'recipients', 'keys'] as const) await insertAll(tables[name], kept[name].entities);
};

/** A client that only remembers what is written to it. */
const catching = () => {
  const entities: Entity[] = [];
  const remember = async (entity: Entity) => {
    entities.push(entity);
    return { etag: 'x' };
  };
  return { entities, client: { createEntity: remember, upsertEntity: remember } as unknown as TableClient };
};

const insertAll = async (table: TableClient, entities: Entity[]): Promise<void> => {
  const parts = [...Map.groupBy(entities, ({ partitionKey }) => partitionKey).values()].flatMap((part) =>
    Array.from({ length: Math.ceil(part.length / 100) }, (_, i) => part.slice(i * 100, (i + 1) * 100)),
  );
  for (let i = 0; i < parts.length; i += 8) {
    const some = parts.slice(i, i + 8);
    await Promise.all(some.map((part) => table.submitTransaction(part.map((entity) => ['create', entity]))));
  }
};

/** Counts the requests of these clients from now on. */
export const countingRequests = (tables: TableClient[]): { take(): number } => {
  let requests = 0;
  for (const table of tables) {
    table.pipeline.addPolicy({
      name: 'counting',
      sendRequest: (request, next) => {
        requests += 1;
        return next(request);
      },
    });
  }
  return {
    take: () => {
      const taken = requests;
      requests = 0;
      return taken;
    },
  };
};
