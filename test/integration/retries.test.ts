import { describe, expect, test } from 'vitest';
import { minutes } from '../../lib/clock.ts';
import { kindNames, laneOf, traitsOf } from '../../lib/message/kinds.ts';
import { share, stack } from '../helpers/postern.ts';

const later = [{ at: 'rcpt' as const, reply: '450 4.9.9 later' }];

/** Every attempt's distance from the one before, in minutes. */
const gaps = (attempts: { at: string }[]): number[] =>
  attempts.slice(1).map(({ at }, i) => (Date.parse(at) - Date.parse(attempts[i]!.at)) / 60_000);

test.each([
  ['1m', 2],
  ['1m, 5m*2', 4],
  ['1m, 5m*2, 30m, 2h*3, 6h*4', 12],
])('the schedule %s is a budget of exactly %d tries, each visible with its reply', async (retry, tries) => {
  const { put, work, smtp, deliveryTo } = await stack({ settings: { delivery: { retry } } });
  smtp.faults.set(later);
  await put(share('ana@example.com'));
  await work();
  const delivery = await deliveryTo('ana@example.com');
  expect(delivery).toMatchObject({ state: 'failed', attempt: tries, tries, reason: { code: 'retries-used-up' } });
  expect(delivery.attempts.map(({ n, counted, reply }) => ({ n, counted, reply }))).toEqual(
    Array.from({ length: tries }, (_, i) => ({ n: i + 1, counted: true, reply: '450 4.9.9 later' })),
  );
  expect(smtp.accepted).toHaveLength(0);
});

test.each([
  ['the least', 0, [1, 5, 30]],
  ['the most', 0.999_999, [1.1, 5.5, 33]],
])('jitter spreads %s of a tenth over each wait, and never shortens it', async (_, chance, expected) => {
  const { put, work, smtp, deliveryTo } = await stack({
    settings: { delivery: { retry: '1m, 5m, 30m' } },
    world: { random: () => chance },
  });
  smtp.faults.set(later);
  await put(share('ana@example.com'));
  await work();
  const waited = gaps((await deliveryTo('ana@example.com')).attempts);
  expect(waited).toHaveLength(3);
  // A queue counts in whole seconds.
  for (const [i, gap] of waited.entries()) expect(Math.abs(gap - expected[i]!)).toBeLessThanOrEqual(1 / 60);
});

test('between two tries the row tells when the next one is due, and why', async () => {
  const { put, smtp, time, deliveryTo } = await stack({
    settings: { delivery: { retry: '5m, 1h' } },
    world: { random: () => 0 },
  });
  smtp.faults.set(later);
  await put(share('ana@example.com'));
  const delivery = await deliveryTo('ana@example.com');
  expect(delivery).toMatchObject({
    state: 'deferred',
    reason: { code: 'relay-temporary', detail: '450 4.9.9 later' },
  });
  expect(Date.parse(delivery.due!)).toBe(time.now() + minutes(5));
});

test('the count of tries lives in the row, so that another process goes on with it (trap 27)', async () => {
  const base = await stack({ settings: { delivery: { retry: '1m, 5m*2' } } });
  base.smtp.faults.set(later);
  await base.put(share('ana@example.com'));
  for (let i = 0; i < 3; i++) {
    const fresh = base.peer();
    await base.work(fresh, 1);
    await fresh.close();
  }
  expect(await base.deliveryTo('ana@example.com')).toMatchObject({ state: 'failed', tries: 4 });
});

test('copies of the queue message while a retry is due add no try (trap 17)', async () => {
  const { put, work, smtp, deliveryTo } = await stack({ settings: { delivery: { retry: '1m, 5m*2' } } });
  smtp.faults.set(later);
  const { again } = await put(share('ana@example.com'));
  await again();
  await again();
  await work();
  expect(await deliveryTo('ana@example.com')).toMatchObject({ state: 'failed', attempt: 4, tries: 4 });
});

test('law 4: a relay that cannot be reached costs the mail no try', async () => {
  const { put, smtp, deliveryTo } = await stack();
  smtp.faults.set([{ at: 'connect', reply: '421 4.3.2 not now', times: 1 }]);
  await put(share('ana@example.com'));
  expect(await deliveryTo('ana@example.com')).toMatchObject({
    state: 'parked',
    tries: 0,
    attempts: [{ counted: false }],
  });
});

test('trap 18: a stale claim does not destroy the mail: its lease runs out, and it goes on', async () => {
  const base = await stack();
  base.smtp.faults.set([{ ...later[0]!, times: 1 }]);
  await base.put(share('ana@example.com'));
  const { ledger } = base.postern.rooms;
  const { id } = await base.deliveryTo('ana@example.com');
  const known = (await ledger.read(id))!;
  const leaseUntil = new Date(base.time.now() + minutes(30)).toISOString();
  await ledger.move(known, { ...known.delivery, state: 'submitting', attempt: 2, leaseUntil }, 'dead', known.mail);
  await base.work();
  expect(base.smtp.accepted).toHaveLength(1);
  expect(await base.deliveryTo('ana@example.com')).toMatchObject({ state: 'sent', attempt: 3, resends: 1 });
});

describe('each kind has an end', () => {
  test.each(kindNames)('%s', async (kind) => {
    const { put, work, smtp, time, deliveryTo } = await stack({ settings: { delivery: { retry: '1m, 23h*40' } } });
    smtp.faults.set(later);
    await put(share('ana@example.com', { kind }), laneOf(kind));
    const start = time.now();
    await work();
    const delivery = await deliveryTo('ana@example.com');
    expect(delivery.state).toBe('expired');
    expect(Date.parse(delivery.expiresAt)).toBe(start + traitsOf(kind).timeToLive);
    expect(time.now() - start).toBeLessThan(traitsOf(kind).timeToLive + minutes(1));
    expect(smtp.accepted).toHaveLength(0);
  });

  test('a code ends after 10 minutes, a link to a new password after an hour', () => {
    expect(traitsOf('two-factor').timeToLive).toBe(minutes(10));
    expect(traitsOf('password-recovery').timeToLive).toBe(minutes(60));
  });
});

test('a mail that may have arrived is never called failed or expired by what comes later', async () => {
  const { put, work, smtp, deliveryTo } = await stack({ settings: { delivery: { retry: '1m' } } });
  smtp.faults.set([{ at: 'accept', drop: 'after', times: 1 }]);
  await put(share('ana@example.com'));
  smtp.faults.set([{ at: 'rcpt', reply: '550 5.1.1 no such user' }]);
  await work();
  expect(await deliveryTo('ana@example.com')).toMatchObject({
    ...{ state: 'uncertain', attempt: 2 },
    reason: { detail: expect.stringContaining('no such user. An earlier attempt ended without a reply') },
  });
});
