import type { TableClient } from '@azure/data-tables';
import { expect, test, vi } from 'vitest';
import { days, hours, minutes, seconds } from '../../lib/clock.ts';
import type { Lanes } from '../../lib/delivery/carrier.ts';
import { type Delivery, newDelivery } from '../../lib/delivery/delivery.ts';
import { drainLease, drainOf } from '../../lib/delivery/drain.ts';
import { waits } from '../../lib/delivery/gates.ts';
import { messageIdOf } from '../../lib/delivery/id.ts';
import { type Parking, parking } from '../../lib/delivery/parking.ts';
import { mail } from '../../lib/message/contract.ts';
import { settingsSchema } from '../../lib/settings/schema.ts';
import { ask } from '../helpers/http.ts';
import { memoryLog } from '../helpers/log.ts';
import { memoryTable } from '../helpers/memory-table.ts';
import { share, stack } from '../helpers/postern.ts';
import { ownStorage } from '../helpers/storage.ts';
import { manualTime } from '../helpers/time.ts';

const admin = { id: 'admin', name: 'Admin' };

/** Lanes that only remember what was put on them, delivery by delivery. */
const notebook = () => {
  const sent: { id: string; lane: string; after: number }[] = [];
  const lanes: Lanes = {
    send: async (lane, body, after = 0) => {
      const ids = (body as { convoy?: { id: string }[] }).convoy ?? [(body as { carrier: { id: string } }).carrier];
      sent.push(...ids.map(({ id }) => ({ id, lane, after })));
      return { remove: async () => undefined };
    },
  };
  return { sent, lanes };
};

const time = manualTime();

/** Deliveries in the order of their acceptance; every tenth is a priority mail. */
const line = (count: number): Delivery[] =>
  Array.from({ length: count }, (_, i) => {
    const body = mail.parse(share(`p${i}@example.com`, { kind: i % 10 === 3 ? 'two-factor' : 'share' }).mail);
    const at = time.now() - count + i;
    const messageId = messageIdOf(`test:${i}`, at);
    return newDelivery({ messageId, n: 0, at, mail: body, to: { address: `p${i}@example.com` } });
  });

const shuffled = <T>(items: T[]): T[] => items.toSorted((a, b) => hash(a) - hash(b));
const hash = (item: unknown) => [...JSON.stringify(item)].reduce((sum, it) => (sum * 31 + it.charCodeAt(0)) | 0, 7);

/** Whatever it waits for but a time: those go by their time. */
const parkAll = (parked: Parking, deliveries: Delivery[]) =>
  Promise.all(
    shuffled(deliveries).map((delivery, i) => parked.park(delivery, waits[1 + (i % (waits.length - 1))] ?? 'relay')),
  );

const openDrain = (
  parked: Parking,
  table: TableClient,
  settings: object = { from: { address: 'files@example.com' } },
) =>
  drainOf({
    parking: parked,
    lease: drainLease(table),
    settings: { current: async () => settingsSchema.parse(settings) },
    pause: { paused: async () => undefined },
    breaker: { look: async () => ({ open: false }) },
    limit: { look: async () => ({ ok: true, left: Number.POSITIVE_INFINITY }) },
    clock: time,
    log: memoryLog(),
  });

const inOrder = (deliveries: Delivery[]) => {
  const ids = (kind: string) => deliveries.filter((it) => it.kind === kind).map(({ id }) => id);
  return [...ids('two-factor'), ...ids('share')];
};

test('10,000 parked mails leave in order, priority first, each once, whatever they waited for', async () => {
  const table = memoryTable();
  const { sent, lanes } = notebook();
  const deliveries = line(10_000);
  const parked = parking(table, lanes, time);
  await parkAll(parked, deliveries);
  expect(await openDrain(parked, table)()).toBe(10_000);
  expect(sent.map(({ id }) => id)).toEqual(inOrder(deliveries));
  const priority = new Set(deliveries.filter(({ kind }) => kind === 'two-factor').map(({ id }) => id));
  expect(sent.every(({ id, lane }) => (lane === 'mail-priority') === priority.has(id))).toBe(true);
  expect(Object.values(await parked.waiting())).toEqual(waits.map(() => ({ priority: 0, ordinary: 0 })));
});

test('law 1: a release that dies between the queue and the table loses no mail; the next one goes on', async () => {
  const { azure } = await ownStorage();
  const { sent, lanes } = notebook();
  const deliveries = line(400);
  const parked = parking(azure.table('parked'), lanes, time);
  await parkAll(parked, deliveries);
  let crashes = 0;
  const table = azure.table('parked');
  const submit = table.submitTransaction.bind(table);
  table.submitTransaction = (actions) => {
    if (crashes++ % 3 === 1) throw new Error('the process died before it deleted the entries');
    return submit(actions);
  };
  const releases: (number | string)[] = [];
  for (let i = 0; i < 20 && releases.at(-1) !== 0; i++) {
    releases.push(await openDrain(parked, table)().catch((error: Error) => error.message));
    time.advance(seconds(60));
  }
  expect(releases).toContain('the process died before it deleted the entries');
  expect([...new Set(sent.map(({ id }) => id))]).toEqual(inOrder(deliveries));
});

test('two processes that release at once lose nothing, also where the lease of one has run out', async () => {
  const { azure } = await ownStorage();
  const { sent, lanes } = notebook();
  const deliveries = line(300);
  const both = [0, 1].map(() => parking(azure.table('parked'), lanes, time));
  await parkAll(both[0] as Parking, deliveries);
  await Promise.all(both.map((parked) => parked.release('priority', 1000)));
  await Promise.all(both.map((parked) => parked.release('ordinary', 1000)));
  expect(new Set(sent.map(({ id }) => id)).size).toBe(300);
  expect(await both[0]?.release('ordinary', 1000)).toBe(0);
});

test('one process releases at a time; another one leaves it to it', async () => {
  const { azure } = await ownStorage();
  const { sent, lanes } = notebook();
  const deliveries = line(200);
  const drains = [0, 1].map(() => {
    const parked = parking(azure.table('parked'), lanes, time);
    return { parked, drain: openDrain(parked, azure.table('parked')) };
  });
  await parkAll((drains[0] as { parked: Parking }).parked, deliveries);
  const released = await Promise.all(drains.map(({ drain }) => drain()));
  expect(released.toSorted((a, b) => a - b)).toEqual([0, 200]);
  expect(sent).toHaveLength(200);
});

test('an event that comes while a release is under way makes it look again', async () => {
  const { azure } = await ownStorage();
  const { sent, lanes } = notebook();
  const parked = parking(azure.table('parked'), lanes, time);
  const drain = openDrain(parked, azure.table('parked'));
  await parkAll(parked, line(5));
  const first = drain();
  const late = parkAll(parked, line(9).slice(5)).then(drain);
  await Promise.all([first, late]);
  expect(sent).toHaveLength(9);
});

test('200 mails that waited for a pause drain through two processes: all sent, none twice, priority first', async () => {
  const { postern, peer, putAll, workNow, smtp, time: now } = await stack({ settings: { limit: { connections: 2 } } });
  const other = peer();
  const on = [postern, other];
  const route = (name: string) => postern.routes.find((it) => it.name === name)!;
  const switched = (name: string, body?: object) => ask(route(name), { path: '/api/relay', as: ['Admin'], body });
  await switched('pauseRelay', { scope: 'all', reason: 'maintenance' });
  now.advance(seconds(3));
  await putAll(
    Array.from({ length: 200 }, (_, i) => share(`p${i}@example.com`, { kind: i % 10 === 9 ? 'notice' : 'share' })),
    { on },
  );
  await putAll(
    Array.from({ length: 20 }, (_, i) => share(`code${i}@example.com`, { kind: 'two-factor' })),
    { on, lane: 'mail-priority' },
  );
  expect(smtp.accepted).toHaveLength(0);
  expect((await postern.rooms.parking.waiting()).pause).toEqual({ priority: 20, ordinary: 200 });

  await switched('resumeRelay', {});
  await Promise.all([postern.timers.drain(), other.timers.drain()]);
  now.advance(seconds(3));
  await workNow({ on });
  const arrived = smtp.accepted.map((it) => it.envelope.to[0] ?? '');
  expect(arrived).toHaveLength(220);
  expect(new Set(arrived).size).toBe(220);
  // Those who were already being handed over do not count: 16 queue messages are taken at a time.
  expect(arrived.slice(0, 40).filter((to) => to.startsWith('code'))).toHaveLength(20);
  await other.close();
});

test('a mail that is cancelled while it waits is not sent when the others go', async () => {
  const { postern, put, workNow, smtp, time: now, deliveryTo } = await stack();
  const later = new Date(now.now() + hours(1)).toISOString();
  await put(share('ana@example.com', { notBefore: later }));
  await put(share('bea@example.com', { notBefore: later }));
  const { id } = await deliveryTo('ana@example.com');
  await postern.rooms.verbs.apply('cancel', id, admin);
  now.advance(hours(1) + seconds(1));
  await postern.timers.drain();
  now.advance(seconds(2));
  await workNow();
  expect(smtp.accepted.map((it) => it.envelope.to)).toEqual([['bea@example.com']]);
  expect(await deliveryTo('ana@example.com')).toMatchObject({ state: 'cancelled' });
});

test('mail for later goes when its time has come, in the order of those times, and not before', async () => {
  const { postern, put, workNow, smtp, time: now } = await stack();
  const inHours = (n: number) => new Date(now.now() + hours(n)).toISOString();
  await put(share('third@example.com', { notBefore: inHours(3) }));
  await put(share('first@example.com', { notBefore: inHours(1) }));
  await put(share('second@example.com', { notBefore: inHours(2) }));
  const arrived = () => smtp.accepted.map((it) => it.envelope.to[0]);
  const tick = async (ms: number) => {
    now.advance(ms);
    await postern.timers.drain();
    now.advance(seconds(2));
    await workNow();
  };
  await tick(minutes(59));
  expect(arrived()).toEqual([]);
  await tick(minutes(2));
  expect(arrived()).toEqual(['first@example.com']);
  await tick(hours(2));
  expect(arrived()).toEqual(['first@example.com', 'second@example.com', 'third@example.com']);
});

test('law 1: a mail that nobody needs any more is expired, by the timer, though what it waits for never comes', async () => {
  const { postern, put, workNow, smtp, time: now, deliveryTo } = await stack();
  const route = postern.routes.find((it) => it.name === 'pauseRelay')!;
  await ask(route, { path: '/api/relay/pause', as: ['Admin'], body: { scope: 'all', reason: 'maintenance' } });
  now.advance(seconds(3));
  await put(share('ana@example.com', { kind: 'two-factor' }), 'mail-priority');
  await put(share('bea@example.com'));
  now.advance(hours(1));
  await postern.timers.drain();
  await postern.timers.expireParked();
  now.advance(seconds(2));
  await workNow();
  expect(await deliveryTo('ana@example.com')).toMatchObject({ state: 'expired' });
  expect(await deliveryTo('bea@example.com')).toMatchObject({ state: 'parked', waitsFor: 'pause' });
  now.advance(days(4));
  await postern.timers.expireParked();
  now.advance(seconds(2));
  await workNow();
  expect(await deliveryTo('bea@example.com')).toMatchObject({ state: 'expired' });
  expect(smtp.accepted).toHaveLength(0);
});

test('law 1: a mail whose place in the parking could not be written is parked again and goes', async () => {
  const { postern, azure, put, work, workNow, smtp, time: now, deliveryTo } = await stack();
  const table = azure.table('parked');
  const create = table.createEntity.bind(table);
  table.createEntity = vi.fn(create).mockRejectedValueOnce(new Error('503 the table does not answer'));
  await put(share('ana@example.com', { notBefore: new Date(now.now() + hours(1)).toISOString() }));
  await work();
  expect(await deliveryTo('ana@example.com')).toMatchObject({ state: 'parked' });
  now.advance(hours(1));
  await postern.timers.drain();
  now.advance(seconds(2));
  await workNow();
  expect(smtp.accepted).toHaveLength(1);
});

test('without a From address mail waits and is not carried round in circles', async () => {
  const { azure } = await ownStorage();
  const { sent, lanes } = notebook();
  const parked = parking(azure.table('parked'), lanes, time);
  await parkAll(parked, line(20));
  expect(await openDrain(parked, azure.table('parked'), { from: { address: '' } })()).toBe(0);
  expect(await openDrain(parked, azure.table('parked'))()).toBe(20);
  expect(sent).toHaveLength(20);
});

test('a convoy whose process died is taken apart, so that one bad mail does not take the others with it', async () => {
  const { postern, put, held, work, smtp, time: now } = await stack();
  const later = new Date(now.now() + hours(1)).toISOString();
  for (let i = 0; i < 3; i++) await put(share(`p${i}@example.com`, { notBefore: later }));
  now.advance(hours(1));
  await postern.timers.drain();
  const convoy = held.next()!;
  expect(JSON.parse(convoy.text).convoy).toHaveLength(3);
  const arrival = { id: convoy.id, insertedAt: convoy.sentAt, dequeueCount: 2 };
  await postern.rooms.acceptance.fromQueue(convoy.lane, JSON.parse(convoy.text), arrival);
  expect(held.all()).toHaveLength(3);
  await work();
  expect(smtp.accepted).toHaveLength(3);
});
