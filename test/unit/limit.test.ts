import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { hours, minutes, seconds } from '../../lib/clock.ts';
import { type RollingLimit, rollingLimit } from '../../lib/limit/limit.ts';
import type { Unit } from '../../lib/limit/taken.ts';
import {
  aged,
  allowedSkew,
  countedIn,
  emptyWindow,
  isRaised,
  type LimitSettings,
  leased,
  settled as settledLease,
  type Window,
  windowSchema,
} from '../../lib/limit/window.ts';
import type { KindClass } from '../../lib/message/kinds.ts';
import { memoryLog } from '../helpers/log.ts';
import { memoryRow, type WriteFate } from '../helpers/row.ts';
import { manualTime, settled } from '../helpers/time.ts';

const limitOf = (per24Hours: number, priorityReserve = 0, perMinute = 0): LimitSettings => ({
  per24Hours,
  priorityReserve,
  perMinute,
  connections: 3,
});

const setting = (fates: WriteFate[] = []) => {
  const time = manualTime();
  const log = memoryLog();
  const row = memoryRow<Window>(undefined, () => fates.shift() ?? 'done');
  const instance = () => rollingLimit({ row, clock: time, log, after: time.after });
  return { time, log, row, instance };
};

const taken = async (room: RollingLimit, limit: LimitSettings, kindClass: KindClass = 'ordinary'): Promise<Unit> => {
  const answer = await room.take(kindClass, limit);
  if (!answer.ok) throw new Error(answer.detail);
  return answer.unit;
};

const takeAll = async (room: RollingLimit, limit: LimitSettings, kindClass: KindClass = 'ordinary') => {
  const units: Unit[] = [];
  for (;;) {
    const answer = await room.take(kindClass, limit);
    if (!answer.ok) return { units, refusal: answer };
    units.push(answer.unit);
  }
};

describe('the limit', () => {
  test('law 3: what went while no limit was set counts when one is set', async () => {
    const { row, time, instance } = setting();
    const room = instance();
    await Promise.all(Array.from({ length: 50 }, () => taken(room, limitOf(0))));
    expect(row.operations()).toBeLessThan(8);
    expect(await room.usage(limitOf(0))).toMatchObject({ used: 50 });
    time.advance(minutes(1));
    expect(await room.take('ordinary', limitOf(50))).toMatchObject({ ok: false, reason: 'limit' });
    expect(await room.take('ordinary', limitOf(60))).toMatchObject({ ok: true });
  });

  test('off at 0 it still hears within a minute that another instance closed the tap, or opened it', async () => {
    const { time, instance } = setting();
    const [one, other] = [instance(), instance()];
    await taken(one, limitOf(0));
    await other.quotaHit(time.now() + hours(2), '452 4.5.3 quota');
    time.advance(minutes(1));
    expect(await one.take('ordinary', limitOf(0))).toMatchObject({ ok: false, reason: 'relay-quota' });
    await other.openTap();
    time.advance(seconds(5));
    expect(await one.take('ordinary', limitOf(0))).toMatchObject({ ok: true });
  });

  test('costs a handful of operations for a thousand mails', async () => {
    const { row, instance } = setting();
    const room = instance();
    for (let i = 0; i < 1000; i++) await taken(room, limitOf(10_000));
    expect(row.operations()).toBeLessThanOrEqual(8);
  });

  test('trap: many workers that ask at once get the limit and not one more', async () => {
    const { instance } = setting();
    const rooms = Array.from({ length: 8 }, instance);
    const answers = await Promise.all(
      rooms.flatMap((room) => Array.from({ length: 20 }, () => room.take('ordinary', limitOf(100)))),
    );
    const rest = await Promise.all(rooms.map((room) => takeAll(room, limitOf(100))));
    const through = answers.filter((answer) => answer.ok).length;
    expect(through + rest.reduce((sum, { units }) => sum + units.length, 0)).toBe(100);
  });

  test('trap: a refused mail gives its unit back, once; an unknown outcome keeps it', async () => {
    const { instance } = setting();
    const room = instance();
    const { units } = await takeAll(room, limitOf(10));
    await units[0]?.giveBack();
    await units[0]?.giveBack();
    const again = await takeAll(room, limitOf(10));
    expect(again.units).toHaveLength(1);
  });

  test('a unit given back after its lease has ended is free for another instance', async () => {
    const { time, instance } = setting();
    const first = instance();
    const { units } = await takeAll(first, limitOf(10));
    time.advance(seconds(90));
    await settled();
    await units[3]?.giveBack();
    await units[4]?.giveBack();
    time.advance(seconds(10));
    await settled();
    expect((await takeAll(instance(), limitOf(10))).units).toHaveLength(2);
  });

  test('trap: midnight changes nothing', async () => {
    const { time, instance } = setting();
    time.advance(Date.parse('2026-11-22T23:58:00Z') - time.now());
    const room = instance();
    expect((await takeAll(room, limitOf(20))).units).toHaveLength(20);
    time.advance(minutes(4));
    await settled();
    expect((await takeAll(room, limitOf(20))).units).toHaveLength(0);
  });

  test('trap: over the limit is a time to come back at, and then a unit is free', async () => {
    const { time, instance } = setting();
    const room = instance();
    const { refusal } = await takeAll(room, limitOf(5));
    expect(refusal).toMatchObject({ ok: false, reason: 'limit' });
    expect(refusal.until - time.now()).toBeGreaterThan(hours(24));
    expect(refusal.until - time.now()).toBeLessThan(hours(24) + minutes(10));
    time.advance(refusal.until - time.now());
    await settled();
    expect(await room.take('ordinary', limitOf(5))).toMatchObject({ ok: true });
  });

  test('a thousand mails over the limit cost one read in five seconds', async () => {
    const { row, instance } = setting();
    const room = instance();
    await takeAll(room, limitOf(5));
    const before = row.operations();
    for (let i = 0; i < 1000; i++) expect(await room.take('ordinary', limitOf(5))).toMatchObject({ ok: false });
    expect(row.operations() - before).toBeLessThanOrEqual(1);
  });

  test('raised or switched off, it lets mail through at once', async () => {
    const { instance } = setting();
    const room = instance();
    await takeAll(room, limitOf(5));
    expect((await takeAll(room, limitOf(8))).units).toHaveLength(3);
    await taken(room, limitOf(0));
    expect(isRaised(limitOf(5), limitOf(8))).toBe(true);
    expect(isRaised(limitOf(5), limitOf(0))).toBe(true);
    expect(isRaised(limitOf(5, 2), limitOf(5, 1))).toBe(true);
    expect(isRaised(limitOf(5, 0, 30), limitOf(5, 0, 60))).toBe(true);
    expect(isRaised(limitOf(0), limitOf(5))).toBe(false);
    expect(isRaised(limitOf(8), limitOf(5))).toBe(false);
  });

  test('keeps its reserve for priority mail', async () => {
    const { instance } = setting();
    const rooms = [instance(), instance()];
    const ordinary = await Promise.all(rooms.map((room) => takeAll(room, limitOf(50, 10))));
    expect(ordinary.reduce((sum, { units }) => sum + units.length, 0)).toBe(40);
    expect(ordinary[0]?.refusal.detail).toContain('10 kept for priority mail');
    const priority = await Promise.all(rooms.map((room) => takeAll(room, limitOf(50, 10), 'priority')));
    expect(priority.reduce((sum, { units }) => sum + units.length, 0)).toBe(10);
  });

  test('priority mail may use what its process leased for ordinary mail', async () => {
    const { instance } = setting();
    const [one, other] = [instance(), instance()];
    await taken(one, limitOf(64));
    const rest = (await takeAll(other, limitOf(64))).units.length;
    const priority = (await takeAll(one, limitOf(64), 'priority')).units.length;
    expect(1 + rest + priority).toBe(64);
    expect(priority).toBeGreaterThan(0);
  });

  test.each<WriteFate>([
    'answer lost',
    'met itself',
  ])('a write whose answer was lost leaks nothing (%s)', async (fate) => {
    const { time, row, instance } = setting([fate]);
    const room = instance();
    const first = await room.take('ordinary', limitOf(64)).catch((error: Error) => error.message);
    expect(first).toEqual(
      fate === 'met itself' ? { ok: true, unit: expect.anything() } : expect.stringContaining('broke'),
    );
    time.advance(minutes(2));
    await settled();
    expect(countedIn(row.now() ?? emptyWindow)).toBe(fate === 'met itself' ? 1 : 0);
  });

  test('what a process leased and never used returns by itself, and after close at once', async () => {
    const { time, row, instance } = setting();
    const room = instance();
    await taken(room, limitOf(800));
    expect(countedIn(row.now() ?? emptyWindow)).toBe(8);
    time.advance(seconds(62));
    await settled();
    expect(countedIn(row.now() ?? emptyWindow)).toBe(1);
    await taken(room, limitOf(800));
    await room.close();
    expect(countedIn(row.now() ?? emptyWindow)).toBe(2);
  });

  test('warns at 80 and at 100 percent once for all instances, and again only after it fell well below', async () => {
    const { time, log, instance } = setting();
    const rooms = [instance(), instance(), instance()];
    const day = async () => {
      for (let i = 0; i < 120; i++) await rooms[i % 3]?.take('ordinary', limitOf(100));
    };
    await day();
    expect(log.alerts().map(({ event, stops }) => [event, stops])).toEqual([
      ['postern.limit.warning', 'nothing yet'],
      ['postern.limit.reached', 'all mail'],
    ]);
    time.advance(hours(25));
    await settled();
    await day();
    expect(log.alerts()).toHaveLength(4);
  });

  test('tells when only the reserve is left', async () => {
    const { log, instance } = setting();
    await takeAll(instance(), limitOf(100, 30));
    expect(log.alerts().map(({ stops }) => stops)).toEqual(['ordinary mail']);
  });
});

describe("the relay's own quota", () => {
  test('closes the tap for all until its window moves, with one alert', async () => {
    const { time, log, instance } = setting();
    const [one, other] = [instance(), instance()];
    const until = time.now() + hours(4);
    await one.quotaHit(until, '554 5.2.0 SubmissionQuotaExceeded');
    await other.quotaHit(until + seconds(1), '554 5.2.0 SubmissionQuotaExceeded');
    for (const limit of [limitOf(0), limitOf(100)]) {
      expect(await one.take('priority', limit)).toMatchObject({ ok: false, reason: 'relay-quota', until });
      expect(await other.take('ordinary', limit)).toMatchObject({ ok: false, reason: 'relay-quota', until });
    }
    expect((await one.usage(limitOf(100))).tap).toMatchObject({ reply: '554 5.2.0 SubmissionQuotaExceeded' });
    expect(log.alerts()).toMatchObject([{ event: 'postern.limit.reached', by: 'relay' }]);
    time.advance(hours(4));
    expect(await one.take('ordinary', limitOf(0))).toMatchObject({ ok: true });
    expect(await other.take('ordinary', limitOf(100))).toMatchObject({ ok: true });
  });

  test('an admin can open it again, and others hear of it within seconds', async () => {
    const { time, instance } = setting();
    const [one, other] = [instance(), instance()];
    await one.quotaHit(time.now() + hours(4), '554 5.2.0 SubmissionQuotaExceeded');
    expect(await other.openTap()).toBe(true);
    expect(await other.openTap()).toBe(false);
    time.advance(seconds(5));
    await taken(one, limitOf(100));
  });
});

describe('usage', () => {
  test('shows each mail as one, although units are leased in blocks', async () => {
    const { time, instance } = setting();
    const room = instance();
    await taken(room, limitOf(1000, 50));
    await taken(room, limitOf(1000, 50), 'priority');
    const usage = await room.usage(limitOf(1000, 50));
    expect(usage).toMatchObject({ limit: 1000, used: 2, held: 0, left: 998, reserve: 50 });
    expect(usage.byHour).toHaveLength(24);
    expect(usage.byHour[23]).toBe(2);
    expect(usage.forecast.sentence).toBe('At the pace of the last hour the limit is not reached in the next 24 hours.');
    time.advance(minutes(2));
    await settled();
    time.advance(hours(3));
    const later = await room.usage(limitOf(1000, 50));
    expect(later.byHour[20]).toBe(2);
    expect(Date.parse(later.nextFreeAt ?? '') - time.now()).toBeGreaterThan(hours(21));
  });

  test('foretells when ordinary and when priority mail stops', async () => {
    const { time, instance } = setting();
    const room = instance();
    const limit = limitOf(300, 60);
    for (let minute = 0; minute < 60; minute++) {
      await taken(room, limit);
      await taken(room, limit);
      if (minute % 3 === 0) await taken(room, limit, 'priority');
      time.advance(minutes(1));
      await settled();
    }
    const { forecast } = await room.usage(limit);
    // 140 in the hour: 100 are left for ordinary mail, 43 minutes; then 60 of the reserve at 20 an hour.
    const stop = (Date.parse(forecast.ordinaryStopsAt ?? '') - time.now()) / minutes(1);
    expect(stop).toBeGreaterThan(35);
    expect(stop).toBeLessThan(55);
    const end = (Date.parse(forecast.priorityStopsAt ?? '') - time.now()) / minutes(1);
    expect(end - stop).toBeGreaterThan(150);
    expect(end - stop).toBeLessThan(210);
    expect(forecast.sentence).toMatch(
      /^Ordinary mail stops at about 10:\d\d UTC; priority mail goes on until about 1\d:\d\d UTC\.$/,
    );
  });

  test('a dry run tells the verdict and counts nothing', async () => {
    const { row, instance } = setting();
    const room = instance();
    expect(await room.look('ordinary', limitOf(10, 2))).toEqual({ ok: true, left: 8 });
    expect(row.now()).toBeUndefined();
    await takeAll(room, limitOf(10, 2));
    expect(await room.look('ordinary', limitOf(10, 2))).toMatchObject({ ok: false, reason: 'limit' });
    expect(await room.look('priority', limitOf(10, 2))).toEqual({ ok: true, left: 2 });
  });
});

describe('the window', () => {
  test('fits into one column of a table with as many leases and buckets as it may ever hold', () => {
    let window = emptyWindow;
    const start = Date.parse('2026-11-22T00:00:00Z');
    for (let n = 0; n < 600; n++) {
      const now = start + n * minutes(2.4);
      window = leased(window, { id: `iAbCdEfGh.${n}`, kindClass: 'ordinary', units: 9999, now, handOver: minutes(9) });
    }
    const later = {
      ...window,
      leases: Object.fromEntries(
        Object.entries(window.leases).map(([id, lease]) => [id, { ...lease, ends: start + hours(24) }]),
      ),
    };
    const kept = aged(later, start + hours(24), minutes(9));
    expect(Object.keys(kept.leases)).toHaveLength(400);
    expect(JSON.stringify(z.encode(windowSchema, kept)).length).toBeLessThan(32_000);
  });

  test('is not moved by a clock within the allowed skew, and what a wild clock wrote leaves with the window', () => {
    const lease = { id: 'a', kindClass: 'ordinary', units: 3, handOver: minutes(2) } as const;
    fc.assert(
      fc.property(fc.nat(minutes(10)), fc.nat(2 * allowedSkew), (offset, behind) => {
        const now = hours(100_000) + offset;
        const window = leased(emptyWindow, { ...lease, now });
        expect(aged(window, now - behind, minutes(2)).buckets).toEqual(window.buckets);
      }),
    );
    const now = hours(100_000);
    const wild = aged(leased(emptyWindow, { ...lease, now: now + hours(500) }), now, minutes(2));
    expect(countedIn(aged(wild, now + minutes(1), minutes(2)))).toBe(3);
    expect(countedIn(aged(wild, now + hours(24) + minutes(15), minutes(2)))).toBe(0);
  });

  test('a lease can only give back, and saying it twice changes nothing', () => {
    const now = hours(100_000);
    const window = leased(emptyWindow, { id: 'a', kindClass: 'priority', units: 9, now, handOver: minutes(2) });
    const once = settledLease(window, 'a', 4);
    expect(countedIn(once)).toBe(4);
    expect(settledLease(once, 'a', 4)).toEqual(once);
    expect(countedIn(settledLease(once, 'a', 7))).toBe(4);
    expect(countedIn(settledLease(once, 'unknown', 0))).toBe(4);
  });
});
