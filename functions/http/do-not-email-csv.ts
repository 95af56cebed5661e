import { z } from 'zod';
import type { InvalidLine } from '../../lib/do-not-email/csv.ts';
import { csvHeader, csvLine, readCsv } from '../../lib/do-not-email/csv.ts';
import { importEntries } from '../../lib/do-not-email/import.ts';
import { importProgress, importState, readImport } from '../../lib/do-not-email/import-progress.ts';
import { PosternError } from '../../lib/errors.ts';
import { continuation, continuationOf } from '../../lib/http/paging.ts';
import { actorOf } from '../../lib/http/principal.ts';
import { type AnyRoute, route } from '../../lib/http/route.ts';
import type { DoNotEmailNeeds } from './do-not-email.ts';

const importId = z.string().regex(/^[A-Za-z0-9-]{1,64}$/);

/** Invalid lines told one by one; the rest is in the number. */
const mostInvalid = 1000;
const maxFile = 32 * 1024 * 1024;

export interface CsvNeeds extends Pick<DoNotEmailNeeds, 'list' | 'table' | 'audit' | 'clock'> {
  /** A new unique id of letters, digits and hyphens. */
  uniqueId(): string;
  /** See `ImportParts`. */
  wait: (milliseconds: number) => Promise<unknown>;
}

export const doNotEmailCsvRoutes = ({ list, table, audit, clock, uniqueId, wait }: CsvNeeds): AnyRoute[] => [
  route({
    name: 'importDoNotEmail',
    method: 'POST',
    path: 'api/do-not-email/import',
    access: ['Admin'],
    summary: 'Adds the addresses of a CSV file. Where time runs out it says `next`: send the same file with `after`.',
    query: z.object({
      dryRun: z.enum(['true', 'false']).default('false'),
      id: importId.optional().meta({ description: 'A name of your choice, to read the progress meanwhile.' }),
      after: continuation(z.string().max(32)).optional(),
    }),
    bodyType: 'text/csv',
    maxBody: maxFile,
    answers: {
      200: {
        description: 'What came of it. `invalid` has the first 1,000 lines, `invalidLines` counts all.',
        schema: z.object({
          id: z.string(),
          new: z.number(),
          known: z.number(),
          invalid: z.array(z.object({ line: z.number(), reason: z.string() })),
          invalidLines: z.number(),
          dryRun: z.boolean(),
          next: z.string().optional(),
        }),
      },
    },
    handle: async ({ query, body, principal }) => {
      const actor = actorOf(principal);
      const id = query.id ?? uniqueId();
      const dryRun = query.dryRun === 'true';
      const { lines, invalid } = readCsv(String(body));
      const started = { id, lines: lines.length + invalid.length, invalid: invalid.length, dryRun, actor: actor.name };
      const progress = await importProgress({ table, clock }, started);
      const detail = { lines: started.lines, invalid: invalid.length };
      const begun = dryRun
        ? undefined
        : await audit.begin({ actor, action: 'do-not-email.import', subject: id, detail });
      const run = () =>
        importEntries({ table, clock, wait })({ lines, actor: actor.name, dryRun, after: query.after }, progress);
      const done = await run().catch(async (error) => {
        // Neither may keep the other, nor the caller, from hearing of it.
        await Promise.allSettled([progress.end('failed'), begun?.end('failed')]);
        throw error;
      });
      await progress.end(done.next === undefined ? 'done' : 'part-done');
      await begun?.end('done', { new: done.new, known: done.known, complete: done.next === undefined });
      return { status: 200, body: answerOf(id, dryRun, done, invalid) };
    },
  }),
  route({
    name: 'readDoNotEmailImport',
    method: 'GET',
    path: 'api/do-not-email/import/{id}',
    access: ['Admin'],
    summary: 'How far an import is.',
    params: z.object({ id: importId }),
    answers: { 200: { description: 'The import.', schema: importState } },
    handle: async ({ params }) => {
      const found = await readImport(table, params.id);
      if (!found) throw new PosternError('not-found', 'There is no import of this id.');
      return { status: 200, body: found };
    },
  }),
  route({
    name: 'exportDoNotEmail',
    method: 'GET',
    path: 'api/do-not-email/export',
    access: ['Admin'],
    leavesTrace: true,
    summary: 'The whole list as CSV. A cell that a spreadsheet would run as a formula has an apostrophe before it.',
    answers: { 200: { description: 'The list.', type: 'text/csv' } },
    handle: async ({ principal }) => {
      const lines: string[] = [];
      for await (const entry of list.all()) lines.push(csvLine(entry));
      const detail = { entries: lines.length };
      await audit.record({ actor: actorOf(principal), action: 'do-not-email.export', subject: 'do-not-email', detail });
      return {
        status: 200,
        headers: {
          'content-type': 'text/csv; charset=utf-8',
          'content-disposition': 'attachment; filename="do-not-email.csv"',
        },
        body: csvHeader + lines.sort().join(''),
      };
    },
  }),
];

const answerOf = (
  id: string,
  dryRun: boolean,
  done: { new: number; known: number; next?: string },
  invalid: InvalidLine[],
) => ({
  id,
  new: done.new,
  known: done.known,
  invalid: invalid.slice(0, mostInvalid),
  invalidLines: invalid.length,
  dryRun,
  ...(done.next !== undefined && { next: continuationOf(done.next) }),
});
