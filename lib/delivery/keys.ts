import { odata, type TableClient, type TableEntityResult } from '@azure/data-tables';
import { iso } from '../clock.ts';
import { isConflict, isMissing, isStale } from '../storage/table.ts';
import { keyPartition } from './id.ts';

/**
 * What a producer's idempotency key stands for. The first to use a key decides the message's id; whoever brings the
 * same key later, by queue or by HTTP, is told that id, and whether the message is the same.
 */
export type Claimed = { first: true } | { first: false; messageId: string; sameBody: boolean };

/** The ids of the messages under a key: the one that claimed it, and the newest that was refused. */
export interface KeyUse {
  accepted?: string;
  refused?: string;
}

export interface Keys {
  /** One insert; one more read where the key is known. @param bodyHash see `bodyHash` of the message room */
  claim(key: string, messageId: string, bodyHash: string, at: number): Promise<Claimed>;
  /** Makes a refused message findable by its key, which stays free for the message that its producer sends instead. */
  refuse(key: string, messageId: string, at: number): Promise<void>;
  /** One query. @returns `undefined` for a key that nobody used */
  find(key: string): Promise<KeyUse | undefined>;
  /** Takes away what the key says of this message. */
  forget(key: string, messageId: string): Promise<void>;
}

interface KeyRow {
  partitionKey: string;
  rowKey: string;
  messageId: string;
  bodyHash?: string;
}

const rowNames = { accepted: 'key', refused: 'refused' } as const;

export const idempotencyKeys = (table: TableClient): Keys => {
  const rowsOf = async (key: string) => {
    const filter = odata`PartitionKey eq ${keyPartition(key)}`;
    const rows: TableEntityResult<KeyRow>[] = [];
    for await (const row of table.listEntities<KeyRow>({ queryOptions: { filter } })) rows.push(row);
    return rows;
  };
  return {
    claim: async (key, messageId, bodyHash, at) => {
      const partitionKey = keyPartition(key);
      try {
        await table.createEntity({ partitionKey, rowKey: rowNames.accepted, messageId, bodyHash, at: iso(at) });
        return { first: true };
      } catch (error) {
        if (!isConflict(error)) throw error;
      }
      const row = await table.getEntity<KeyRow>(partitionKey, rowNames.accepted);
      if (row.messageId === messageId) return { first: true };
      return { first: false, messageId: row.messageId, sameBody: row.bodyHash === bodyHash };
    },
    refuse: async (key, messageId, at) => {
      const row = { partitionKey: keyPartition(key), rowKey: rowNames.refused, messageId, at: iso(at) };
      await table.upsertEntity(row, 'Replace');
    },
    find: async (key) => {
      const rows = await rowsOf(key);
      const named = (name: string) => rows.find(({ rowKey }) => rowKey === name)?.messageId;
      const [accepted, refused] = [named(rowNames.accepted), named(rowNames.refused)];
      return rows.length === 0 ? undefined : { ...(accepted && { accepted }), ...(refused && { refused }) };
    },
    forget: async (key, messageId) => {
      for (const { partitionKey, rowKey, etag, ...row } of await rowsOf(key)) {
        if (row.messageId !== messageId) continue;
        await table.deleteEntity(partitionKey, rowKey, { etag }).catch(unlessChanged);
      }
    },
  };
};

/** Gone already, or another message's by now. */
const unlessChanged = (error: unknown): void => {
  if (!isMissing(error) && !isStale(error)) throw error;
};
