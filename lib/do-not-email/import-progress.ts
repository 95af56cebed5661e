import type { TableClient } from '@azure/data-tables';
import { z } from 'zod';
import { type Clock, iso, seconds } from '../clock.ts';
import { ifFound } from '../storage/table.ts';
import { partitions } from './rows.ts';

export const importState = z
  .object({
    id: z.string(),
    state: z.enum(['running', 'part-done', 'done', 'failed']),
    lines: z.number(),
    /** From 0 to 1, of this part. */
    progress: z.number(),
    new: z.number(),
    known: z.number(),
    invalid: z.number(),
    dryRun: z.boolean(),
    actor: z.string(),
    started: z.iso.datetime(),
    /** A running import whose time stands still has been cut off: send the same file again. */
    updated: z.iso.datetime(),
  })
  .meta({ id: 'DoNotEmailImport' });
export type ImportState = z.output<typeof importState>;

export interface ImportProgress {
  /** Kept for readers at most once in two seconds. */
  report(count: { new: number; known: number }, progress: number): Promise<void>;
  end(state: 'part-done' | 'done' | 'failed'): Promise<void>;
}

const every = seconds(2);

/** Begins the readable record of one import. An id that was used before begins anew. */
export const importProgress = async (
  { table, clock }: { table: TableClient; clock: Clock },
  start: Pick<ImportState, 'id' | 'lines' | 'invalid' | 'dryRun' | 'actor'>,
): Promise<ImportProgress> => {
  const key = { partitionKey: partitions.imports, rowKey: start.id };
  const begun = iso(clock.now());
  let now: ImportState = { ...start, state: 'running', progress: 0, new: 0, known: 0, started: begun, updated: begun };
  let etag = (await table.upsertEntity({ ...key, ...columnsOf(now) }, 'Replace')).etag ?? '';
  let kept = clock.now();

  const keep = async (): Promise<void> => {
    now = { ...now, updated: iso(clock.now()) };
    kept = clock.now();
    etag = (await table.updateEntity({ ...key, ...columnsOf(now) }, 'Replace', { etag })).etag ?? '';
  };

  return {
    report: async (count, progress) => {
      now = { ...now, new: count.new, known: count.known, progress };
      if (clock.now() - kept >= every) await keep();
    },
    end: async (state) => {
      now = { ...now, state };
      await keep();
    },
  };
};

const columnsOf = (state: ImportState) => ({ state: JSON.stringify(state), updated: state.updated });

export const readImport = async (table: TableClient, id: string): Promise<ImportState | undefined> => {
  const row = await ifFound(table.getEntity<{ state: string }>(partitions.imports, id));
  return row && importState.parse(JSON.parse(row.state));
};
