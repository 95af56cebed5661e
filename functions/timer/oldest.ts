import type { TableClient } from '@azure/data-tables';
import type { QueueClient } from '@azure/storage-queue';
import { z } from 'zod';
import { alerts } from '../../lib/alerts.ts';
import { type Clock, iso, minutes } from '../../lib/clock.ts';
import { carrier, returned } from '../../lib/delivery/carrier.ts';
import { parseJson } from '../../lib/json.ts';
import type { Log } from '../../lib/log.ts';
import { lanes } from '../../lib/message/kinds.ts';
import { changeRow, type Row, tableRow } from '../../lib/storage/row.ts';

/** How old the oldest visible message of a queue may become before somebody should look. */
const patience: Record<string, number> = {
  [lanes.priority]: minutes(2),
  [lanes.ordinary]: minutes(15),
  [`${lanes.priority}-poison`]: minutes(15),
  [`${lanes.ordinary}-poison`]: minutes(15),
};

/** As many as the service shows at once. */
const peeked = 32;

const seenSchema = z.record(z.string(), z.boolean());
/** Which queues are known to be late, so that a crossing is told once: table `relay`. */
export const oldestSeen = (table: TableClient): Row<Record<string, boolean>> =>
  tableRow(table, { partitionKey: 'watch', rowKey: 'oldest' }, seenSchema);

interface Parts {
  queue(name: string): Pick<QueueClient, 'peekMessages'>;
  seen: Row<Record<string, boolean>>;
  clock: Clock;
  log: Log;
}

/**
 * Tells when mail lies on a queue without anybody taking it: an app that is stopped, a trigger that is broken, a relay
 * that is too slow. One alert line a queue as it becomes late, and none again until it has caught up. It peeks, so that
 * no message is hidden or counted as delivered.
 */
export const watchOldestMail =
  ({ queue, seen, clock, log }: Parts) =>
  async (): Promise<void> => {
    const late = await Promise.all(
      Object.entries(patience).map(async ([name, most]) => {
        const oldest = await oldestOn(queue(name));
        return { name, oldest, late: oldest !== undefined && clock.now() - oldest > most };
      }),
    );
    const { result: news } = await changeRow(seen, undefined, (before = {}) => {
      const news = late.filter((it) => it.late !== (before[it.name] ?? false));
      const now = Object.fromEntries(late.map((it) => [it.name, it.late]));
      return news.length > 0 ? { value: now, result: news } : { result: news };
    });
    for (const { name, oldest = 0 } of news.filter((it) => it.late)) {
      const waitedMinutes = Math.floor((clock.now() - oldest) / minutes(1));
      log.alert(alerts.oldestMail, { queue: name, since: iso(oldest), waitedMinutes });
    }
  };

/** When the oldest message came that may be taken since it came, in milliseconds. */
const oldestOn = async (queue: Pick<QueueClient, 'peekMessages'>): Promise<number | undefined> => {
  const { peekedMessageItems } = await queue.peekMessages({ numberOfMessages: peeked });
  const times = peekedMessageItems
    .filter(({ messageText }) => !wasHeldBack(messageText))
    .map(({ insertedOn }) => insertedOn.getTime());
  return times.length > 0 ? Math.min(...times) : undefined;
};

/** Mail for a later attempt was put there hours before it may be taken, so its age says nothing. */
const wasHeldBack = (text: string): boolean => {
  const json = parseJson(Buffer.from(text, 'base64').toString('utf8'));
  if (!('value' in json)) return false;
  const { data } = carrier.safeParse(json.value);
  return data
    ? data.carrier.attempt > 1 || data.carrier.postponed !== undefined
    : returned.safeParse(json.value).success;
};
