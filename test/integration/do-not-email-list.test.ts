import type { TableClient } from '@azure/data-tables';
import { beforeEach, describe, expect, test } from 'vitest';
import { domainsKept } from '../../lib/do-not-email/domains.ts';
import type { Request } from '../../lib/do-not-email/entry.ts';
import { doNotEmailList } from '../../lib/do-not-email/list.ts';
import { loseNextAnswer } from '../helpers/lost-answer.ts';
import { ownStorage } from '../helpers/storage.ts';

let table: TableClient;
let now = Date.parse('2026-11-22T12:00:00Z');
const clock = { now: () => now };
/** Waiting lets the time pass at once. */
const wait = async (milliseconds: number) => {
  now += milliseconds;
};
const process = () => doNotEmailList({ table, clock, wait });
const request = (address: string, over: Partial<Request> = {}): Request => ({
  ...{ address, scope: 'all', reason: 'admin', source: 'api', actor: 'Bo', note: '' },
  ...over,
});

beforeEach(async () => {
  const { azure } = await ownStorage();
  table = azure.table('donotemail');
});

/** Counts what goes over the wire. */
const counted = () => {
  const requests: string[] = [];
  table.pipeline.addPolicy({
    name: 'count',
    sendRequest: (it, next) => {
      requests.push(`${it.method} ${it.url}`);
      return next(it);
    },
  });
  return requests;
};

const rowCount = async () => {
  let count = 0;
  for await (const _ of table.listEntities()) count += 1;
  return count;
};

describe('law 2: the list is read at send time', () => {
  test('an entry that another process made is honoured at the next look-up', async () => {
    const [one, other] = [process(), process()];
    expect(await one.find('ana@example.com', 'share')).toBeUndefined();
    await other.add(request('ana@example.com'));
    expect(await one.find('Ana@Example.com', 'share')).toMatchObject({ address: 'ana@example.com', actor: 'Bo' });
    await other.remove('ana@example.com');
    expect(await one.find('ana@example.com', 'share')).toBeUndefined();
  });

  test('a whole domain is honoured by every process from when the addition is reported as done', async () => {
    const [one, other] = [process(), process()];
    expect(await one.find('ana@example.com', 'share')).toBeUndefined();
    await other.add(request('@example.com'));
    expect(await one.find('ana@example.com', 'share')).toMatchObject({ address: '@example.com' });
    expect(await one.find('ana@sub.example.com', 'share')).toBeUndefined();
    await other.remove('@example.com');
    now += domainsKept;
    expect(await one.find('ana@example.com', 'share')).toBeUndefined();
  });

  test('a domain added again after a change that nobody was told of is honoured', async () => {
    const list = process();
    await list.add(request('@example.com'));
    await table.deleteEntity('domains', '!version');
    await list.add(request('@example.com'));
    expect(await process().find('ana@example.com', 'share')).toBeDefined();
  });

  test('a whole-domain entry that was written is heard of, although its process died right after', async () => {
    const other = process();
    expect(await other.find('ana@example.com', 'share')).toBeUndefined();
    const dying = () => new Promise<never>(() => {});
    const writes: string[] = [];
    table.pipeline.addPolicy({
      name: 'die after the first write',
      sendRequest: async (request, next) => {
        if (request.method === 'GET') return next(request);
        if (writes.push(request.method) > 1) return dying();
        return next(request);
      },
    });
    const added = doNotEmailList({ table, clock, wait: dying }).add(request('@example.com'));
    added.catch(() => {});
    await expect.poll(async () => writes.length > 0 && (await rowCount())).toBe(2);
    now += domainsKept;
    expect(await other.find('ana@example.com', 'share')).toMatchObject({ address: '@example.com' });
  });

  test('a look-up that fails rejects, so that the mail waits', async () => {
    const list = process();
    await table.deleteTable();
    await expect(list.find('ana@example.com', 'share')).rejects.toMatchObject({ statusCode: 404 });
  });

  test('a domain reading that fails rejects too once the last one is too old', async () => {
    const list = process();
    expect(await list.find('ana@example.com', 'share')).toBeUndefined();
    table.pipeline.addPolicy({
      name: 'fault',
      sendRequest: (it, next) => {
        if (it.url.includes('domains')) throw new Error('storage is away');
        return next(it);
      },
    });
    now += domainsKept;
    await expect(list.find('ana@example.com', 'share')).rejects.toThrow('storage is away');
  });

  test('a scope stops the kinds that it names', async () => {
    const list = process();
    await list.add(request('ana@example.com', { scope: ['share', 'notice'] }));
    expect(await list.find('ana@example.com', 'share')).toBeDefined();
    expect(await list.find('ana@example.com', 'two-factor')).toBeUndefined();
  });

  test('of two entries that stop a mail the complaint is told', async () => {
    const list = process();
    await list.add(request('ana@example.com'));
    await list.add(request('@example.com', { reason: 'complaint' }));
    expect(await list.find('ana@example.com', 'share')).toMatchObject({ reason: 'complaint' });
  });
});

test('a look-up is one point read, and one more every few seconds for whole domains', async () => {
  const list = process();
  await list.add(request('@example.org'));
  await list.find('someone@example.com', 'share');
  const requests = counted();
  for (let i = 0; i < 20; i++) await list.find(`ana${i}@example.com`, 'share');
  expect(requests).toHaveLength(20);
  now += domainsKept;
  await Promise.all(Array.from({ length: 20 }, (_, i) => list.find(`bo${i}@example.com`, 'share')));
  expect(requests).toHaveLength(41);
  for (const it of requests) expect(it).toMatch(/PartitionKey='[^']+',RowKey='[^']+'/);
});

describe('adding', () => {
  test('again changes nothing, and more scope widens', async () => {
    const list = process();
    expect(await list.add(request('ana@example.com', { scope: ['share'] }))).toMatchObject({ change: 'added' });
    now += 1000;
    const again = await list.add(request('ana@example.com', { scope: ['share'], actor: 'Cy' }));
    expect(again).toMatchObject({ change: 'known', entry: { actor: 'Bo' } });
    const wider = await list.add(request('ana@example.com', { scope: ['notice'], actor: 'Cy' }));
    expect(wider).toMatchObject({ change: 'widened', entry: { scope: ['share', 'notice'], actor: 'Cy' } });
  });

  test('by many at once ends as one entry with all scopes, in the views too', async () => {
    const kinds = ['share', 'notice', 'error', 'file-change'] as const;
    await Promise.all(kinds.map((kind) => process().add(request('ana@example.com', { scope: [kind] }))));
    const list = process();
    const all = { address: 'ana@example.com', scope: ['share', 'file-change', 'error', 'notice'] };
    expect(await list.get('ana@example.com')).toMatchObject(all);
    expect(await list.search({ limit: 10 })).toMatchObject({ entries: [all] });
    expect(await list.search({ limit: 10, domain: 'example.com' })).toMatchObject({ entries: [all] });
  });

  test.each([
    'ana@example.com',
    '@example.com',
  ])('is told as done where the answer to its own write got lost: %s', async (address) => {
    const list = process();
    const lost = loseNextAnswer(table);
    expect(await list.add(request(address))).toMatchObject({ change: 'added' });
    expect(lost()).toBe(true);
    expect(await list.get(address)).toBeDefined();
  });

  test.each([
    'ana@example.com',
    '@example.com',
  ])('is told as undone where the answer to its own removal got lost: %s', async (address) => {
    const list = process();
    await list.add(request(address));
    expect(await process().find('ana@example.com', 'share')).toBeDefined();
    const lost = loseNextAnswer(table);
    expect(await list.remove(address)).toMatchObject({ address });
    expect(lost()).toBe(true);
    expect(await list.remove(address)).toBeUndefined();
    expect(await process().find('ana@example.com', 'share')).toBeUndefined();
  });

  test('takes the longest address there is', async () => {
    const longest = `${'ö'.repeat(32)}@${Array.from({ length: 3 }, () => 'd'.repeat(63)).join('.')}.example`;
    const list = process();
    await list.add(request(longest));
    expect(await list.search({ limit: 10 })).toMatchObject({ entries: [{ address: longest }] });
    expect(await list.find(longest, 'share')).toBeDefined();
  });
});

describe('undo', () => {
  const unsubscribed = { reason: 'unsubscribed', source: 'one-click', actor: 'recipient' } as const;

  test('removes what the recipient made, and is harmless twice', async () => {
    const list = process();
    const { entry } = await list.add(request('ana@example.com', unsubscribed));
    expect(await list.undo('ana@example.com', entry.time, 'unsubscribed')).toBe('undone');
    expect(await list.undo('ana@example.com', entry.time, 'unsubscribed')).toBe('gone');
    expect(await list.search({ limit: 10 })).toEqual({ entries: [] });
  });

  test('puts back what was there before', async () => {
    const list = process();
    await list.add(request('ana@example.com', { scope: ['notice'] }));
    now += 1000;
    const { entry } = await list.add(request('ana@example.com', unsubscribed));
    expect(await list.undo('ana@example.com', entry.time, 'unsubscribed')).toBe('undone');
    expect(await list.get('ana@example.com')).toMatchObject({ scope: ['notice'], reason: 'admin' });
    expect(await list.undo('ana@example.com', entry.time, 'unsubscribed')).toBe('gone');
  });

  test('leaves alone what an admin or a complaint made of it since', async () => {
    const list = process();
    const { entry } = await list.add(request('ana@example.com', unsubscribed));
    now += 1000;
    await list.add(request('ana@example.com', { reason: 'complaint', source: 'complaint' }));
    expect(await list.undo('ana@example.com', entry.time, 'unsubscribed')).toBe('changed');
    expect(await list.get('ana@example.com')).toMatchObject({ reason: 'complaint' });
  });
});

describe('search', () => {
  const addresses = ['ana@example.com', 'ana@example.org', 'anna@example.com', 'bo@example.com', '@example.com'];
  const listed = async (search: { prefix?: string; domain?: string }, limit = 10) => {
    const found: string[] = [];
    let after: string | undefined;
    do {
      const page = await process().search({ ...search, limit, after });
      expect(page.entries.length).toBeLessThanOrEqual(limit);
      found.push(...page.entries.map(({ address }) => address));
      after = page.next;
    } while (after !== undefined);
    return found;
  };

  test('finds all, by prefix, and by domain, in order and by pages', async () => {
    for (const address of addresses) await process().add(request(address));
    expect(await listed({})).toEqual([...addresses].sort());
    expect(await listed({}, 2)).toEqual([...addresses].sort());
    expect(await listed({ prefix: 'ANA@' })).toEqual(['ana@example.com', 'ana@example.org']);
    expect(await listed({ domain: 'example.com' }, 3)).toEqual([
      ...['@example.com', 'ana@example.com', 'anna@example.com', 'bo@example.com'],
    ]);
    expect(await listed({ domain: 'example.com', prefix: 'an' })).toEqual(['ana@example.com', 'anna@example.com']);
    expect(await listed({ domain: 'example' })).toEqual([]);
  });
});
