import { createHash } from 'node:crypto';
import { odata, type TableClient } from '@azure/data-tables';
import { type Clock, minutes } from '../clock.ts';
import { ifFound, isMissing, isStale } from '../storage/table.ts';

/** One press on Generate OAuth Token, until its callback. */
export interface Attempt {
  /** Who pressed; nobody else may come back with its state. */
  initiator: { id: string; name: string };
  nonce: string;
  /** PKCE, RFC 7636. */
  verifier: string;
  redirectUri: string;
  /** What the token is to be for, see `sealOfUse`. */
  seal: string;
  /** Milliseconds since 1970. */
  ends: number;
}

/** An attempt that was found, and the means to use it up. */
export interface FoundAttempt extends Attempt {
  /** @returns whether this call was the one that used it: a state works once. */
  consume(): Promise<boolean>;
}

export interface Attempts {
  /** @param state the one-time state, of which only a hash is kept */
  add(state: string, attempt: Omit<Attempt, 'ends'>): Promise<{ ends: number }>;
  /** @returns `undefined` where there is none of this state, or it was used */
  find(state: string): Promise<FoundAttempt | undefined>;
  /** Deletes what ended. */
  prune(): Promise<void>;
}

const partitionKey = 'attempt';
const validFor = minutes(10);

interface Row extends Omit<Attempt, 'initiator'> {
  initiatorId: string;
  initiatorName: string;
}

export const attempts = ({ table, clock }: { table: TableClient; clock: Clock }): Attempts => ({
  add: async (state, { initiator, ...attempt }) => {
    const ends = clock.now() + validFor;
    const row: Row = { ...attempt, initiatorId: initiator.id, initiatorName: initiator.name, ends };
    await table.createEntity({ partitionKey, rowKey: keyOf(state), ...row });
    return { ends };
  },
  find: async (state) => {
    const rowKey = keyOf(state);
    const found = await ifFound(table.getEntity<Row>(partitionKey, rowKey));
    if (!found) return undefined;
    const { nonce, verifier, redirectUri, seal, ends, initiatorId, initiatorName, etag } = found;
    return {
      ...{ nonce, verifier, redirectUri, seal, ends, initiator: { id: initiatorId, name: initiatorName } },
      consume: async () => {
        try {
          await table.deleteEntity(partitionKey, rowKey, { etag });
          return true;
        } catch (error) {
          if (isMissing(error) || isStale(error)) return false;
          throw error;
        }
      },
    };
  },
  prune: async () => {
    const filter = odata`PartitionKey eq ${partitionKey}`;
    for await (const { rowKey, ends } of table.listEntities<Row>({ queryOptions: { filter } })) {
      if (ends <= clock.now()) await ifFound(table.deleteEntity(partitionKey, String(rowKey)));
    }
  },
});

const keyOf = (state: string): string => createHash('sha256').update(state).digest('hex');
