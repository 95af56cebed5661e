import { expect, test } from 'vitest';
import { ownStorage, queueNames } from '../helpers/storage.ts';

test('every stack of a test has tables and queues of its own', async () => {
  const one = await ownStorage();
  const other = await ownStorage();
  await one.azure.table('keys').createEntity({ partitionKey: 'a', rowKey: 'b' });
  await expect(other.azure.table('keys').getEntity('a', 'b')).rejects.toMatchObject({ statusCode: 404 });
  for (const name of queueNames) expect(await other.azure.queue(name).exists()).toBe(true);
});
