import { expect, test, vi } from 'vitest';
import { minutes, seconds } from '../../lib/clock.ts';
import { remedies } from '../../lib/relay/remedies.ts';
import { share, stack } from '../helpers/postern.ts';
import { asAdmin } from '../helpers/relay-switches.ts';

const refusedLogin = { at: 'auth', reply: '535 5.7.3 Authentication unsuccessful' } as const;

/** Postern with a login at its relay. */
const withLogin = async () => {
  const all = await stack();
  const login = (password: string) => ({
    smtp: {
      host: '127.0.0.1',
      port: all.smtp.ports.plain,
      security: 'none',
      auth: { enabled: true, type: 'basic', user: 'files@example.com', password },
    },
  });
  await all.save(login('secret'));
  const tick = async (ms: number) => {
    all.time.advance(ms);
    await all.postern.timers.drain();
    all.time.advance(seconds(2));
    await all.workNow();
  };
  const events = (name: string) => all.log.alerts().filter(({ event }) => event === name);
  return { ...all, login, tick, events };
};

test('law 4: a refused login opens the breaker after one login; all mail waits, with its tries untouched', async () => {
  const { putAll, smtp, deliveryTo, events, postern } = await withLogin();
  smtp.faults.set([refusedLogin]);
  await putAll(
    Array.from({ length: 12 }, (_, i) => share(`p${i}@example.com`)),
    { abreast: 1 },
  );
  expect(smtp.logins).toHaveLength(1);
  expect(events('postern.relay.opened')).toHaveLength(1);
  expect(await deliveryTo('p0@example.com')).toMatchObject({
    ...{ state: 'parked', waitsFor: 'relay', tries: 0, attempt: 1 },
    attempts: [{ class: 'auth', counted: false }],
  });
  expect(await deliveryTo('p7@example.com')).toMatchObject({ state: 'parked', tries: 0, attempt: 0, attempts: [] });
  const { json } = await asAdmin(postern, 'getRelay');
  expect(json).toMatchObject({
    ...{ state: 'open', cause: { class: 'auth', code: 535 }, since: expect.any(String), nextProbe: expect.any(String) },
    ...{ remedy: { doThis: expect.any(Array) }, waiting: { 'relay.ordinary': 12 } },
  });
});

test('535 5.7.3 to a password is told as a wrong password: on the row, by the relay and by the test mail', async () => {
  const { put, smtp, deliveryTo, events, postern, peer, workNow } = await withLogin();
  smtp.faults.set([refusedLogin]);
  await put(share('ana@example.com'));
  expect(await deliveryTo('ana@example.com')).toMatchObject({ reason: { remedy: 'wrong-password' } });
  expect(events('postern.relay.opened')).toMatchObject([{ remedy: 'wrong-password' }]);
  const { title } = remedies['wrong-password'];
  expect((await asAdmin(postern, 'getRelay')).json).toMatchObject({ remedy: { title } });
  const waiting = peer({
    wait: async () => {
      await workNow();
    },
  });
  const test = await asAdmin(waiting, 'sendTestEmail', { to: 'bea@example.com' });
  expect(test).toMatchObject({ status: 200, json: { sent: false, remedy: { title } } });
});

test('law 4: of mails that come side by side when it broke, only those that had a connection already can log in with a bad password', async () => {
  const { putAll, smtp, events, postern } = await withLogin();
  smtp.faults.set([refusedLogin]);
  await putAll(Array.from({ length: 16 }, (_, i) => share(`p${i}@example.com`)));
  // Three connections; those that ask for a login at the same moment share it.
  expect(smtp.logins.length).toBeLessThanOrEqual(3);
  // Their late reports open nothing again.
  expect(events('postern.relay.opened')).toHaveLength(1);
  expect((await postern.rooms.parking.waiting()).relay.ordinary).toBe(16);
});

test('law 4: while it is open only probes log in, at growing intervals, and no mail loses a try however long it lasts', async () => {
  const { putAll, smtp, tick, deliveryTo, events } = await withLogin();
  smtp.faults.set([refusedLogin]);
  await putAll(
    Array.from({ length: 4 }, (_, i) => share(`p${i}@example.com`)),
    { abreast: 1 },
  );
  const logins: number[] = [];
  for (let minute = 0; minute < 70; minute++) {
    await tick(minutes(1) - seconds(2));
    if (smtp.logins.length > 1 + logins.length) logins.push(minute);
  }
  // Probes come 1, 2, 5, 10, 15, 30 minutes apart, with up to a tenth more.
  expect(smtp.logins).toHaveLength(1 + logins.length);
  expect(logins.length).toBeGreaterThanOrEqual(5);
  expect(logins.length).toBeLessThanOrEqual(6);
  for (let i = 0; i < 4; i++)
    expect(await deliveryTo(`p${i}@example.com`)).toMatchObject({ state: 'parked', tries: 0 });
  expect(events('postern.relay.opened')).toHaveLength(1);

  smtp.faults.clear();
  for (let minute = 0; minute < 35; minute++) await tick(minutes(1) - seconds(2));
  expect(smtp.accepted.map((it) => it.envelope.to[0]).toSorted()).toEqual([0, 1, 2, 3].map((i) => `p${i}@example.com`));
  expect(events('postern.relay.closed')).toHaveLength(1);
  expect(await deliveryTo('p0@example.com')).toMatchObject({ state: 'sent', tries: 0 });
});

test('saved settings are tried at once, and with them all that waits goes', async () => {
  const { putAll, save, login, smtp, held, time, workNow, events, postern } = await withLogin();
  await save(login('wrong'));
  await putAll(
    Array.from({ length: 10 }, (_, i) => share(`p${i}@example.com`)),
    { abreast: 1 },
  );
  expect(smtp.logins.map(({ ok }) => ok)).toEqual([false]);
  await save(login('secret'));
  await vi.waitFor(() => expect(held.all()).toHaveLength(1));
  time.advance(seconds(2));
  await workNow();
  // The probe came through; no timer has run.
  const waiting = async () => Object.values(await postern.rooms.parking.waiting()).map(({ ordinary }) => ordinary);
  await vi.waitFor(async () => expect(Math.max(...(await waiting()))).toBe(0));
  time.advance(seconds(2));
  await workNow();
  expect(smtp.accepted).toHaveLength(10);
  expect(events('postern.relay.opened')).toHaveLength(1);
  expect(events('postern.relay.closed')).toHaveLength(1);
});

test('an admin can have the relay tried now', async () => {
  const { put, smtp, held, time, workNow, postern } = await withLogin();
  smtp.faults.set([refusedLogin]);
  await put(share('ana@example.com'));
  smtp.faults.clear();
  expect((await asAdmin(postern, 'probeRelay')).status).toBe(200);
  await vi.waitFor(() => expect(held.all()).toHaveLength(1));
  time.advance(seconds(2));
  await workNow();
  expect(smtp.accepted).toHaveLength(1);
});

test('law 4: two network faults are forgotten at the next success, three in a row open; a mail keeps its tries', async () => {
  const { put, smtp, tick, deliveryTo, events } = await withLogin();
  smtp.faults.set([{ at: 'connect', drop: 'before', times: 2 }]);
  await put(share('ana@example.com'));
  await put(share('bea@example.com'));
  await tick(seconds(15));
  expect(events('postern.relay.opened')).toHaveLength(0);
  expect(smtp.accepted).toHaveLength(2);
  expect(await deliveryTo('ana@example.com')).toMatchObject({ state: 'sent', tries: 0 });
});

test('law 4: three network faults in a row open it for all', async () => {
  const { put, smtp, deliveryTo, events } = await withLogin();
  smtp.faults.set([{ at: 'connect', drop: 'before' }]);
  for (let i = 0; i < 5; i++) await put(share(`p${i}@example.com`));
  expect(events('postern.relay.opened')).toMatchObject([{ cause: 'connection' }]);
  expect(smtp.faults.list()).toMatchObject([{ hits: 3 }]);
  expect(await deliveryTo('p2@example.com')).toMatchObject({ state: 'parked', tries: 0, attempt: 1 });
  expect(await deliveryTo('p4@example.com')).toMatchObject({ state: 'parked', tries: 0, attempt: 0 });
});

test('one broken connection that mails side by side waited for is one fault: it opens nothing', async () => {
  const { putAll, smtp, tick, events, postern } = await withLogin();
  smtp.faults.set([{ at: 'auth', delayMs: 200, drop: 'before', times: 1 }]);
  await putAll(Array.from({ length: 3 }, (_, i) => share(`p${i}@example.com`)));
  expect((await postern.rooms.parking.waiting()).relay.ordinary).toBe(3);
  expect(events('postern.relay.opened')).toEqual([]);
  await tick(seconds(15));
  expect(smtp.accepted).toHaveLength(3);
});

test("a From that the relay does not let one user show fails that user's mail and holds up nobody else's", async () => {
  const { put, smtp, deliveryTo, events } = await withLogin();
  const reply = '554 5.2.252 SendAsDenied; files@example.com not allowed to send as bo@example.com; STOREDRV';
  smtp.faults.set([{ at: 'accept', match: 'ana@', reply }]);
  await put(share('ana@example.com', { from: { address: 'bo@example.com' } }));
  await put(share('bea@example.com', { from: { address: 'cy@example.com' } }));
  expect(await deliveryTo('ana@example.com')).toMatchObject({
    state: 'failed',
    reason: { code: 'sender-refused', remedy: 'send-as' },
  });
  expect(await deliveryTo('bea@example.com')).toMatchObject({ state: 'sent' });
  expect(events('postern.relay.opened')).toEqual([]);
});

test("a fault of the settings' own From opens the breaker, since no mail could go", async () => {
  const { put, smtp, deliveryTo, events } = await withLogin();
  const reply = '554 5.2.252 SendAsDenied; files@example.com not allowed to send as files@example.com; STOREDRV';
  smtp.faults.set([{ at: 'accept', reply, times: 1 }]);
  await put(share('ana@example.com', { kind: 'notice' }));
  await put(share('bea@example.com', { kind: 'notice' }));
  expect(await deliveryTo('ana@example.com')).toMatchObject({ state: 'parked', tries: 0 });
  expect(await deliveryTo('bea@example.com')).toMatchObject({ state: 'parked', attempt: 0 });
  expect(events('postern.relay.opened')).toMatchObject([{ cause: 'sender' }]);
});

test('a process that starts while the relay is out hands nothing over and logs in nowhere', async () => {
  const { put, smtp, peer, deliveryTo } = await withLogin();
  smtp.faults.set([refusedLogin]);
  await put(share('ana@example.com'));
  const other = peer();
  await put(share('bea@example.com'), 'mail', other);
  expect(smtp.logins).toHaveLength(1);
  expect(await deliveryTo('bea@example.com')).toMatchObject({ state: 'parked', waitsFor: 'relay', attempt: 0 });
  await other.close();
});

test('law 2: an outage of the relay puts nobody on the Do Not Email list (trap 28)', async () => {
  const { postern, put, smtp, save, login } = await withLogin();
  await save({ ...login('secret'), doNotEmail: { bounces: 'add' } });
  smtp.faults.set([{ at: 'rcpt', reply: '550 5.7.1 Relaying denied' }]);
  await put(share('ana@example.com'));
  smtp.faults.set([{ at: 'connect', drop: 'before' }]);
  for (const name of ['bea', 'cy', 'di']) await put(share(`${name}@example.com`));
  for (const name of ['ana', 'bea', 'cy', 'di']) {
    expect(await postern.rooms.list.get(`${name}@example.com`)).toBeUndefined();
  }
});

test('settings that were saved are saved, though the row of the relay cannot be written just then', async () => {
  const { azure, save, login, postern } = await withLogin();
  const table = azure.table('relay');
  table.getEntity = async () => {
    throw new Error('503 the table does not answer');
  };
  await save({ ...login('secret'), replyTo: { address: 'help@example.com' } });
  expect((await postern.rooms.settings.refresh()).replyTo.address).toBe('help@example.com');
});
