import type { TableClient } from '@azure/data-tables';
import { iso } from '../clock.ts';
import { isConflict } from '../storage/table.ts';
import { keyPartition } from './id.ts';

/**
 * What a producer's idempotency key stands for. The first to use a key decides the message's id; whoever brings the
 * same key later, by queue or by HTTP, is told that id, and whether the message is the same.
 */
export type Claimed = { first: true } | { first: false; messageId: string; sameBody: boolean };

export interface Keys {
  /** One insert; one more read where the key is known. @param bodyHash see `bodyHash` of the message room */
  claim(key: string, messageId: string, bodyHash: string, at: number): Promise<Claimed>;
  find(key: string): Promise<string | undefined>;
}

interface KeyRow {
  messageId: string;
  bodyHash: string;
}

export const idempotencyKeys = (table: TableClient): Keys => {
  const read = (key: string) => table.getEntity<KeyRow>(keyPartition(key), 'key');
  return {
    claim: async (key, messageId, bodyHash, at) => {
      try {
        await table.createEntity({ partitionKey: keyPartition(key), rowKey: 'key', messageId, bodyHash, at: iso(at) });
        return { first: true };
      } catch (error) {
        if (!isConflict(error)) throw error;
      }
      const row = await read(key);
      if (row.messageId === messageId) return { first: true };
      return { first: false, messageId: row.messageId, sameBody: row.bodyHash === bodyHash };
    },
    find: async (key) => {
      try {
        return (await read(key)).messageId;
      } catch (error) {
        if ((error as { statusCode?: number }).statusCode === 404) return undefined;
        throw error;
      }
    },
  };
};
