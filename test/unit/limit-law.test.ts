import fc from 'fast-check';
import { expect, test } from 'vitest';
import { hours, minutes, seconds } from '../../lib/clock.ts';
import { type RollingLimit, rollingLimit } from '../../lib/limit/limit.ts';
import { allowedSkew, type LimitSettings, leaseLength, type Window } from '../../lib/limit/window.ts';
import type { KindClass } from '../../lib/message/kinds.ts';
import { memoryLog } from '../helpers/log.ts';
import { memoryRow, type WriteFate } from '../helpers/row.ts';
import { manualTime, settled } from '../helpers/time.ts';

const handOver = minutes(2);

interface Send {
  instance: number;
  kindClass: KindClass;
  /** From taking the unit to the moment the relay counts the mail. */
  delay: number;
  end: 'accepted' | 'unknown' | 'refused';
}

type Step = { advance: number } | { send: Send[] } | { crash: number; skew: number; during: Send[] };

const anInstance = fc.nat(3);
const aSkew = fc.oneof(
  fc.constantFrom(-allowedSkew, 0, allowedSkew),
  fc.integer({ min: -allowedSkew, max: allowedSkew }),
);
const aSend: fc.Arbitrary<Send> = fc.record({
  instance: anInstance,
  kindClass: fc.constantFrom('ordinary', 'priority'),
  delay: fc.oneof(fc.constant(0), fc.constant(handOver - seconds(10)), fc.nat(handOver - seconds(10))),
  end: fc.constantFrom('accepted', 'accepted', 'unknown', 'refused'),
});
const anAdvance = fc.oneof(
  fc.nat(seconds(3)),
  fc.nat(seconds(90)),
  fc.integer({ min: seconds(55), max: seconds(65) }),
  fc.integer({ min: minutes(4), max: minutes(6) }),
  fc.integer({ min: hours(1), max: hours(5) }),
  fc.integer({ min: hours(24) - minutes(15), max: hours(24) + minutes(1) }),
);
const aStep: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ advance: anAdvance }) },
  { weight: 5, arbitrary: fc.record({ send: fc.array(aSend, { minLength: 1, maxLength: 12 }) }) },
  {
    weight: 1,
    arbitrary: fc.record({ crash: anInstance, skew: aSkew, during: fc.array(aSend, { maxLength: 4 }) }),
  },
);

/** Several instances with clocks of their own on one row, whose storage is slow, out of order and sometimes fails. */
const world = (
  chances: { skews: number[]; turns: number[]; fates: WriteFate[]; timers: boolean[] },
  limit: LimitSettings,
) => {
  const time = manualTime();
  let turn = 0;
  let write = 0;
  let ill = true;
  const row = memoryRow<Window>(
    async () => {
      const rounds = chances.turns[turn++ % chances.turns.length] ?? 0;
      time.advance(rounds * 20);
      for (let i = 0; i < rounds; i++) await Promise.resolve();
    },
    () => (ill && chances.fates[write++ % chances.fates.length]) || 'done',
  );
  /** When the relay counted a mail, in true time. */
  const handOvers: number[] = [];
  let timer = 0;
  const start = (skew: number) => {
    const life = { alive: true };
    const room = rollingLimit({
      row,
      clock: time.skewed(skew),
      log: memoryLog(),
      handOver,
      after: (milliseconds, run) => {
        // The platform freezes idle instances: a timer may never come.
        if (chances.timers[timer++ % chances.timers.length]) time.after(milliseconds, () => life.alive && run());
      },
    });
    return { life, room };
  };
  const instances = chances.skews.map(start);

  const send = async ({ instance, kindClass, delay, end }: Send): Promise<void> => {
    const { life, room } = instances[instance] ?? start(0);
    const taken = await room.take(kindClass, limit).catch(() => undefined);
    if (!life.alive || !taken?.ok) return;
    if (end === 'refused') {
      time.after(delay, () => life.alive && void taken.unit.giveBack());
      return;
    }
    handOvers.push(time.now() + delay);
  };

  const perform = async (step: Step): Promise<void> => {
    if ('advance' in step) {
      time.advance(step.advance);
      await settled();
    } else if ('send' in step) {
      await Promise.all(step.send.map(send));
    } else {
      const running = Promise.all(step.during.map(send));
      const dying = instances[step.crash];
      if (dying) dying.life.alive = false;
      instances[step.crash] = start(step.skew);
      await running;
    }
  };
  const crashAll = () => {
    ill = false;
    for (const { life } of instances) life.alive = false;
  };
  return { time, handOvers, perform, start, crashAll };
};

/** The most hand-overs in any span of 24 hours. */
const busiestDay = (times: number[]): number => {
  const sorted = [...times].sort((a, b) => a - b);
  let first = 0;
  let most = 0;
  for (const [index, at] of sorted.entries()) {
    while (at - (sorted[first] ?? at) >= hours(24)) first += 1;
    most = Math.max(most, index - first + 1);
  }
  return most;
};

const takeAll = async (room: RollingLimit, kindClass: KindClass, limit: LimitSettings): Promise<number> => {
  for (let count = 0; ; count++) {
    const taken = await room.take(kindClass, limit);
    if (!taken.ok) return count;
  }
};

const chances = fc.record({
  skews: fc.array(aSkew, { minLength: 4, maxLength: 4 }),
  timers: fc.array(fc.boolean(), { minLength: 1, maxLength: 20 }),
  turns: fc.array(fc.nat(6), { minLength: 1, maxLength: 40 }),
  fates: fc.array(
    fc.oneof(
      { weight: 12, arbitrary: fc.constant<WriteFate>('done') },
      { weight: 1, arbitrary: fc.constantFrom<WriteFate>('answer lost', 'met itself', 'refused') },
    ),
    { minLength: 1, maxLength: 40 },
  ),
});

test('law 3: no span of 24 hours has more hand-overs than the limit, and nothing that leaks stays', async () => {
  await fc.assert(
    fc.asyncProperty(
      chances,
      fc.integer({ min: 1, max: 40 }),
      fc.nat(10),
      fc.array(aStep, { minLength: 10, maxLength: 60 }),
      async (chances, per24Hours, reserve, steps) => {
        const priorityReserve = Math.min(reserve, per24Hours - 1);
        const limit = { per24Hours, priorityReserve, perMinute: 0, connections: 3 };
        const { time, handOvers, perform, start, crashAll } = world(chances, limit);
        for (const step of steps) await perform(step);
        expect(busiestDay(handOvers)).toBeLessThanOrEqual(per24Hours);

        crashAll();
        time.advance(hours(24) + minutes(12));
        const { room } = start(0);
        expect(await takeAll(room, 'ordinary', limit)).toBe(per24Hours - priorityReserve);
        expect(await takeAll(room, 'priority', limit)).toBe(priorityReserve);
      },
    ),
    { numRuns: 300 },
  );
});

test('law 3: a unit used at the last moment on the slowest clock is still counted on the fastest, wherever a bucket ends', async () => {
  const limit = { per24Hours: 2, priorityReserve: 0, perMinute: 0, connections: 3 };
  for (let offset = 0; offset < minutes(5); offset += seconds(5)) {
    const time = manualTime();
    const row = memoryRow<Window>();
    const instance = (skew: number) =>
      rollingLimit({ row, clock: time.skewed(skew), log: memoryLog(), handOver, after: () => undefined });
    time.advance(offset);
    const slow = instance(-allowedSkew);
    const [first, second] = await Promise.all([slow.take('ordinary', limit), slow.take('ordinary', limit)]);
    if (!first.ok || !second.ok) throw new Error('the first two were refused');
    await second.unit.giveBack();
    time.advance(leaseLength - 1);
    expect(await slow.take('ordinary', limit)).toMatchObject({ ok: true });
    const lastUse = time.now() + handOver;

    const fast = instance(allowedSkew);
    const refused = await fast.take('ordinary', limit);
    if (refused.ok) throw new Error('a third was let through');
    // The slow instance's lease may give units back until it ends; after that only age frees one.
    time.advance(minutes(2));
    for (;;) {
      const taken = await fast.take('ordinary', limit);
      if (taken.ok) break;
      time.advance(Math.max(1, taken.until - allowedSkew - time.now()));
    }
    expect(time.now() - lastUse).toBeGreaterThanOrEqual(hours(24));
    expect(time.now() - lastUse).toBeLessThan(hours(24) + minutes(5) + 2 * allowedSkew + leaseLength);
  }
});
