import { describe, expect, test } from 'vitest';
import type { AzureClients } from '../../lib/storage/azure.ts';
import { share, stack } from '../helpers/postern.ts';

/** Makes a table answer nothing, or take a write and lose the answer, until told otherwise. */
const trouble = (azure: AzureClients, name: Parameters<AzureClients['table']>[0]) => {
  let now: 'well' | 'silent' | 'loses answers' = 'well';
  azure.table(name).pipeline.addPolicy({
    name: 'trouble',
    sendRequest: async (request, next) => {
      if (now === 'silent') throw new Error('503 the table service does not answer');
      const answer = await next(request);
      if (now === 'loses answers' && request.method !== 'GET') throw new Error('ECONNRESET');
      return answer;
    },
  });
  return {
    starts: (what: 'silent' | 'loses answers') => {
      now = what;
    },
    ends: () => {
      now = 'well';
    },
  };
};

describe('law 2: a look-up that fails means wait, never send (trap 5)', () => {
  test('while the Do Not Email list does not answer, nobody is mailed; then it goes, and with its attempts untouched', async () => {
    const { put, work, azure, smtp, deliveryTo } = await stack();
    const list = trouble(azure, 'donotemail');
    list.starts('silent');
    await put(share('ana@example.com'));
    await work(undefined, 5);
    expect(smtp.accepted).toHaveLength(0);
    list.ends();
    await work();
    expect(smtp.accepted).toHaveLength(1);
    expect(await deliveryTo('ana@example.com')).toMatchObject({ state: 'sent', attempt: 1, tries: 0 });
  });

  test('somebody who is put on the list meanwhile is not mailed (trap 6)', async () => {
    const { put, work, azure, smtp, deliveryTo, postern } = await stack();
    const list = trouble(azure, 'donotemail');
    list.starts('silent');
    await put(share('ana@example.com'));
    list.ends();
    await postern.rooms.list.add({
      ...{ address: 'ana@example.com', scope: 'all', reason: 'admin', source: 'test', actor: 'admin', note: '' },
    } as never);
    await work();
    expect(smtp.accepted).toHaveLength(0);
    expect(await deliveryTo('ana@example.com')).toMatchObject({ state: 'suppressed' });
  });
});

describe('law 1: no trouble of a table loses a mail or sends it twice', () => {
  test.each(['deliveries', 'recipients', 'keys'] as const)('%s does not answer for a while', async (name) => {
    const { put, work, azure, smtp, deliveryTo } = await stack();
    const table = trouble(azure, name);
    table.starts('silent');
    await put(share('ana@example.com', { key: 'k' }));
    await work(undefined, 6);
    table.ends();
    await work();
    expect(smtp.accepted).toHaveLength(1);
    expect(await deliveryTo('ana@example.com')).toMatchObject({ state: 'sent' });
  });

  test.each(['deliveries', 'recipients', 'keys'] as const)('%s loses its answers for a while', async (name) => {
    const { put, work, azure, smtp, deliveryTo } = await stack({ settings: { delivery: { afterCrash: 'hold' } } });
    const table = trouble(azure, name);
    table.starts('loses answers');
    await put(share('ana@example.com', { key: 'k' }));
    await work(undefined, 6);
    table.ends();
    await work();
    const { state } = await deliveryTo('ana@example.com');
    expect(smtp.accepted.length).toBeLessThanOrEqual(1);
    // Where the answer of the claim was lost, nobody can say whether another process has handed it over.
    expect(['sent', 'uncertain']).toContain(state);
    if (state === 'sent') expect(smtp.accepted).toHaveLength(1);
  });

  test('an outage of hours is waited for: the waits grow, and the mail is neither poisoned nor forgotten', async () => {
    const { put, work, azure, smtp, time, held, deliveryTo } = await stack();
    const keys = trouble(azure, 'keys');
    const start = time.now();
    keys.starts('silent');
    await put(share(['ana@example.com', 'bea@example.com'], { key: 'k' }));
    await work(undefined, 25);
    expect(time.now() - start).toBeGreaterThan(3 * 3_600_000);
    expect(held.all()).toHaveLength(1);
    keys.ends();
    await work();
    expect(smtp.accepted).toHaveLength(2);
    expect(await deliveryTo('bea@example.com')).toMatchObject({ state: 'sent' });
  });

  test('a mail put back keeps its age: it expires by the time it came', async () => {
    const { put, work, azure, smtp, deliveryTo } = await stack();
    const list = trouble(azure, 'donotemail');
    list.starts('silent');
    await put(share('ana@example.com', { kind: 'two-factor' }), 'mail-priority');
    await work(undefined, 9);
    list.ends();
    await work();
    expect(smtp.accepted).toHaveLength(0);
    expect(await deliveryTo('ana@example.com')).toMatchObject({ state: 'expired' });
  });

  test('a settings row that cannot be read makes the mail wait', async () => {
    const { put, work, azure, smtp, time } = await stack();
    const settings = trouble(azure, 'settings');
    time.advance(60_000);
    settings.starts('silent');
    await put(share('ana@example.com'));
    await work(undefined, 3);
    expect(smtp.accepted).toHaveLength(0);
    settings.ends();
    await work();
    expect(smtp.accepted).toHaveLength(1);
  });
});

test('the limit keeps no unit for a mail that could not be handed over', async () => {
  const { put, work, azure, smtp, postern } = await stack({ settings: { limit: { per24Hours: 3, perMinute: 0 } } });
  const rows = trouble(azure, 'deliveries');
  rows.starts('silent');
  await put(share('ana@example.com'));
  rows.ends();
  await work();
  for (const name of ['bea', 'cy']) await put(share(`${name}@example.com`));
  await work();
  expect(smtp.accepted).toHaveLength(3);
  expect((await postern.rooms.parking.waiting()).limit.ordinary).toBe(0);
});
