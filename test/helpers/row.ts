import type { Row, Versioned } from '../../lib/storage/row.ts';

export interface MemoryRow<T> extends Row<T> {
  /** Storage operations so far. */
  operations(): number;
  /** What the row holds now, without an operation. */
  now(): T | undefined;
}

/**
 * What becomes of a write: done; done but the answer is lost; done, and the client that lost the answer tried again and
 * met its own version; not done.
 */
export type WriteFate = 'done' | 'answer lost' | 'met itself' | 'refused';

/**
 * A row in memory with the compare-and-set of the table service, for models that need thousands of runs.
 * @param turn awaited before each operation takes effect, so that a model can interleave its processes
 */
export const memoryRow = <T>(
  turn: () => Promise<void> = async () => undefined,
  fate: () => WriteFate = () => 'done',
): MemoryRow<T> => {
  let held: Versioned<T> | undefined;
  let operations = 0;
  let version = 0;
  return {
    operations: () => operations,
    now: () => held?.value,
    read: async () => {
      operations += 1;
      await turn();
      return held && structuredClone(held);
    },
    write: async (value, etag) => {
      operations += 1;
      await turn();
      const becomes = fate();
      if (becomes === 'refused') throw new Error('503 from the storage');
      if (etag !== held?.etag) return undefined;
      version += 1;
      const written = `v${version}`;
      held = structuredClone({ value, etag: written });
      await turn();
      if (becomes === 'answer lost') throw new Error('the connection to the storage broke');
      return becomes === 'met itself' ? undefined : written;
    },
  };
};
