import { expect, test } from 'vitest';
import type { Lanes } from '../../lib/delivery/carrier.ts';
import type { Delivery } from '../../lib/delivery/delivery.ts';
import { share, stack } from '../helpers/postern.ts';

type Stack = Awaited<ReturnType<typeof stack>>;

const people = (count: number) => Array.from({ length: count }, (_, i) => `r${i}@example.com`);

const allRows = async ({ postern }: Stack): Promise<{ to: string; state: Delivery['state'] }[]> => {
  const rows: { to: string; state: Delivery['state'] }[] = [];
  let after: string | undefined;
  do {
    const page = await postern.rooms.ledger.byTime({}, 500, after);
    rows.push(...page.items.map(({ to, state }) => ({ to, state })));
    after = page.next;
  } while (after);
  return rows;
};

const mailed = ({ smtp }: Stack) => smtp.accepted.map(({ envelope }) => envelope.to);

test('law 1: of 1,000 recipients each gets one mail of their own and has one row', async () => {
  const all = await stack({ settings: { limit: { perMinute: 0, connections: 20 } } });
  const to = people(1000);
  await all.put(share(to));
  await all.workNow({ abreast: 24 });
  expect(mailed(all).every((one) => one.length === 1)).toBe(true);
  expect(mailed(all).flat().sort()).toEqual([...to].sort());
  const rows = await allRows(all);
  expect(rows.map((row) => row.to).sort()).toEqual([...to].sort());
  expect(rows.every(({ state }) => state === 'sent')).toBe(true);
}, 120_000);

/** Lanes of a process that dies after so many sends: what it sent stays, the rest never comes. */
const dyingAfter = (sends: number, lanes: Lanes): Lanes => {
  let done = 0;
  return {
    send: async (...message) => {
      if (done === sends) throw new Error('the process is gone');
      done += 1;
      return await lanes.send(...message);
    },
  };
};

test.each([
  0, 1, 7, 16, 29,
])('a process that dies after %d of 30 carriers costs nobody the mail, and nobody gets two', async (sends) => {
  const all = await stack();
  const to = people(30);
  const dying = all.peer({ lanes: dyingAfter(sends, all.held.sender) });
  const arrival = { id: 'm-1', insertedAt: all.time.now(), dequeueCount: 1 };
  await expect(dying.rooms.acceptance.fromQueue('mail', share(to), arrival)).rejects.toThrow('gone');
  await dying.close();

  // Some of the carriers are taken before the host delivers the message again.
  await all.work(all.postern, Math.floor(sends / 2));
  await all.postern.rooms.acceptance.fromQueue('mail', share(to), { ...arrival, dequeueCount: 2 });
  await all.work();
  expect(mailed(all).flat().sort()).toEqual([...to].sort());
  expect((await allRows(all)).map((row) => row.to).sort()).toEqual([...to].sort());
});

test('a message that is delivered again after its split sends nothing more', async () => {
  const all = await stack();
  const { again } = await all.put(share(people(3)));
  await all.work();
  await again();
  await all.work();
  expect(all.smtp.accepted).toHaveLength(3);
});

test('somebody who is named twice, in two spellings, gets one mail', async () => {
  const all = await stack();
  await all.put(share(['ana@example.com', 'bea@example.com', 'Ana@Example.COM']));
  await all.work();
  expect(mailed(all).flat().sort()).toEqual(['ana@example.com', 'bea@example.com']);
  expect(await allRows(all)).toHaveLength(2);
});

test('each recipient of a message has a row of their own: one refused, one later, one on the list, one sent (trap 29)', async () => {
  const all = await stack({ settings: { delivery: { retry: '1m' } } });
  await all.postern.rooms.list.add({
    ...{ address: 'cy@example.com', scope: 'all', reason: 'admin', source: 'test', actor: 'admin', note: '' },
  } as never);
  all.smtp.faults.set([
    { at: 'rcpt', match: 'ana@', reply: '550 5.1.1 no such user' },
    { at: 'rcpt', match: 'bea@', reply: '451 4.7.1 later', times: 1 },
  ]);
  await all.put(share(['ana@example.com', 'bea@example.com', 'cy@example.com', 'dan@example.com']));
  await all.work();
  expect(Object.fromEntries((await allRows(all)).map(({ to, state }) => [to, state]))).toEqual({
    'ana@example.com': 'failed',
    'bea@example.com': 'sent',
    'cy@example.com': 'suppressed',
    'dan@example.com': 'sent',
  });
  expect((await all.deliveryTo('bea@example.com')).attempts).toHaveLength(2);
});

test('law 1: a list of recipients over HTTP whose content is gone is failed for each, with the name of the blob', async () => {
  const all = await stack();
  const to = people(3);
  const { messageId } = await all.postern.rooms.acceptance.overHttp(share(to).mail as never, 'svc');
  await all.azure.container('content').getBlockBlobClient(`messages/${messageId}/message.json`).delete();
  await all.work();
  expect(all.smtp.accepted).toHaveLength(0);
  for (const address of to) {
    const { state, reason } = await all.deliveryTo(address);
    expect({ state, code: reason.code }).toEqual({ state: 'failed', code: 'content-missing' });
    expect(reason.detail).toContain(`messages/${messageId}/message.json`);
  }
});
