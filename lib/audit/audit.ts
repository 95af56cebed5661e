import { randomUUID } from 'node:crypto';
import { odata, type TableClient } from '@azure/data-tables';
import { z } from 'zod';
import { type Clock, days, iso } from '../clock.ts';
import { deleteRows } from '../storage/delete-rows.ts';
import { readPage } from '../storage/page.ts';
import { isStale } from '../storage/table.ts';

/** Everything that an admin, or somebody by an admin's page, can have done. */
export const auditActions = [
  'settings.save',
  'settings.check',
  'test-email',
  'oauth.start',
  'oauth.connect',
  'oauth.disconnect',
  'do-not-email.add',
  'do-not-email.remove',
  'do-not-email.import',
  'do-not-email.export',
  'do-not-email.unsubscribe',
  'do-not-email.undo',
  'do-not-email.dismiss',
  'delivery.resend',
  'delivery.cancel',
  'delivery.mark-sent',
  'relay.pause',
  'relay.resume',
  'relay.probe',
] as const;
export type AuditAction = (typeof auditActions)[number];

export const auditEntry = z
  .object({
    id: z.string(),
    at: z.iso.datetime(),
    actor: z.object({ id: z.string(), name: z.string() }),
    action: z.enum(auditActions),
    subject: z.string().meta({ description: 'What it was done to, e.g. an address, a delivery, `settings`.' }),
    detail: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])).meta({
      description:
        '`outcome`, where there is one, tells how the act ended. `done`. `not-done`: nothing was changed, since somebody ' +
        'else was faster or it was so already. `failed`: it broke off, and a part of it may be done. `begun`: its end was ' +
        'never told, because of an error or since its process died. After the last two, what it was done to tells ' +
        'whether it was done.',
    }),
  })
  .meta({ id: 'AuditEntry' });
export type AuditEntry = z.output<typeof auditEntry>;

export interface NewEntry {
  actor: { id: string; name: string };
  action: AuditAction;
  subject: string;
  /** Flat and short; values longer than 1,000 characters are cut. Never a secret, nor a mail's content. */
  detail?: Record<string, string | number | boolean> | undefined;
}

export interface AuditLog {
  /** Adds an entry. It is written before the caller answers, so that nothing done goes unrecorded. */
  record(entry: NewEntry): Promise<AuditEntry>;
  /**
   * Adds the entry of an act that is about to be tried, with `outcome: 'begun'` in its detail. An act that throws, or
   * whose process dies in it, keeps that unless its caller tells better: whether it was done shows in what it was done to.
   */
  begin(entry: NewEntry): Promise<Begun>;
  /** Newest first. @param limit entries at most. @returns `next` where there may be more, even after no entry. */
  list(asked: {
    limit: number;
    after?: string | undefined;
    subject?: string | undefined;
  }): Promise<{ entries: AuditEntry[]; next?: string | undefined }>;
  /** Deletes entries of the days before the one of `before` (milliseconds), at most so many. @returns how many went */
  ageOut(before: number, most: number): Promise<number>;
}

/**
 * How an act ended. `not-done`: nothing was changed, since somebody else was faster or it was so already. `failed`: it
 * broke off, and a part of it may be done.
 */
export type Ending = 'done' | 'not-done' | 'failed';

export interface Begun {
  /** Called once. @param more what is known only now */
  end(outcome: Ending, more?: NewEntry['detail']): Promise<void>;
}

interface Row {
  actorId: string;
  actorName: string;
  action: AuditAction;
  subject: string;
  detail: string;
  at: string;
}

interface Needs {
  table: TableClient;
  clock: Clock;
  /** A new unique text, to tell entries of one millisecond apart. */
  uniqueId?: () => string;
}

/**
 * Who did what, and when. Rows are only ever added; that of an act that was begun is told once how it ended. Days and
 * times count down in the keys, since a table lists upwards and the newest is wanted first; one partition a day ages out
 * cheaply.
 */
export const auditLog = ({ table, clock, uniqueId = randomUUID }: Needs): AuditLog => {
  // Entries of one process that fall into one millisecond keep their order.
  let written = 0;
  const add = async ({ actor, action, subject, detail = {} }: NewEntry) => {
    const now = clock.now();
    const id = uniqueId();
    const row = {
      partitionKey: dayKey(now),
      rowKey: `${timeKey(now)}${String(9999 - (written++ % 10_000)).padStart(4, '0')}-${id}`,
      actorId: actor.id,
      actorName: actor.name,
      action,
      subject: subject.slice(0, 1000),
      detail: JSON.stringify(shortened(detail)),
      at: iso(now),
    } satisfies Row & Keys;
    const { etag = '' } = await table.createEntity(row);
    return { row, etag };
  };

  return {
    record: async (entry) => entryOf((await add(entry)).row),
    begin: async (entry) => {
      const { row, etag } = await add({ ...entry, detail: { ...entry.detail, outcome: 'begun' } });
      return {
        end: async (outcome, more = {}) => {
          const detail = JSON.stringify({ ...JSON.parse(row.detail), ...shortened(more), outcome });
          try {
            await table.updateEntity({ ...row, detail }, 'Replace', { etag });
          } catch (error) {
            // Nobody else writes it: the client's own repetition met its first try, whose answer was lost.
            if (!isStale(error)) throw error;
          }
        },
      };
    },
    list: async ({ limit, after, subject }) => {
      const query = subject === undefined ? {} : { filter: odata`subject eq ${subject}` };
      const { items, next } = await readPage<Row, AuditEntry>(table, query, { size: limit, after }, async (row) =>
        entryOf(row),
      );
      return { entries: items, next };
    },
    ageOut: (before, most) => deleteRows(table, odata`PartitionKey gt ${dayKey(before)}`, most),
  };
};

interface Keys {
  partitionKey: string;
  rowKey: string;
}

const entryOf = (row: Row & { rowKey?: string }): AuditEntry => ({
  id: String(row.rowKey).replace(/^\d+-/, ''),
  at: row.at,
  actor: { id: row.actorId, name: row.actorName },
  action: row.action,
  subject: row.subject,
  detail: JSON.parse(row.detail),
});

const shortened = (detail: NonNullable<NewEntry['detail']>) =>
  Object.fromEntries(
    Object.entries(detail).map(([key, value]) => [key, typeof value === 'string' ? value.slice(0, 1000) : value]),
  );

const dayKey = (now: number): string => String(999_999 - Math.floor(now / days(1))).padStart(6, '0');
const timeKey = (now: number): string => String(9_999_999_999_999 - now).padStart(13, '0');
