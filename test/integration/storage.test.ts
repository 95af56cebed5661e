import { expect, test } from 'vitest';
import { z } from 'zod';
import { changeRow, tableRow } from '../../lib/storage/row.ts';
import { loseNextAnswer } from '../helpers/lost-answer.ts';
import { ownStorage, queueNames } from '../helpers/storage.ts';

test('every stack of a test has tables and queues of its own', async () => {
  const one = await ownStorage();
  const other = await ownStorage();
  await one.azure.table('keys').createEntity({ partitionKey: 'a', rowKey: 'b' });
  await expect(other.azure.table('keys').getEntity('a', 'b')).rejects.toMatchObject({ statusCode: 404 });
  for (const name of queueNames) expect(await other.azure.queue(name).exists()).toBe(true);
});

test.each([
  'created',
  'updated',
])('a shared row that was %s knows its own write again where the answer got lost', async (what) => {
  const { azure } = await ownStorage();
  const table = azure.table('relay');
  const row = tableRow(table, { partitionKey: 'a', rowKey: 'b' }, z.object({ count: z.int() }));
  const count = () =>
    changeRow(row, undefined, (before = { count: 0 }) => ({
      value: { count: before.count + 1 },
      result: before.count,
    }));
  if (what === 'updated') await count();
  const before = (await row.read())?.value.count ?? 0;
  const lost = loseNextAnswer(table);
  expect(await count()).toMatchObject({ wrote: true, result: before });
  expect(lost()).toBe(true);
  expect((await row.read())?.value.count).toBe(before + 1);
});

test('of two who write a shared row at once one is told that it lost', async () => {
  const { azure } = await ownStorage();
  const row = tableRow(azure.table('relay'), { partitionKey: 'a', rowKey: 'b' }, z.object({ by: z.string() }));
  const etags = await Promise.all(['ana', 'bo'].map((by) => row.write({ by }, undefined)));
  expect(etags.filter(Boolean)).toHaveLength(1);
});
