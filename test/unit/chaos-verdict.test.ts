import { describe, expect, test } from 'vitest';
import type { Arrival, Row } from '../../dev/chaos/evidence.ts';
import { planMails } from '../../dev/chaos/mails.ts';
import { readOptions } from '../../dev/chaos/options.ts';
import { type Evidence, judge, lawsOf } from '../../dev/chaos/verdict.ts';
import { type Attempt, type Delivery, newDelivery } from '../../lib/delivery/delivery.ts';
import { newMessageId } from '../../lib/delivery/id.ts';
import type { Mail } from '../../lib/message/contract.ts';

/** The judge of the chaos runs must itself be able to find every broken law. */
const ana = 'ana@example.com';
const mail: Mail = { kind: 'share', to: [{ address: ana }], subject: 'Chaos t', text: '-' };
const handedIn: Evidence['handedIn'] = [{ planned: { token: 't', mail, by: 'queue', copies: 1 }, told: [] }];
const arrival: Arrival = { token: 't', to: ana, at: 1 };

const rowOf = (change: Partial<Delivery>): Row => {
  const delivery = newDelivery({ messageId: newMessageId(1e12), n: 0, at: 1e12, mail, to: { address: ana } });
  return { token: 't', delivery: { ...delivery, ...change } };
};
const tried = (...classes: Attempt['class'][]): Attempt[] =>
  classes.map((cls, i) => ({ n: i + 1, at: '2026-01-01T00:00:00Z', class: cls, counted: true }));
const sent = rowOf({ state: 'sent', attempts: tried('accepted') });

const judged = (evidence: Partial<Evidence>) =>
  judge({ mode: 'hold', handedIn, rows: [sent], arrivals: [arrival], ...evidence });
const broken = (evidence: Partial<Evidence>) =>
  Object.entries(lawsOf(judged(evidence))).flatMap(([law, found]) => found.map(({ what }) => `${law}: ${what}`));

describe('the judge of a chaos run', () => {
  test('finds nothing wrong with a mail that is sent and in the inbox', () => {
    expect(broken({})).toEqual([]);
    expect(judged({})).toMatchObject({ accepted: 1, deliveries: 1, states: { sent: 1 }, arrived: 1 });
  });

  test.each<[string, Partial<Evidence>, string]>([
    ['without a row', { rows: [], arrivals: [] }, 'lost: no row'],
    ['without a row that arrived', { rows: [] }, 'lost: no row, but the mail arrived'],
    ['that never comes to rest', { rows: [rowOf({ state: 'submitting' })], arrivals: [] }, 'lost: still submitting'],
    ['that is sent and not in the inbox', { arrivals: [] }, 'lost: sent, but not in the inbox'],
    ['with two rows', { rows: [sent, rowOf({ state: 'sent' })] }, 'rows or answers that are not true: 2 rows'],
    [
      'that failed and arrived',
      { rows: [rowOf({ state: 'failed', attempts: tried('recipient') })] },
      'rows or answers that are not true: failed, but in the inbox',
    ],
    [
      'whose producer was told another end',
      { handedIn: [{ ...handedIn[0]!, told: [{ to: ana, state: 'failed' }] }] },
      'rows or answers that are not true: answered as failed, is sent',
    ],
    [
      'that nobody handed in',
      { arrivals: [arrival, { ...arrival, to: 'bo@example.com' }] },
      'rows or answers that are not true: 1 mails that nobody asked for',
    ],
    [
      'that arrived twice in hold mode, whatever its attempts',
      {
        rows: [rowOf({ state: 'sent', attempts: tried('unknown', 'accepted') })],
        arrivals: [arrival, arrival],
      },
      'mailed twice without an unknown outcome: arrived 2 times',
    ],
    [
      'that arrived twice in resend mode by one attempt',
      { mode: 'resend', rows: [sent], arrivals: [arrival, arrival] },
      'mailed twice without an unknown outcome: arrived 2 times',
    ],
    [
      'that lost a try to a fault of the connection',
      { rows: [rowOf({ state: 'sent', tries: 1, attempts: tried('connection', 'accepted') })] },
      'tries burnt by faults of the connection: 1 tries burnt',
    ],
  ])('finds a mail %s', (_, evidence, expected) => {
    expect(broken(evidence)).toEqual([expect.stringContaining(expected)]);
  });

  test('explains a second copy in resend mode by the attempt that died or had no reply', () => {
    const twice = { mode: 'resend' as const, arrivals: [arrival, arrival] };
    const died = rowOf({ state: 'sent', resends: 1, attempts: tried(undefined, 'accepted') });
    expect(judged({ ...twice, rows: [died] }).twice).toEqual({ afterKill: 1, afterNoReply: 0, unexplained: [] });
    const lost = rowOf({ state: 'sent', resends: 1, attempts: tried('unknown', 'accepted') });
    expect(judged({ ...twice, rows: [lost] }).twice).toEqual({ afterKill: 0, afterNoReply: 1, unexplained: [] });
  });

  test('an uncertain mail is at rest in hold mode, and in resend mode after its one more try', () => {
    expect(broken({ rows: [rowOf({ state: 'uncertain', attempts: tried('unknown') })] })).toEqual([]);
    const waiting = rowOf({ state: 'uncertain', attempts: tried('unknown') });
    expect(broken({ mode: 'resend', rows: [waiting] })).toEqual([expect.stringContaining('lost: still uncertain')]);
  });

  test('a seed repeats the plan of a run', () => {
    const plan = (seed: number) => planMails({ mails: 50, seed, run: 'run1' });
    expect(plan(7)).toEqual(plan(7));
    expect(plan(7)).not.toEqual(plan(8));
  });

  test('an option that makes no sense is refused by name', () => {
    expect(() => readOptions(['--mails', 'many'])).toThrow('--mails many: give a whole number.');
    expect(() => readOptions(['--mode', 'maybe'])).toThrow('--mode maybe: give one of hold, resend, both.');
  });
});
