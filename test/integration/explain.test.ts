import { expect, test } from 'vitest';
import { hours, minutes, seconds } from '../../lib/clock.ts';
import { ask } from '../helpers/http.ts';
import { countedTables } from '../helpers/operations.ts';
import { share, stack } from '../helpers/postern.ts';
import { asAdmin } from '../helpers/relay-switches.ts';

interface Told {
  outcome: string;
  goesAt?: string;
  gates: { gate: string; verdict: string; note?: string; until?: string; reason?: { code: string; row?: string } }[];
  [field: string]: unknown;
}

const explaining = async (settings: object = {}) => {
  const all = await stack({ settings });
  const explain = async (...given: Parameters<typeof share>): Promise<Told[]> => {
    const route = all.postern.routes.find(({ name }) => name === 'explainMessage')!;
    const answer = await ask(route, { path: '/api/messages/explain', as: ['Send'], body: share(...given) });
    expect(answer.status).toBe(200);
    return (answer.json as { recipients: Told[] }).recipients;
  };
  const one = async (...given: Parameters<typeof share>) => (await explain(...given))[0] as Told;
  const gate = (told: Told, name: string) => told.gates.find((it) => it.gate === name);
  return { ...all, explain, one, gate };
};

const listed = (address: string) => ({ address, scope: 'all', reason: 'admin', source: 'test', actor: 'a', note: '' });

test('each gate is told in order, with the sender that the mail would show and when it would go', async () => {
  const { one, time } = await explaining();
  const told = await one('ana@example.com', { from: { address: 'bo@example.com', name: 'Bo' } });
  expect(told.gates.map(({ gate, verdict }) => [gate, verdict])).toEqual(
    ['expired', 'not-before', 'configured', 'paused', 'relay', 'pace', 'do-not-email', 'limit'].map((it) => [
      it,
      'pass',
    ]),
  );
  expect(told).toMatchObject({
    ...{ to: 'ana@example.com', lane: 'mail', outcome: 'submitting', goesAt: new Date(time.now()).toISOString() },
    ...{ from: { address: 'bo@example.com', name: 'Bo' }, envelopeFrom: 'files@example.com' },
    sender: expect.any(Array),
  });
});

test('each recipient has an answer, with the row that decided', async () => {
  const { explain, gate, postern } = await explaining();
  await postern.rooms.list.add(listed('bea@example.com') as never);
  const [ana, bea] = await explain(['ana@example.com', 'bea@example.com']);
  expect(ana).toMatchObject({ outcome: 'submitting' });
  expect(bea).toMatchObject({ outcome: 'suppressed' });
  expect(bea?.goesAt).toBeUndefined();
  expect(gate(bea as Told, 'do-not-email')).toMatchObject({
    verdict: 'suppressed',
    reason: { code: 'do-not-email', row: 'bea@example.com' },
  });
});

test('an override that lets a mail past the list is told', async () => {
  const { one, gate, postern } = await explaining({ doNotEmail: { ignoreForPriority: true } });
  await postern.rooms.list.add(listed('ana@example.com') as never);
  const told = await one('ana@example.com', { kind: 'two-factor' });
  expect(told).toMatchObject({ outcome: 'submitting', lane: 'mail-priority' });
  expect(gate(told, 'do-not-email')).toMatchObject({ verdict: 'pass', note: expect.stringContaining('ana@') });
});

test('all that stands in the way is told, and it goes when the last of it is gone', async () => {
  const { one, gate, put, time, smtp } = await explaining({ limit: { per24Hours: 1 } });
  await put(share('first@example.com'));
  expect(smtp.accepted).toHaveLength(1);
  const notBefore = new Date(time.now() + hours(1)).toISOString();
  const told = await one('ana@example.com', { notBefore });
  expect(gate(told, 'not-before')).toMatchObject({ verdict: 'park', until: notBefore });
  const limit = gate(told, 'limit');
  expect(limit).toMatchObject({ verdict: 'park', reason: { code: 'limit' } });
  expect(told).toMatchObject({ outcome: 'parked', goesAt: limit?.until });
  expect(await one('ana@example.com', { expiresAt: '2026-11-22T08:00:00Z' })).toMatchObject({ outcome: 'expired' });
});

test('a pause ends when somebody ends it, so nobody can tell when the mail would go', async () => {
  const { one, gate, postern } = await explaining();
  await asAdmin(postern, 'pauseRelay', { scope: 'ordinary', reason: 'phishing report' });
  const told = await one('ana@example.com');
  expect(gate(told, 'paused')).toMatchObject({ verdict: 'park', reason: { code: 'paused' } });
  expect(told.outcome).toBe('parked');
  expect(told.goesAt).toBeUndefined();
  expect(await one('ana@example.com', { kind: 'two-factor' })).toMatchObject({ outcome: 'submitting' });
});

test('the turn by the pace is told: short waits as a remark, longer ones as what stops it', async () => {
  const { one, gate, put } = await explaining({ limit: { perMinute: 30 } });
  for (const name of ['a', 'b', 'c']) await put(share(`${name}@example.com`));
  expect(gate(await one('ana@example.com'), 'pace')).toMatchObject({ verdict: 'pass', note: expect.any(String) });
  for (const name of ['d', 'e', 'f', 'g']) await put(share(`${name}@example.com`));
  const told = await one('ana@example.com');
  expect(gate(told, 'pace')).toMatchObject({ verdict: 'park', until: told.goesAt });
});

test('law 2: where the list cannot be read the mail would wait, and it says so', async () => {
  const { one, gate, azure } = await explaining();
  const table = azure.table('donotemail');
  table.getEntity = async () => {
    throw new Error('503 the table does not answer');
  };
  const told = await one('ana@example.com');
  expect(gate(told, 'do-not-email')).toMatchObject({ verdict: 'unknown', reason: { code: 'look-up-failed' } });
  expect(told.outcome).toBe('parked');
  expect(told.goesAt).toBeUndefined();
});

test('law 7: nothing is sent, counted, stored, waited for or taken, even the right to probe', async () => {
  const { one, gate, azure, put, postern, smtp, time, held } = await explaining({
    limit: { per24Hours: 5, perMinute: 30 },
  });
  smtp.faults.set([{ at: 'connect', drop: 'before' }]);
  for (const name of ['a', 'b', 'c']) await put(share(`${name}@example.com`));
  smtp.faults.clear();
  time.advance(minutes(2));
  await postern.rooms.limit.close();
  const usage = (await asAdmin(postern, 'getUsage')).json;
  const operations = countedTables(azure);
  for (const address of ['ana@example.com', 'bea@example.com']) {
    const told = await one(address, { key: 'share-1' });
    expect(gate(told, 'relay')).toMatchObject({ verdict: 'pass' });
  }
  expect(operations.writes()).toBe(0);
  expect(operations.total()).toBeGreaterThan(0);
  expect(smtp.accepted).toEqual([]);
  expect(held.all()).toEqual([]);
  expect((await asAdmin(postern, 'getUsage')).json).toEqual(usage);
  expect(await postern.rooms.keys.find('share-1')).toBeUndefined();
  // The right to probe is still there for a mail.
  time.advance(seconds(3));
  await put(share('probe@example.com'));
  expect(smtp.accepted).toHaveLength(1);
});
