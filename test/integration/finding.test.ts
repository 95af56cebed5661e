import { beforeAll, describe, expect, test } from 'vitest';
import { countingRequests, fillHistory } from '../../dev/bench/history.ts';
import { hours, iso, minutes } from '../../lib/clock.ts';
import { idempotencyKeys } from '../../lib/delivery/keys.ts';
import { type Filter, ledger } from '../../lib/delivery/ledger.ts';
import { ownStorage } from '../helpers/storage.ts';

const newest = Date.parse('2026-11-22T08:59:59Z');
const recipients = Array.from({ length: 10 }, (_, i) => `r${i}@example.com`);

/** A history of so many rows, four a minute, and what it costs to ask it. */
const history = async (rows: number) => {
  const { azure } = await ownStorage();
  const tables = {
    deliveries: azure.table('deliveries'),
    recipients: azure.table('recipients'),
    keys: azure.table('keys'),
  };
  await fillHistory(tables, { rows, recipients, newest });
  const book = ledger(tables.deliveries, tables.recipients);
  const keys = idempotencyKeys(tables.keys);
  const requests = countingRequests(Object.values(tables));
  const cost = async <T>(ask: () => Promise<T>): Promise<{ found: T; requests: number }> => {
    requests.take();
    const found = await ask();
    return { found, requests: requests.take() };
  };
  return {
    byTime: (filter: Filter, size = 50, after?: string) => cost(() => book.byTime(filter, size, after)),
    byRecipient: (address: string, filter: Filter = {}) => cost(() => book.byRecipient(address, filter, 50)),
    byKey: (key: string) =>
      cost(async () => {
        const { accepted } = (await keys.find(key)) ?? {};
        return accepted ? await book.ofMessage(accepted) : [];
      }),
    byId: (id: string) => cost(() => book.ofMessage(id)),
  };
};

describe('finding a mail costs the same few requests whatever the size of the history', () => {
  let few: Awaited<ReturnType<typeof history>>;
  let many: Awaited<ReturnType<typeof history>>;
  beforeAll(async () => {
    few = await history(1000);
    many = await history(10_000);
  }, 120_000);

  test('the newest by time', async () => {
    const [a, b] = [await few.byTime({}), await many.byTime({})];
    expect([a.requests, b.requests]).toEqual([1, 1]);
    expect(b.found.items.map(({ subject }) => subject)).toEqual(Array.from({ length: 50 }, (_, i) => `Mail ${i}`));
  });

  test('those of a time span long ago', async () => {
    const until = newest - hours(3);
    const span = { since: until - minutes(10), until };
    const [a, b] = [await few.byTime(span), await many.byTime(span)];
    expect([a.requests, b.requests]).toEqual([1, 1]);
    expect(b.found.items).toHaveLength(41);
    expect(b.found.items.every(({ acceptedAt }) => acceptedAt >= iso(span.since) && acceptedAt <= iso(until))).toBe(
      true,
    );
  });

  test('page after page goes through all of them once, in order', async () => {
    const seen: string[] = [];
    let after: string | undefined;
    do {
      const { found } = await few.byTime({}, 300, after);
      seen.push(...found.items.map(({ subject }) => subject));
      after = found.next;
    } while (after);
    expect(seen).toEqual(Array.from({ length: 1000 }, (_, i) => `Mail ${i}`));
  });

  test('those of a recipient, whatever the spelling of the address', async () => {
    const [a, b] = [await few.byRecipient('r3@example.com'), await many.byRecipient('R3@Example.com')];
    expect([a.requests, b.requests]).toEqual([1, 1]);
    expect(b.found.items).toHaveLength(50);
    expect(b.found.items[0]).toMatchObject({ subject: 'Mail 3', to: 'r3@example.com' });
  });

  test('those of a recipient in a time span', async () => {
    const until = newest - hours(2);
    const [a, b] = [
      await few.byRecipient('r3@example.com', { until }),
      await many.byRecipient('r3@example.com', { until }),
    ];
    expect([a.requests, b.requests]).toEqual([1, 1]);
    expect(b.found.items[0]!.acceptedAt <= iso(until)).toBe(true);
  });

  test('the one of a key', async () => {
    const [a, b] = [await few.byKey('key-300'), await many.byKey('key-300')];
    expect([a.requests, b.requests]).toEqual([2, 2]);
    expect(b.found).toMatchObject([{ delivery: { subject: 'Mail 300', key: 'key-300' } }]);
    expect((await many.byKey('key-of-nobody')).found).toEqual([]);
  });

  test('the one of an id', async () => {
    const id = (await many.byTime({})).found.items[7]!.messageId;
    const { found, requests } = await many.byId(id);
    expect(requests).toBe(1);
    expect(found).toMatchObject([{ delivery: { subject: 'Mail 7' } }]);
  });

  test('a filter that matches little reads a bounded part and says where to go on', async () => {
    const { found, requests } = await many.byTime({ state: 'failed' });
    expect(requests).toBeLessThanOrEqual(5);
    expect(found.items.every(({ state }) => state === 'failed')).toBe(true);
    expect(found.items.length === 10 || found.next !== undefined).toBe(true);
  });
});
