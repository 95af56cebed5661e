import { expect, test, vi } from 'vitest';
import { hours, minutes, seconds } from '../../lib/clock.ts';
import { share, stack } from '../helpers/postern.ts';
import { asAdmin } from '../helpers/relay-switches.ts';

const limited = async (limit: object, more: object = {}) => {
  const all = await stack({ settings: { limit, ...more } });
  const tick = async (ms: number) => {
    all.time.advance(ms);
    await all.postern.timers.drain();
    all.time.advance(seconds(2));
    await all.workNow();
  };
  const putSome = async (names: string[], more: object = {}) => {
    for (const name of names) {
      await all.put(share(`${name}@example.com`, more));
      // Their order is that of acceptance, so no two may come in one millisecond.
      all.time.advance(1);
    }
  };
  const code = (name: string) => all.put(share(`${name}@example.com`, { kind: 'two-factor' }), 'mail-priority');
  const arrived = () => all.smtp.accepted.map((it) => it.envelope.to[0]?.replace('@example.com', ''));
  const usage = async () => (await asAdmin(all.postern, 'getUsage')).json;
  return { ...all, tick, putSome, code, arrived, usage };
};

test('law 3: mail over the limit waits with its time, and never fails (trap 15)', async () => {
  const { putSome, arrived, deliveryTo, usage, time, tick } = await limited({ per24Hours: 3 });
  await putSome(['a', 'b', 'c', 'd', 'e']);
  expect(arrived()).toEqual(['a', 'b', 'c']);
  const waiting = await deliveryTo('d@example.com');
  expect(waiting).toMatchObject({ state: 'parked', waitsFor: 'limit', tries: 0, reason: { gate: 'limit' } });
  expect(Date.parse(waiting.due ?? '')).toBeGreaterThan(time.now());
  expect(await usage()).toMatchObject({ limit: 3, used: 3, left: 0 });

  // Not at midnight, nor after 23 hours (trap 14): when the first mails are a day old.
  for (let hour = 0; hour < 23; hour++) await tick(hours(1) - seconds(2));
  expect(arrived()).toHaveLength(3);
  for (let quarter = 0; quarter < 5; quarter++) await tick(minutes(15));
  expect(arrived()).toEqual(['a', 'b', 'c', 'd', 'e']);
});

test.each([
  ['raised', { per24Hours: 10 }],
  ['switched off', { per24Hours: 0 }],
])('all that waits for the limit goes at once when it is %s', async (_, limit) => {
  const { putSome, arrived, save, held, time, workNow } = await limited({ per24Hours: 2 });
  await putSome(['a', 'b', 'c', 'd']);
  expect(arrived()).toEqual(['a', 'b']);
  await save({ limit });
  await vi.waitFor(() => expect(held.all()).toHaveLength(1));
  time.advance(seconds(2));
  await workNow();
  expect(arrived()).toHaveLength(4);
});

test('the reserve is for priority mail only', async () => {
  const { putSome, code, arrived, deliveryTo } = await limited({ per24Hours: 4, priorityReserve: 2 });
  await putSome(['a', 'b', 'c']);
  await code('x');
  await code('y');
  await code('z');
  expect(arrived()).toEqual(['a', 'b', 'x', 'y']);
  expect(await deliveryTo('c@example.com')).toMatchObject({ state: 'parked', waitsFor: 'limit' });
  expect(await deliveryTo('z@example.com')).toMatchObject({ state: 'parked', waitsFor: 'limit' });
});

test('law 3: a refused mail gives its unit back (trap 13), one whose outcome is unknown does not', async () => {
  const hold = { delivery: { afterCrash: 'hold' } };
  const { putSome, arrived, smtp, deliveryTo, usage } = await limited({ per24Hours: 2 }, hold);
  smtp.faults.set([{ at: 'rcpt', match: 'nobody', reply: '550 5.1.1 no such user' }]);
  await putSome(['nobody1', 'nobody2', 'nobody3']);
  expect(await usage()).toMatchObject({ used: 0 });
  smtp.faults.set([{ at: 'accept', drop: 'before', times: 1 }]);
  await putSome(['unknown', 'b', 'c']);
  expect(await deliveryTo('unknown@example.com')).toMatchObject({ state: 'uncertain' });
  expect(arrived()).toEqual(['b']);
  expect(await deliveryTo('c@example.com')).toMatchObject({ state: 'parked', waitsFor: 'limit' });
  expect(await usage()).toMatchObject({ used: 2, left: 0 });
});

test('law 3: two processes that share out many mails at once stay within the limit (trap 12), and use it', async () => {
  const { putAll, smtp, peer, postern } = await limited({ per24Hours: 20, connections: 5 });
  const on = [postern, peer()];
  await putAll(
    Array.from({ length: 50 }, (_, i) => share(`p${i}@example.com`)),
    { on },
  );
  expect(smtp.accepted.length).toBeLessThanOrEqual(20);
  expect(smtp.accepted.length).toBeGreaterThanOrEqual(12);
  expect((await postern.rooms.parking.waiting()).limit.ordinary).toBe(50 - smtp.accepted.length);
  await on[1]?.close();
});

test("law 3: the relay's own quota closes the tap for hours: all mail waits unharmed, and the relay is left alone", async () => {
  const { putSome, code, arrived, smtp, deliveryTo, usage, tick, time, log } = await limited({ per24Hours: 0 });
  const reply = '554 5.2.0 STOREDRV.Submission.Exception:SubmissionQuotaExceededException; Failed to process message';
  smtp.faults.set([{ at: 'accept', reply }]);
  await putSome(['a', 'b']);
  await code('x');
  expect(smtp.faults.list()).toMatchObject([{ hits: 1 }]);
  const first = await deliveryTo('a@example.com');
  expect(first).toMatchObject({ state: 'parked', waitsFor: 'limit', tries: 0, attempts: [{ counted: false }] });
  expect(Date.parse(first.due ?? '') - time.now()).toBeGreaterThan(hours(3));
  expect(await deliveryTo('b@example.com')).toMatchObject({ state: 'parked', attempt: 0 });
  expect(await deliveryTo('x@example.com')).toMatchObject({ state: 'parked', attempt: 0 });
  expect(await usage()).toMatchObject({ tap: { reply: expect.stringContaining('SubmissionQuotaExceeded') } });
  expect(log.alerts().map(({ event }) => event)).toEqual(['postern.limit.reached']);

  for (let hour = 0; hour < 3; hour++) await tick(hours(1));
  expect(smtp.faults.list()).toMatchObject([{ hits: 1 }]);
  smtp.faults.clear();
  await tick(hours(1));
  expect(arrived().toSorted()).toEqual(['a', 'b']);
  expect(await deliveryTo('a@example.com')).toMatchObject({ state: 'sent', tries: 0 });
  // The code ran out long before.
  expect(await deliveryTo('x@example.com')).toMatchObject({ state: 'expired' });
});
