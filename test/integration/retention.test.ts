import { describe, expect, test } from 'vitest';
import { days, hours, minutes } from '../../lib/clock.ts';
import { contentBlobOf } from '../../lib/delivery/content.ts';
import { retention } from '../../lib/delivery/retention.ts';
import { mail } from '../../lib/message/contract.ts';
import { share, stack } from '../helpers/postern.ts';
import { asAdmin } from '../helpers/relay-switches.ts';

const rowsOf = async (table: { listEntities(): AsyncIterable<unknown> }) => {
  const rows: unknown[] = [];
  for await (const row of table.listEntities()) rows.push(row);
  return rows;
};

const blobsOf = async (all: Awaited<ReturnType<typeof stack>>) => {
  const names: string[] = [];
  for await (const { name } of all.azure.container('content').listBlobsFlat()) names.push(name);
  return names;
};

const keeping = (retentionDays: number) => ({ settings: { delivery: { retentionDays, afterCrash: 'hold' } } });

const big = 'x'.repeat(60_000);

test('history, its index, contents, keys and the audit age out by the setting, not a day earlier', async () => {
  const all = await stack(keeping(7));
  const { postern, put, work, time, azure } = all;
  await put(share('ana@example.com', { key: 'share-1' }));
  const body = mail.parse(share(['bea@example.com', 'cy@example.com'], { text: big }).mail);
  const { messageId } = await postern.rooms.acceptance.overHttp(body, 'svc');
  await work();
  await put('{ not json');
  await asAdmin(postern, 'pauseRelay', { scope: 'ordinary', reason: 'old' });
  await asAdmin(postern, 'resumeRelay');
  expect(await blobsOf(all)).toContain(contentBlobOf(messageId));

  time.advance(days(7) - hours(1));
  await postern.timers.ageOut();
  expect(await rowsOf(azure.table('deliveries'))).toHaveLength(4);
  expect(await postern.rooms.keys.find('share-1')).toBeDefined();

  time.advance(hours(3));
  await put(share('new@example.com', { key: 'share-2' }));
  await postern.timers.ageOut();
  expect(await rowsOf(azure.table('deliveries'))).toHaveLength(1);
  expect(await rowsOf(azure.table('recipients'))).toHaveLength(1);
  expect(await rowsOf(azure.table('keys'))).toHaveLength(1);
  expect(await blobsOf(all)).toEqual([]);

  time.advance(days(1));
  await asAdmin(postern, 'pauseRelay', { scope: 'ordinary', reason: 'new' });
  await postern.timers.ageOut();
  const { entries } = await postern.rooms.audit.list({ limit: 10, subject: 'relay' });
  expect(entries.map(({ detail }) => detail.reason)).toEqual(['new']);
});

test('law 1: what waits or is uncertain stays however old it is, with the content that it shares with others', async () => {
  const all = await stack(keeping(1));
  const { postern, put, work, time, azure, smtp, deliveryTo } = all;
  smtp.faults.set([{ at: 'accept', match: 'cy@', drop: 'after', times: 1 }]);
  const body = mail.parse(share(['bea@example.com', 'cy@example.com'], { text: big, key: 'shared' }).mail);
  const { messageId } = await postern.rooms.acceptance.overHttp(body, 'svc');
  await work();
  await asAdmin(postern, 'pauseRelay', { scope: 'ordinary', reason: 'for long' });
  time.advance(minutes(1));
  await put(share('di@example.com'));
  time.advance(days(90));
  await postern.timers.ageOut();
  expect(await deliveryTo('cy@example.com')).toMatchObject({ state: 'uncertain' });
  expect(await deliveryTo('di@example.com')).toMatchObject({ state: 'parked' });
  expect(await rowsOf(azure.table('deliveries'))).toHaveLength(2);
  expect(await blobsOf(all)).toContain(contentBlobOf(messageId));
  expect(await postern.rooms.keys.find('shared')).toEqual({ accepted: messageId });

  const { id } = await deliveryTo('cy@example.com');
  await postern.rooms.verbs.apply('mark-sent', id, { id: 'admin', name: 'Admin' });
  await postern.timers.ageOut();
  expect(await blobsOf(all)).toEqual([]);
  expect(await postern.rooms.keys.find('shared')).toBeUndefined();
});

test('a refused second use of a key does not take the key from the message that owns it', async () => {
  const { postern, put, time } = await stack(keeping(1));
  await asAdmin(postern, 'pauseRelay', { scope: 'ordinary', reason: 'for long' });
  await put(share('ana@example.com', { key: 'k' }));
  await put(share('bea@example.com', { key: 'k' }));
  time.advance(days(3));
  await postern.timers.ageOut();
  const { accepted, refused } = (await postern.rooms.keys.find('k'))!;
  expect(accepted).toBeDefined();
  expect(refused).toBeUndefined();
});

test('a message that was refused under a key ages out of it, and leaves it to the one that came instead', async () => {
  const { postern, put, time } = await stack(keeping(1));
  const find = () => postern.rooms.keys.find('k');
  await put(share('ana@example.com', { key: 'k', kind: 'spam' }));
  time.advance(days(2));
  await put(share('ana@example.com', { key: 'k' }));
  const accepted = (await find())!.accepted;
  expect(await find()).toEqual({ accepted, refused: expect.stringMatching(/./) });
  await postern.timers.ageOut();
  expect(await find()).toEqual({ accepted });
  await put(share('bea@example.com', { key: 'k' }));
  time.advance(days(3));
  await postern.timers.ageOut();
  expect(await find()).toBeUndefined();
});

test('it goes in bounded steps, and a run that dies is finished by the next', async () => {
  const { postern, putAll, time, azure } = await stack(keeping(1));
  for (let hour = 0; hour < 3; hour++) {
    await putAll(
      Array.from({ length: 60 }, (_, i) => share(`h${hour}p${i}@example.com`, { expiresAt: '2026-11-22T08:00:00Z' })),
    );
    time.advance(hours(1));
  }
  time.advance(days(2));
  const table = azure.table('deliveries');
  const deleteEntity = table.deleteEntity.bind(table);
  let calls = 0;
  table.deleteEntity = async (...row) => {
    if (++calls > 100) throw new Error('the process died');
    return deleteEntity(...row);
  };
  await expect(postern.timers.ageOut()).rejects.toThrow('the process died');
  const left = (await rowsOf(table)).length;
  expect(left).toBeGreaterThan(0);
  expect(left).toBeLessThan(180);
  table.deleteEntity = deleteEntity;
  const { ledger, audit, content, settings } = postern.rooms;
  const tables = { deliveries: table, recipients: azure.table('recipients'), keys: azure.table('keys') };
  const parts = { ledger, audit, content, settings, clock: time, ageOutDoNotEmail: async () => 0 };
  const step = await retention({ ...tables, ...parts })(10);
  expect(step).toBe(Math.min(left, 90));
  await postern.timers.ageOut();
  expect(await rowsOf(table)).toEqual([]);
  expect(await rowsOf(azure.table('recipients'))).toEqual([]);
});

test('law 1: a delivery that an admin sends again while it ages out is not lost', async () => {
  const all = await stack(keeping(1));
  const { postern, put, work, time, azure, smtp, deliveryTo } = all;
  smtp.faults.set([{ at: 'rcpt', reply: '550 5.1.1 no such user', times: 1 }]);
  await put(share('ana@example.com'));
  const { id } = await deliveryTo('ana@example.com');
  time.advance(days(3));
  const recipients = azure.table('recipients');
  const deleteEntity = recipients.deleteEntity.bind(recipients);
  recipients.deleteEntity = async (...row) => {
    // The rows are listed by now.
    await postern.rooms.verbs.apply('resend', id, { id: 'admin', name: 'Admin' });
    return deleteEntity(...row);
  };
  await postern.timers.ageOut();
  recipients.deleteEntity = deleteEntity;
  await work();
  expect(smtp.accepted).toHaveLength(1);
  expect(await deliveryTo('ana@example.com')).toMatchObject({ state: 'sent' });
});

test('content that a producer named stays, since another message may name it too', async () => {
  const all = await stack(keeping(1));
  const { postern, put, time, azure, deliveryTo } = all;
  await azure.container('content').getBlockBlobClient('producers/shared.json').upload('{"text":"Shared."}', 18);
  const { text: _, html: __, ...bare } = share('ana@example.com').mail;
  const named = { ...bare, content: { blob: 'producers/shared.json' } };
  await put({ v: 1, mail: named });
  time.advance(days(3));
  await postern.timers.ageOut();
  await put({ v: 1, mail: { ...named, to: [{ address: 'bea@example.com' }] } });
  expect(await deliveryTo('bea@example.com')).toMatchObject({ state: 'sent' });
});

describe('codes and account links', () => {
  const code = (to: string | string[], more: object = {}) =>
    share(to, { kind: 'two-factor', subject: 'Code 4711', text: `Code 4711 ${big}`, ...more });

  test('their blobs go once no delivery of the message goes on, long before its history', async () => {
    const all = await stack(keeping(30));
    const { postern, work, time, deliveryTo } = all;
    for (const to of ['ana@example.com', ['bea@example.com', 'cy@example.com']]) {
      await postern.rooms.acceptance.overHttp(mail.parse(code(to).mail), 'svc');
    }
    await work();
    expect(await blobsOf(all)).not.toEqual([]);
    time.advance(hours(2));
    await postern.timers.ageOut();
    expect(await blobsOf(all)).toEqual([]);
    expect(await deliveryTo('cy@example.com')).toMatchObject({ state: 'sent' });
  });

  test('one whose outcome nobody knows is kept for a decision until it expires, and not after', async () => {
    const all = await stack(keeping(30));
    const { postern, put, time, smtp, azure, deliveryTo } = all;
    smtp.faults.set([{ at: 'accept', drop: 'after', times: 1 }]);
    await put(code('ana@example.com', { text: 'Code 4711', expiresAt: '2026-11-22T12:00:00Z' }), 'mail-priority');
    expect(await deliveryTo('ana@example.com')).toMatchObject({ state: 'uncertain' });
    time.advance(hours(2));
    await postern.timers.ageOut();
    expect(JSON.stringify(await rowsOf(azure.table('deliveries')))).toContain('4711');
    time.advance(hours(2));
    await postern.timers.ageOut();
    expect(JSON.stringify(await rowsOf(azure.table('deliveries')))).not.toContain('4711');
    expect(await deliveryTo('ana@example.com')).toMatchObject({ state: 'uncertain' });
  });

  test('one that is refused is kept without what it says, and a resend tells so', async () => {
    const { postern, put, azure, deliveryTo } = await stack();
    await put(code('ana@example.com', { text: 'Code 4711', expiresAt: 'tomorrow', ref: { session: 's-1' } }));
    const { id } = await deliveryTo('ana@example.com');
    expect(JSON.stringify(await rowsOf(azure.table('deliveries')))).not.toContain('4711');
    expect((await postern.rooms.ledger.read(id))?.original).toContain('s-1');
    await expect(postern.rooms.verbs.apply('resend', id, { id: 'admin', name: 'Admin' })).rejects.toMatchObject({
      code: 'illegal-state',
      message: expect.stringContaining('held a code'),
    });
  });
});
