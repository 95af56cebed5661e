import { expect, test, vi } from 'vitest';
import { watchOldestMail } from '../../functions/timer/oldest.ts';
import { hours, minutes } from '../../lib/clock.ts';
import { carrierOf, queueLanes } from '../../lib/delivery/carrier.ts';
import { newMessageId } from '../../lib/delivery/id.ts';
import { memoryLog } from '../helpers/log.ts';
import { share, stack } from '../helpers/postern.ts';
import { memoryRow } from '../helpers/row.ts';
import { ownStorage } from '../helpers/storage.ts';

const toOf = ({ envelope }: { envelope: { to: string[] } }) => envelope.to[0] ?? '';

test('with 200 ordinary mails waiting for a connection, a priority mail takes the next one that is free', async () => {
  const { put, putAll, smtp } = await stack({ settings: { limit: { connections: 1 } } });
  const ordinary = putAll(
    Array.from({ length: 200 }, (_, i) => share(`p${i}@example.com`)),
    { abreast: 200 },
  );
  await vi.waitFor(() => expect(smtp.accepted.length).toBeGreaterThan(5));
  const before = smtp.accepted.length;
  await put(share('code@example.com', { kind: 'two-factor' }), 'mail-priority');
  const place = smtp.accepted.findIndex((mail) => toOf(mail) === 'code@example.com');
  // Some went while it was on its way to the line; nobody overtook it there.
  expect(place - before).toBeLessThan(30);
  await ordinary;
  expect(smtp.accepted).toHaveLength(201);
});

test('with many ordinary mails parked, a priority mail that is parked last goes first', async () => {
  const { postern, put, putAll, workNow, smtp, time } = await stack();
  const notBefore = new Date(time.now() + minutes(30)).toISOString();
  await putAll(Array.from({ length: 40 }, (_, i) => share(`p${i}@example.com`, { notBefore })));
  await put(share('code@example.com', { kind: 'password-recovery', notBefore }), 'mail-priority');
  time.advance(minutes(29));
  await postern.timers.drain();
  time.advance(minutes(1));
  await postern.timers.drain();
  time.advance(minutes(1));
  await workNow({ abreast: 1 });
  expect(smtp.accepted.map(toOf).indexOf('code@example.com')).toBe(0);
  expect(smtp.accepted).toHaveLength(41);
});

/** The timer on real queues; a message's age is the queue's own, so only the clock is ahead. */
const watch = async () => {
  const { azure } = await ownStorage();
  const log = memoryLog();
  const seen = memoryRow<Record<string, boolean>>();
  let ahead = 0;
  const clock = { now: () => Date.now() + ahead };
  const look = watchOldestMail({ queue: azure.queue, seen, clock, log });
  const later = async (by: number) => {
    ahead += by;
    await look();
    return log.alerts().map(({ queue }) => queue);
  };
  return { azure, log, later, lanes: queueLanes(azure.queue) };
};

test('mail that nobody takes is told once a lane: priority mail after two minutes, other mail after fifteen', async () => {
  const { azure, lanes, later, log } = await watch();
  await lanes.send('mail', share('ana@example.com'));
  await lanes.send('mail-priority', share('code@example.com', { kind: 'two-factor' }));
  expect(await later(minutes(1))).toEqual([]);
  expect(await later(minutes(2))).toEqual(['mail-priority']);
  expect(await later(minutes(5))).toEqual(['mail-priority']);
  expect(await later(minutes(10))).toEqual(['mail-priority', 'mail']);
  expect(log.alerts().at(-1)).toMatchObject({ event: 'postern.mail.oldest', waitedMinutes: 18 });
  expect(await later(minutes(10))).toHaveLength(2);

  // It caught up, and fell behind again.
  await azure.queue('mail-priority').clearMessages();
  await later(0);
  await lanes.send('mail-priority', share('code@example.com', { kind: 'two-factor' }));
  expect(await later(minutes(5))).toHaveLength(3);
});

test('a retry that was put on the queue hours before its time is not late when its time comes', async () => {
  const { lanes, later } = await watch();
  await lanes.send('mail', carrierOf(`${newMessageId(0)}-0`, 3));
  expect(await later(hours(6))).toEqual([]);
});

test('what lies on a poison queue is told, also where it is not even Base64', async () => {
  const { azure, later } = await watch();
  await azure.queue('mail-poison').sendMessage('{ not base64');
  expect(await later(minutes(16))).toEqual(['mail-poison']);
});
