import { expect, test, vi } from 'vitest';
import { seconds } from '../../lib/clock.ts';
import { share, stack } from '../helpers/postern.ts';
import { asAdmin } from '../helpers/relay-switches.ts';

const arrivedAt = ({ smtp }: { smtp: { accepted: { envelope: { to: string[] } }[] } }) =>
  smtp.accepted.map((it) => it.envelope.to[0]?.replace('@example.com', ''));

const code = (name: string) => share(`${name}@example.com`, { kind: 'two-factor' });

test('ordinary mail waits for as long as it is paused, also in a process that starts later; priority mail goes on', async () => {
  const all = await stack();
  const { postern, peer, put, deliveryTo, time } = all;
  const { json } = await asAdmin(postern, 'pauseRelay', { scope: 'ordinary', reason: 'phishing report' });
  expect(json).toMatchObject({ pause: { scope: 'ordinary', reason: 'phishing report', by: 'ana@example.com' } });
  time.advance(seconds(3));
  const restarted = peer();
  await put(share('a@example.com'));
  await put(share('b@example.com'), 'mail', restarted);
  await put(code('x'), 'mail-priority');
  await put(code('y'), 'mail-priority', restarted);
  expect(arrivedAt(all)).toEqual(['x', 'y']);
  expect(await deliveryTo('b@example.com')).toMatchObject({
    ...{ state: 'parked', waitsFor: 'pause', attempt: 0, tries: 0 },
    reason: { gate: 'paused', detail: expect.stringContaining('phishing report') },
  });
  await restarted.timers.drain();
  expect(all.held.all()).toEqual([]);
  await restarted.close();
});

test('when all mail is paused nothing goes; resuming lets all go at once, and both are in the audit with the actor', async () => {
  const all = await stack();
  const { postern, put, held, time, workNow } = all;
  await asAdmin(postern, 'pauseRelay', { scope: 'all', reason: 'maintenance' });
  await put(share('a@example.com'));
  await put(code('x'), 'mail-priority');
  expect(arrivedAt(all)).toEqual([]);
  time.advance(seconds(1));
  await asAdmin(postern, 'resumeRelay');
  await vi.waitFor(() => expect(held.all()).toHaveLength(2));
  time.advance(seconds(2));
  await workNow({ abreast: 1 });
  expect(arrivedAt(all)).toEqual(['x', 'a']);
  const { entries } = await postern.rooms.audit.list({ limit: 10, subject: 'relay' });
  expect(entries.map(({ action, actor }) => [action, actor.name])).toEqual([
    ['relay.resume', 'ana@example.com'],
    ['relay.pause', 'ana@example.com'],
  ]);
});

test('a pause that shrinks from all mail to ordinary mail lets priority mail go at once', async () => {
  const all = await stack();
  const { postern, put, held, time, workNow } = all;
  await asAdmin(postern, 'pauseRelay', { scope: 'all', reason: 'maintenance' });
  await put(share('a@example.com'));
  await put(code('x'), 'mail-priority');
  await asAdmin(postern, 'pauseRelay', { scope: 'ordinary', reason: 'maintenance' });
  await vi.waitFor(() => expect(held.all()).toHaveLength(1));
  time.advance(seconds(2));
  await workNow();
  expect(arrivedAt(all)).toEqual(['x']);
});

test('mail drains at the pace after a pause', async () => {
  const all = await stack({ settings: { limit: { perMinute: 30 } } });
  const { postern, put, held, time, workNow } = all;
  await asAdmin(postern, 'pauseRelay', { scope: 'all', reason: 'maintenance' });
  for (let i = 0; i < 20; i++) await put(share(`p${i}@example.com`));
  await asAdmin(postern, 'resumeRelay');
  await vi.waitFor(() => expect(held.all().length).toBeGreaterThan(0));
  await postern.timers.drain();
  expect((await postern.rooms.parking.waiting()).pause.ordinary).toBeGreaterThanOrEqual(20 - 2 * 8);
  for (let i = 0; i < 30; i++) {
    time.advance(seconds(5));
    await workNow();
    if (i % 3 === 0) await postern.timers.drain();
  }
  expect(arrivedAt(all)).toHaveLength(20);
});
