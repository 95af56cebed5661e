import { expect, test } from 'vitest';
import { groupRead } from '../../lib/storage/group-read.ts';
import { countedTables } from '../helpers/operations.ts';
import { ownStorage } from '../helpers/storage.ts';
import { settled } from '../helpers/time.ts';

const near = (a: string, b: string) => Math.abs(Number(a) - Number(b)) < 50;

const reading = async () => {
  const { azure } = await ownStorage();
  const table = azure.table('deliveries');
  const key = (n: number) => ({ partitionKey: 'p', rowKey: String(n).padStart(4, '0') });
  for (let n = 0; n < 30; n += 2) await table.createEntity({ ...key(n), n });
  return { azure, table, key, operations: countedTables(azure), read: groupRead<{ n: number }>(table, near) };
};

test('reads that come together share a query, and each gets its own row, or none, with its version', async () => {
  const { key, operations, read, table } = await reading();
  const rows = await Promise.all([0, 2, 3, 4, 6, 7, 8, 10, 2].map((n) => read(key(n))));
  expect(rows.map((row) => row?.n)).toEqual([0, 2, undefined, 4, 6, undefined, 8, 10, 2]);
  expect(operations.total()).toBe(2);
  expect(rows[3]?.etag).toBe((await table.getEntity('p', '0004')).etag);
});

test('a lone read is a point read, and rows far apart are not searched for in one walk', async () => {
  const { key, operations, read } = await reading();
  expect((await read(key(4)))?.n).toBe(4);
  await settled();
  await Promise.all([read(key(0)), read(key(2)), read(key(4)), read(key(900)), read(key(910))]);
  expect(operations.total()).toBe(1 + 3);
});

test('where a query fails, each read has its own answer', async () => {
  const { key, read, table } = await reading();
  table.listEntities = () => {
    throw new Error('503');
  };
  const rows = await Promise.all([0, 2, 4].map((n) => read(key(n))));
  expect(rows.map((row) => row?.n)).toEqual([0, 2, 4]);
  table.getEntity = async () => {
    throw new Error('503 the table does not answer');
  };
  await expect(read(key(0))).rejects.toThrow('503');
});
