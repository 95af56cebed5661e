import { randomUUID } from 'node:crypto';
import type { TableClient } from '@azure/data-tables';
import { z } from 'zod';
import { PosternError } from '../errors.ts';
import { ifFound, isConflict, isMissing, isStale } from './table.ts';

/** What a row held when it was read or written, and the ETag that it had then. */
export interface Versioned<T> {
  value: T;
  etag: string;
}

/** One shared row that changes only by compare-and-set. A call is one storage operation; two for a write that lost a race. */
export interface Row<T> {
  /** @returns `undefined` where nobody wrote it yet. @throws RestError of the storage. */
  read(): Promise<Versioned<T> | undefined>;
  /**
   * @param etag of the version that `value` was made from; `undefined` where there was none.
   * @returns the new ETag, or `undefined` where somebody else changed the row meanwhile and nothing was written.
   * @throws RestError of the storage. It is then unknown whether the row was written.
   */
  write(value: T, etag: string | undefined): Promise<string | undefined>;
}

interface Columns {
  state: string;
  /** Of the last write: an answer may get lost after the service has written, and its repetition then meets its own. */
  writer: string;
}

/** A row of a table that keeps `value` as JSON in its column `state` (at most 32,000 characters, the service's limit). */
export const tableRow = <S extends z.ZodType>(
  table: TableClient,
  at: { partitionKey: string; rowKey: string },
  schema: S,
): Row<z.output<S>> => ({
  read: async () => {
    const found = await ifFound(table.getEntity<Columns>(at.partitionKey, at.rowKey));
    return found && { value: schema.parse(JSON.parse(found.state)), etag: found.etag };
  },
  write: async (value, etag) => {
    const writer = randomUUID();
    const entity = { ...at, state: JSON.stringify(z.encode(schema, value)), writer };
    try {
      const written =
        etag === undefined
          ? await table.createEntity(entity)
          : await table.updateEntity(entity, 'Replace', { etag: etag });
      return z.string().parse(written.etag);
    } catch (error) {
      if (!isConflict(error) && !isStale(error) && !isMissing(error)) throw error;
      const present = await ifFound(table.getEntity<Columns>(at.partitionKey, at.rowKey));
      return present?.writer === writer ? present.etag : undefined;
    }
  },
});

/** What a change comes to: with `value` the row is written, without it the row stays as it is. */
export interface Change<T, R> {
  value?: T;
  result: R;
}

/** The row as the change left or found it; `wrote` tells whether this call wrote it. */
export interface Changed<T, R> {
  row: Versioned<T> | undefined;
  wrote: boolean;
  result: R;
}

/**
 * Reads, applies and writes until nobody was faster; `apply` runs once a try.
 * @param known a version read before, which saves the first read; `undefined` reads.
 * @throws PosternError `unavailable` after 200 lost races, RestError of the storage.
 */
export const changeRow = async <T, R>(
  row: Row<T>,
  known: Versioned<T> | undefined,
  apply: (value: T | undefined) => Change<T, R>,
): Promise<Changed<T, R>> => {
  let version = known ?? (await row.read());
  for (let lost = 0; lost < 200; lost++) {
    const { value, result } = apply(version?.value);
    if (value === undefined) return { row: version, wrote: false, result };
    const etag = await row.write(value, version?.etag);
    if (etag !== undefined) return { row: { value, etag }, wrote: true, result };
    version = await row.read();
  }
  throw new PosternError('unavailable', 'A shared row changed under every one of 200 attempts to write it.');
};
