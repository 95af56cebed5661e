import { describe, expect, test } from 'vitest';
import { days, hours, iso } from '../../lib/clock.ts';
import type { Entry, Reason } from '../../lib/do-not-email/entry.ts';
import { type DoNotEmailPolicy, decide, endingUnexplained, ignoresForAny } from '../../lib/do-not-email/gate.ts';
import type { Kind } from '../../lib/message/kinds.ts';

const now = Date.parse('2026-11-22T12:00:00Z');
const none: DoNotEmailPolicy = {
  ...{ ignoreForPriority: false, priorityIgnoresComplaints: false },
  ...{ ignoreForAny: false, ignoreForAnyReason: 'migration of the list', ignoreForAnyUntil: '' },
};
const entry = (reason: Reason): Entry => ({
  ...{ address: 'ana@example.com', scope: 'all', reason, source: 'api', actor: 'Bo' },
  ...{ time: '2026-11-01T00:00:00.000Z', note: '' },
});

type Row = [Reason | undefined, Kind, Partial<DoNotEmailPolicy>, string];

const matrix: Row[] = [
  [undefined, 'share', {}, 'pass'],
  [undefined, 'two-factor', { ignoreForPriority: true }, 'pass'],
  ['unsubscribed', 'share', {}, 'stop'],
  ['unsubscribed', 'two-factor', {}, 'stop'],
  ['unsubscribed', 'share', { ignoreForPriority: true }, 'stop'],
  ['unsubscribed', 'error', { ignoreForPriority: true }, 'stop'],
  ['unsubscribed', 'two-factor', { ignoreForPriority: true }, 'ignore-for-priority'],
  ['unsubscribed', 'password-recovery', { ignoreForPriority: true }, 'ignore-for-priority'],
  ['bounced', 'two-factor', { ignoreForPriority: true }, 'ignore-for-priority'],
  ['complaint', 'two-factor', { ignoreForPriority: true }, 'stop'],
  ['complaint', 'two-factor', { ignoreForPriority: true, priorityIgnoresComplaints: true }, 'ignore-for-priority'],
  ['complaint', 'share', { ignoreForPriority: true, priorityIgnoresComplaints: true }, 'stop'],
  ['complaint', 'two-factor', { priorityIgnoresComplaints: true }, 'stop'],
  ['unsubscribed', 'share', { ignoreForAny: true }, 'ignore-for-any'],
  ['complaint', 'share', { ignoreForAny: true }, 'ignore-for-any'],
  ['unsubscribed', 'two-factor', { ignoreForAny: true }, 'ignore-for-any'],
  ['unsubscribed', 'two-factor', { ignoreForAny: true, ignoreForPriority: true }, 'ignore-for-priority'],
  ['unsubscribed', 'share', { ignoreForAny: true, ignoreForAnyUntil: '2026-11-22T12:00:01Z' }, 'ignore-for-any'],
  ['unsubscribed', 'share', { ignoreForAny: true, ignoreForAnyUntil: '2026-11-22T12:00:00Z' }, 'stop'],
];

describe('law 2: nobody is mailed who asked not to be, unless a setting says so', () => {
  test.each(matrix)('entry %s, kind %s, settings %j: %s', (reason, kind, settings, expected) => {
    const decision = decide(reason && entry(reason), kind, { ...none, ...settings }, now);
    const told = 'stop' in decision ? 'stop' : (decision.override?.by ?? 'pass');
    expect(told).toBe(expected);
  });

  test('what passed by an override carries the entry and the reason that was given', () => {
    expect(decide(entry('complaint'), 'share', { ...none, ignoreForAny: true }, now)).toMatchObject({
      override: { why: 'migration of the list', entry: { reason: 'complaint' } },
    });
  });
});

describe('ignoring the list for all mail without saying why', () => {
  const ignoring = { ...none, ignoreForAny: true, ignoreForAnyReason: '' };
  const inADay = iso(now + days(1));

  test('ends by itself after a day', () => {
    const saved = endingUnexplained(ignoring, now);
    expect(saved).toEqual({ ...ignoring, ignoreForAnyUntil: inADay });
    expect(ignoresForAny(saved, now + days(1) - 1)).toBe(true);
    expect(ignoresForAny(saved, now + days(1))).toBe(false);
  });

  test('saving it once more does not prolong it', () => {
    const saved = endingUnexplained(ignoring, now);
    expect(endingUnexplained(saved, now + hours(5))).toEqual(saved);
    expect(endingUnexplained(saved, now + days(2))).toEqual(saved);
  });

  test('cuts a later end short and keeps a sooner one', () => {
    const until = (ignoreForAnyUntil: string) => endingUnexplained({ ...ignoring, ignoreForAnyUntil }, now);
    expect(until('2030-01-01T00:00:00Z').ignoreForAnyUntil).toBe(inADay);
    const sooner = iso(now + hours(1));
    expect(until(sooner).ignoreForAnyUntil).toBe(sooner);
  });

  test.each([
    ['a reason', { ignoreForAnyReason: 'the office burns' }],
    ['the switch off', { ignoreForAny: false }],
  ])('does not concern a policy with %s', (_, change) => {
    expect(endingUnexplained({ ...ignoring, ...change }, now)).toEqual({ ...ignoring, ...change });
  });
});
