import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { minutes, seconds } from '../../lib/clock.ts';
import { horizon, type Pace, type PaceState, pace } from '../../lib/limit/pace.ts';
import type { LimitSettings } from '../../lib/limit/window.ts';
import { memoryRow } from '../helpers/row.ts';
import { manualTime } from '../helpers/time.ts';

const at = (perMinute: number): LimitSettings => ({ per24Hours: 0, priorityReserve: 0, perMinute, connections: 3 });

/** The most times in any span of so many milliseconds. */
const mostIn = (span: number, times: number[]): number => {
  const sorted = [...times].sort((a, b) => a - b);
  return Math.max(0, ...sorted.map((start) => sorted.filter((time) => time >= start && time < start + span).length));
};

const setting = (count: number, turns: number[] = [0], skews: number[] = []) => {
  const time = manualTime();
  let turn = 0;
  const row = memoryRow<PaceState>(async () => {
    const rounds = turns[turn++ % turns.length] ?? 0;
    time.advance(rounds * 7);
    for (let i = 0; i < rounds; i++) await Promise.resolve();
  });
  const rooms = Array.from({ length: count }, (_, i) => pace({ row, clock: time.skewed(skews[i] ?? 0) }));
  return { time, row, rooms };
};

const held = async (room: Pace | undefined, perMinute: number): Promise<number[]> => {
  const slot = await room?.wait(at(perMinute));
  return slot?.held ? [slot.at] : [];
};

const steps = fc.array(
  fc.record({
    advance: fc.oneof(
      fc.constant(0),
      fc.nat(seconds(3)),
      fc.nat(seconds(20)),
      fc.integer({ min: seconds(55), max: seconds(65) }),
    ),
    asked: fc.array(fc.nat(3), { maxLength: 15 }),
  }),
  { minLength: 5, maxLength: 40 },
);
const turns = fc.array(fc.nat(5), { minLength: 1, maxLength: 30 });

const run = async (
  perMinute: number,
  turns: number[],
  skews: number[],
  plan: { advance: number; asked: number[] }[],
) => {
  const { time, rooms } = setting(4, turns, skews);
  const times: number[] = [];
  for (const { advance, asked } of plan) {
    time.advance(advance);
    const slots = await Promise.all(
      asked.map(async (n) => {
        const found = await held(rooms[n], perMinute);
        // The mail goes when the slot comes by its own instance's clock.
        return found.map((slot) => slot - (skews[n] ?? 0));
      }),
    );
    times.push(...slots.flat());
  }
  return times;
};

describe('the pace', () => {
  test('is off at 0, without a storage operation', async () => {
    const { time, row, rooms } = setting(1);
    expect(await rooms[0]?.wait(at(0))).toEqual({ at: time.now(), held: true });
    expect(row.operations()).toBe(0);
  });

  test('never lets more than its mails a minute go in any 60 seconds, whatever instances ask when', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 90 }), turns, steps, async (perMinute, turns, plan) => {
        expect(mostIn(minutes(1), await run(perMinute, turns, [], plan))).toBeLessThanOrEqual(perMinute);
      }),
      { numRuns: 150 },
    );
  });

  test('with clocks that differ, exceeds a minute by no more than their difference is worth', async () => {
    const skews = fc.array(fc.integer({ min: -seconds(1), max: seconds(1) }), { minLength: 4, maxLength: 4 });
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 90 }), turns, skews, steps, async (perMinute, turns, skews, plan) => {
        const most = mostIn(minutes(1), await run(perMinute, turns, skews, plan));
        expect(most).toBeLessThanOrEqual(perMinute + Math.ceil(perMinute / 30) + 1);
      }),
      { numRuns: 150 },
    );
  });

  test('a mail alone goes at once', async () => {
    const { time, rooms } = setting(2);
    expect(await rooms[0]?.wait(at(30))).toEqual({ at: time.now(), held: true });
    time.advance(seconds(30));
    expect(await rooms[1]?.wait(at(30))).toEqual({ at: time.now(), held: true });
  });

  test('mails that come together are spaced evenly, and nothing is held further ahead than a process may wait', async () => {
    const { time, rooms } = setting(2);
    const slots = await Promise.all(Array.from({ length: 20 }, (_, i) => rooms[i % 2]?.wait(at(30))));
    const kept = slots.filter((slot) => slot?.held).map((slot) => (slot?.at ?? 0) - time.now());
    expect(kept.sort((a, b) => a - b)).toEqual([0, 2, 4, 6, 8, 10].map(seconds));
    const parked = slots.filter((slot) => slot && !slot.held).map((slot) => slot?.at ?? 0);
    expect(parked).toHaveLength(14);
    for (const until of parked) expect(until).toBeGreaterThan(time.now() + horizon);
    // Each instance tells its mails different times to come back at.
    expect(new Set(parked).size).toBeGreaterThanOrEqual(7);
  });

  test('uses its whole pace under load, at a fraction of an operation a mail', async () => {
    const { time, row, rooms } = setting(1);
    const times: number[] = [];
    for (let second = 0; second < 300; second++) {
      for (let asked = 0; asked < 12; asked++) times.push(...(await held(rooms[0], 600)));
      time.advance(seconds(1));
    }
    expect(times.length).toBeGreaterThanOrEqual(2_950);
    expect(row.operations() / times.length).toBeLessThan(0.15);
  });

  test('a changed pace holds from the next mail on', async () => {
    const { rooms } = setting(1);
    const first = await rooms[0]?.wait(at(60));
    await rooms[0]?.wait(at(60));
    const slow = await rooms[0]?.wait(at(6));
    expect(slow?.at).toBeGreaterThanOrEqual((first?.at ?? 0) + seconds(10));
  });

  test('a slot far ahead, from a clock gone wild, does not stop the mail', async () => {
    const { time, row, rooms } = setting(1);
    await row.write({ v: 1, last: time.now() + minutes(600) }, undefined);
    expect(await rooms[0]?.wait(at(30))).toEqual({ at: time.now(), held: true });
  });
});
