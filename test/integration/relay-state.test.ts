import { expect, test } from 'vitest';
import { relayRoutes } from '../../functions/http/relay.ts';
import { usageRoutes } from '../../functions/http/usage.ts';
import { auditLog } from '../../lib/audit/audit.ts';
import { hours, minutes } from '../../lib/clock.ts';
import type { Role } from '../../lib/http/route.ts';
import { rollingLimit, windowRow } from '../../lib/limit/limit.ts';
import { type Breaker, breaker, type Pass } from '../../lib/relay/breaker.ts';
import type { Fault } from '../../lib/relay/outcome.ts';
import { pauseSwitch } from '../../lib/relay/pause.ts';
import { relayRow, sharedRelayState } from '../../lib/relay/state.ts';
import { ask } from '../helpers/http.ts';
import { memoryLog } from '../helpers/log.ts';
import { ownStorage } from '../helpers/storage.ts';
import { manualTime } from '../helpers/time.ts';

const refused: Fault = {
  class: 'auth',
  phase: 'auth',
  code: 535,
  enhanced: '5.7.139',
  reply: '535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the Tenant.',
  rule: 'test',
  remedy: 'smtp-auth-off-for-tenant',
};

const stack = async () => {
  const { azure } = await ownStorage();
  const time = manualTime();
  const log = memoryLog();
  const audit = auditLog({ table: azure.table('audit'), clock: time });
  const settings = { limit: { per24Hours: 100, priorityReserve: 10, perMinute: 0, connections: 3 } };
  let drains = 0;
  const tokenTries: number[] = [];
  const process = () => {
    const state = sharedRelayState({ row: relayRow(azure.table('relay')), clock: time });
    const limit = rollingLimit({ row: windowRow(azure.table('limit')), clock: time, log, after: time.after });
    return {
      limit,
      breaker: breaker({ state, clock: time, random: () => 0, log }),
      pause: pauseSwitch({ state, clock: time }),
      state,
    };
  };
  const web = process();
  const routes = [
    ...relayRoutes({
      ...web,
      audit,
      oauth: { tryAgain: () => void tokenTries.push(time.now()) },
      log,
      waiting: async () => ({ relay: 5, pause: 0 }),
      drain: async () => {
        drains += 1;
      },
    }),
    ...usageRoutes({ limit: web.limit, settings: async () => settings }),
  ];
  const call = async (method: string, path: string, body?: unknown, as: readonly Role[] = ['Admin']) => {
    const route = routes.find((route) => route.method === method && `/${route.path}` === path);
    if (!route) throw new Error(`no route ${method} ${path}`);
    const answer = await ask(route, { path, as, ...(body !== undefined && { body }) });
    return { status: answer.status, body: answer.json as Record<string, unknown> };
  };
  const entries = async () => (await audit.list({ limit: 50 })).entries;
  const actions = async () => (await entries()).map((entry) => [entry.action, entry.actor.name]);
  return { azure, time, log, process, web, call, entries, actions, settings, tokenTries, drains: () => drains };
};

const passOf = async (room: Breaker): Promise<Pass> => {
  const gate = await room.gate();
  if (!gate.pass) throw new Error('the breaker is open');
  return gate.pass;
};

test('an admin sees why mail waits and what helps, and tries the relay now', async () => {
  const { time, process, call, actions, drains, tokenTries, log } = await stack();
  expect(await call('GET', '/api/relay')).toMatchObject({
    status: 200,
    body: { state: 'closed', cause: null, since: null, nextProbe: null, remedy: null, pause: null },
  });
  const worker = process();
  await worker.breaker.fault(refused, await passOf(worker.breaker));
  const since = new Date(time.now()).toISOString();
  const { body } = await call('GET', '/api/relay');
  expect(body).toMatchObject({ state: 'open', since, failedProbes: 0, waiting: { relay: 5 } });
  expect(body.cause).toEqual({ class: 'auth', phase: 'auth', code: 535, enhanced: '5.7.139', reply: refused.reply });
  expect(body.remedy).toMatchObject({ title: expect.any(String), doThis: expect.any(Array) });
  expect(Date.parse(String(body.nextProbe)) - time.now()).toBe(minutes(1));

  expect(await call('POST', '/api/relay/probe')).toMatchObject({ status: 200, body: { nextProbe: since } });
  expect(tokenTries).toHaveLength(1);
  expect(drains()).toBe(1);
  const gate = await process().breaker.gate();
  expect(gate).toMatchObject({ open: true, probe: true });
  expect((await call('GET', '/api/relay')).body.state).toBe('probing');
  if (gate.pass) expect(await worker.breaker.success(gate.pass)).toEqual({ released: true });
  expect((await call('GET', '/api/relay')).body.state).toBe('closed');
  expect(log.alerts().map(({ event }) => event)).toEqual(['postern.relay.opened', 'postern.relay.closed']);
  expect(await actions()).toEqual([['relay.probe', 'ana@example.com']]);
});

test('the kill switch is audited, survives restarts, and resuming drains; throwing it twice changes nothing', async () => {
  const { time, process, call, actions, drains } = await stack();
  const pause = { scope: 'ordinary', reason: 'A wrong template went out.' };
  const paused = { scope: 'ordinary', reason: pause.reason, by: 'ana@example.com' };
  expect(await call('POST', '/api/relay/pause', pause)).toMatchObject({ status: 200, body: { pause: paused } });
  expect(await call('POST', '/api/relay/pause', pause)).toMatchObject({ status: 200, body: { pause: paused } });
  const restarted = process();
  expect(await restarted.pause.paused('ordinary')).toMatchObject({ reason: pause.reason });
  expect(await restarted.pause.paused('priority')).toBeUndefined();
  expect(drains()).toBe(0);
  time.advance(minutes(1));
  expect(await call('POST', '/api/relay/resume')).toMatchObject({ status: 200, body: { pause: null } });
  expect(await call('POST', '/api/relay/resume')).toMatchObject({ status: 200, body: { pause: null } });
  expect(drains()).toBe(1);
  expect(await process().pause.paused('ordinary')).toBeUndefined();
  expect((await actions()).map(([action]) => action)).toEqual(['relay.resume', 'relay.pause']);
});

/** What the audit says of each switch before it is thrown, and what after it. */
const thrown = {
  pause: ['relay.pause', { scope: 'all', reason: 'maintenance' }],
  resume: ['relay.resume', { scope: 'all', pausedSince: '2026-11-22T09:00:00.000Z' }],
  probe: ['relay.probe', {}],
} as const;
const switches = Object.keys(thrown) as (keyof typeof thrown)[];

/** Paused and out of order, as far as the switch needs it. */
const ready = async (name: keyof typeof thrown) => {
  const it = await stack();
  const worker = it.process();
  if (name === 'resume') await worker.pause.pause('all', 'maintenance', { id: 'bo', name: 'Bo' });
  if (name === 'probe') await worker.breaker.fault(refused, await passOf(worker.breaker));
  const press = () => it.call('POST', `/api/relay/${name}`, name === 'pause' ? thrown.pause[1] : undefined);
  return { ...it, worker, press };
};

test.each(switches)('%s is in the audit before it is done, so that nothing done can be missing', async (name) => {
  const { azure, press, entries } = await ready(name);
  const [action, detail] = thrown[name];
  const relay = azure.table('relay');
  const seen: unknown[] = [];
  for (const write of ['createEntity', 'updateEntity'] as const) {
    const real = relay[write].bind(relay) as (...given: unknown[]) => Promise<never>;
    relay[write] = async (...given: unknown[]) => {
      seen.push(...(await entries()));
      return real(...given);
    };
  }
  expect((await press()).status).toBe(200);
  expect(seen).toMatchObject([{ action, subject: 'relay', detail: { ...detail, outcome: 'begun' } }]);
  expect(await entries()).toMatchObject([{ action, detail: { ...detail, outcome: 'done' } }]);
});

test.each(switches)('%s whose write fails is not told as done', async (name) => {
  const { azure, press, entries } = await ready(name);
  const relay = azure.table('relay');
  relay.createEntity = () => Promise.reject(new Error('503'));
  relay.updateEntity = () => Promise.reject(new Error('503'));
  await press().catch(() => undefined);
  expect(await entries()).toMatchObject([{ action: thrown[name][0], detail: { outcome: 'begun' } }]);
});

test('mail can be stopped also where the audit cannot be written: the pause itself tells who did it', async () => {
  const { azure, worker, press, log } = await ready('pause');
  azure.table('audit').createEntity = () => Promise.reject(new Error('503'));
  expect((await press()).status).toBe(200);
  expect((await worker.state.current()).pause).toMatchObject({ scope: 'all', reason: 'maintenance' });
  expect(log.lines.map(({ event }) => event)).toContain('postern.audit.unwritten');
});

test.each(['resume', 'probe'] as const)('%s is not done where the audit cannot be written', async (name) => {
  const { azure, worker, press, drains } = await ready(name);
  const before = await worker.state.current();
  azure.table('audit').createEntity = () => Promise.reject(new Error('503'));
  await press().catch(() => undefined);
  expect(await worker.state.current()).toEqual(before);
  expect(drains()).toBe(0);
});

test('a switch that somebody else throws first is told as not done', async () => {
  const { web, process, call, entries } = await stack();
  await web.pause.pause('all', 'maintenance', { id: 'bo', name: 'Bo' });
  const { resume } = web.pause;
  const slow = async () => {
    await process().pause.resume();
    return resume();
  };
  web.pause.resume = slow;
  expect((await call('POST', '/api/relay/resume')).body).toMatchObject({ pause: null });
  expect(await entries()).toMatchObject([{ action: 'relay.resume', detail: { scope: 'all', outcome: 'not-done' } }]);
});

test('a pause without a scope or a reason is refused, and a service may not throw the switch', async () => {
  const { call } = await stack();
  expect(await call('POST', '/api/relay/pause', { scope: 'some', reason: 'x' })).toMatchObject({ status: 400 });
  expect(await call('POST', '/api/relay/pause', { scope: 'all', reason: ' ' })).toMatchObject({ status: 400 });
  expect(await call('POST', '/api/relay/pause', { scope: 'all', reason: 'x' }, ['Send'])).toMatchObject({
    status: 403,
  });
  expect(await call('GET', '/api/relay', undefined, ['Send'])).toMatchObject({ status: 403 });
  expect(await call('GET', '/api/usage', undefined, ['Send'])).toMatchObject({ status: 403 });
});

test('usage shows what is used and left, the closed tap, and that trying now opens it', async () => {
  const { time, process, call, settings, drains } = await stack();
  expect((await call('GET', '/api/usage')).body).toMatchObject({
    limit: 100,
    used: 0,
    left: 100,
    nextFreeAt: null,
    tap: null,
  });
  const worker = process();
  for (let i = 0; i < 3; i++) await worker.limit.take('ordinary', settings.limit);
  await worker.limit.close();
  await worker.limit.quotaHit(time.now() + hours(4), '554 5.2.0 SubmissionQuotaExceeded');
  const { body } = await call('GET', '/api/usage');
  expect(body).toMatchObject({
    limit: 100,
    used: 3,
    held: 0,
    left: 97,
    reserve: 10,
    tap: { reply: '554 5.2.0 SubmissionQuotaExceeded' },
  });
  expect((body.byHour as number[]).reduce((a, b) => a + b)).toBe(3);
  expect(await process().limit.take('priority', settings.limit)).toMatchObject({ ok: false, reason: 'relay-quota' });

  await call('POST', '/api/relay/probe');
  expect(drains()).toBe(1);
  expect(await process().limit.take('priority', settings.limit)).toMatchObject({ ok: true });
  settings.limit.per24Hours = 0;
  expect((await call('GET', '/api/usage')).body).toMatchObject({ limit: 0, left: null });
});

test('processes that race for the probe on the real table get one', async () => {
  const { time, process } = await stack();
  const rooms = Array.from({ length: 6 }, process);
  const [first] = rooms;
  if (first) await first.breaker.fault(refused, await passOf(first.breaker));
  time.advance(minutes(1));
  const gates = await Promise.all(rooms.map((room) => room.breaker.gate()));
  expect(gates.filter((gate) => gate.pass)).toHaveLength(1);
});
