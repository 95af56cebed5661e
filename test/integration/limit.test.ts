import { expect, test } from 'vitest';
import { hours, seconds, systemClock } from '../../lib/clock.ts';
import { rollingLimit, windowRow } from '../../lib/limit/limit.ts';
import { pace, paceRow } from '../../lib/limit/pace.ts';
import { allowedSkew, type LimitSettings } from '../../lib/limit/window.ts';
import type { Row } from '../../lib/storage/row.ts';
import { memoryLog } from '../helpers/log.ts';
import { ownStorage } from '../helpers/storage.ts';
import { manualTime } from '../helpers/time.ts';

const limitOf = (per24Hours: number, perMinute = 0): LimitSettings => ({
  per24Hours,
  priorityReserve: 0,
  perMinute,
  connections: 3,
});

/** The real row, with its operations counted. */
const counted = <T>(row: Row<T>) => {
  let operations = 0;
  const count = <A extends unknown[], R>(call: (...given: A) => R) => {
    return (...given: A): R => {
      operations += 1;
      return call(...given);
    };
  };
  return { row: { read: count(row.read), write: count(row.write) } satisfies Row<T>, operations: () => operations };
};

test('law 3: instances with skewed clocks, some of which die, share one limit on the real table', async () => {
  const { azure } = await ownStorage();
  const time = manualTime();
  const log = memoryLog();
  const start = (skew: number) =>
    rollingLimit({ row: windowRow(azure.table('limit')), clock: time.skewed(skew), log, after: time.after });
  const skews = [-allowedSkew, 0, allowedSkew, 0];
  let rooms = skews.map(start);
  const day = async (): Promise<number> => {
    let through = 0;
    for (let round = 0; round < 6; round++) {
      const answers = await Promise.all(
        rooms.flatMap((room) => Array.from({ length: 25 }, () => room.take('ordinary', limitOf(300)))),
      );
      through += answers.filter((answer) => answer.ok).length;
      time.advance(seconds(20));
      if (round === 2) rooms = [...rooms.slice(1), start(allowedSkew)];
    }
    return through;
  };
  const first = await day();
  expect(first).toBeLessThanOrEqual(300);
  expect(first).toBeGreaterThanOrEqual(250);
  time.advance(hours(23));
  expect((await day()) + first).toBeLessThanOrEqual(300);
  time.advance(hours(25));
  const second = await day();
  expect(second).toBeLessThanOrEqual(300);
  expect(second).toBeGreaterThanOrEqual(250);
  expect(log.alerts().map(({ event }) => event)).toEqual([
    'postern.limit.warning',
    'postern.limit.reached',
    'postern.limit.warning',
    'postern.limit.reached',
  ]);
});

test('a thousand mails under a limit of 10,000 cost a handful of table operations', async () => {
  const { azure } = await ownStorage();
  const { row, operations } = counted(windowRow(azure.table('limit')));
  const room = rollingLimit({ row, clock: systemClock, log: memoryLog() });
  for (let batch = 0; batch < 62; batch++) {
    await Promise.all(Array.from({ length: 16 }, () => room.take('ordinary', limitOf(10_000))));
  }
  expect(operations()).toBeLessThanOrEqual(8);
  expect(await room.usage(limitOf(10_000))).toMatchObject({ used: 992, left: 9_008 });
  await room.close();
  const restarted = rollingLimit({ row, clock: systemClock, log: memoryLog() });
  expect(await restarted.usage(limitOf(10_000))).toMatchObject({ used: 992, held: 0 });
});

test('instances share one pace on the real table', async () => {
  const { azure } = await ownStorage();
  const time = manualTime();
  const { row, operations } = counted(paceRow(azure.table('limit')));
  const rooms = [pace({ row, clock: time }), pace({ row, clock: time })];
  const slots = await Promise.all(Array.from({ length: 60 }, (_, i) => rooms[i % 2]?.wait(limitOf(0, 300))));
  const kept = slots.filter((slot) => slot?.held).map((slot) => slot?.at ?? 0);
  expect(kept).toHaveLength(51);
  expect(kept.sort((a, b) => a - b)).toEqual(kept.map((_, i) => time.now() + i * 200));
  expect(operations()).toBeLessThanOrEqual(10);
});
