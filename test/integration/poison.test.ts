import { expect, test } from 'vitest';
import { poison } from '../../functions/timer/poison.ts';
import { maxDequeueCount } from '../../lib/delivery/accept.ts';
import { carrierOf } from '../../lib/delivery/carrier.ts';
import type { Lane } from '../../lib/message/kinds.ts';
import { share, stack } from '../helpers/postern.ts';

type Stack = Awaited<ReturnType<typeof stack>>;

const base64 = (body: unknown) =>
  Buffer.from(typeof body === 'string' ? body : JSON.stringify(body)).toString('base64');

/** What the host leaves on a lane's poison queue, emptied by the timer. */
const poisoned = async ({ azure, postern }: Stack, texts: string[], lane: Lane = 'mail') => {
  const queue = azure.queue(`${lane}-poison`);
  for (const text of texts) await queue.sendMessage(text);
  await postern.timers.poison();
  return queue;
};

const rows = async ({ postern }: Stack) => (await postern.rooms.ledger.byTime({}, 50)).items;
const admin = { id: 'admin', name: 'Admin' };

test('the poison timer leaves nothing on the queue and one row for each message', async () => {
  const all = await stack();
  const queue = await poisoned(all, [base64(share('ana@example.com')), base64('no JSON'), 'not Base64 at all!']);
  expect((await queue.getProperties()).approximateMessagesCount).toBe(0);
  expect((await rows(all)).map(({ state, reason }) => [state, reason.code])).toEqual(
    Array.from({ length: 3 }, () => ['failed', 'poison']),
  );
  expect(all.log.alerts().filter(({ event }) => event === 'postern.mail.poison')).toHaveLength(3);
});

test('a message that somebody else has deleted or taken holds up none of the others', async () => {
  const all = await stack();
  const queue = all.azure.queue('mail-poison');
  for (let i = 0; i < 16; i++) await queue.sendMessage(base64(share(`r${i}@example.com`)));
  const settle = all.postern.rooms.lastResort.settle;
  let settled = 0;
  const lastResort = {
    ...all.postern.rooms.lastResort,
    settle: async (...given: Parameters<typeof settle>) => {
      await settle(...given);
      if (++settled === 2) await queue.clearMessages();
    },
  };
  await poison('mail', queue, lastResort);
  // Those of the first go, which were read before the others vanished.
  expect(await rows(all)).toHaveLength(8);
});

test.each([
  'mail',
  'mail-priority',
] as const)('a well-formed message that %s gave up on is found by its recipient and can be sent again', async (lane) => {
  const all = await stack();
  await poisoned(all, [base64(share('ana@example.com'))], lane);
  const { id, state } = await all.deliveryTo('ana@example.com');
  expect(state).toBe('failed');
  expect(all.smtp.accepted).toHaveLength(0);
  await all.postern.rooms.verbs.apply('resend', id, admin);
  await all.work();
  expect(all.smtp.accepted).toHaveLength(1);
  expect(await all.deliveryTo('ana@example.com')).toMatchObject({ state: 'sent' });
});

test('law 1: what is no message by the contract keeps its original, and a resend says what is wrong with it', async () => {
  const all = await stack();
  await poisoned(all, [base64('{"v":1,"mail":{"kind":"share","to":[{"address":"ana@example.com"}],"subject":"x"}}')]);
  const { id, reason } = await all.deliveryTo('ana@example.com');
  expect(reason.detail).toContain('mail.text');
  expect((await all.postern.rooms.ledger.read(id))?.original).toContain('"kind":"share"');
  await expect(all.postern.rooms.verbs.apply('resend', id, admin)).rejects.toMatchObject({
    code: 'illegal-state',
    message: expect.stringContaining('mail.text'),
  });
});

test('a message that its producer forgot to encode tells so, and is sent by a resend', async () => {
  const all = await stack();
  await poisoned(all, [JSON.stringify(share('ana@example.com'))]);
  const { id, reason } = await all.deliveryTo('ana@example.com');
  expect(reason.detail).toContain('not Base64');
  await all.postern.rooms.verbs.apply('resend', id, admin);
  await all.work();
  expect(all.smtp.accepted).toHaveLength(1);
});

test('each recipient of a poisoned message has a row', async () => {
  const all = await stack();
  await poisoned(all, [base64(share(['ana@example.com', 'bea@example.com']))]);
  expect((await rows(all)).map(({ to }) => to).sort()).toEqual(['ana@example.com', 'bea@example.com']);
});

test('a poisoned copy under a key that was used goes by the row there is', async () => {
  const all = await stack();
  await all.put(share('ana@example.com', { key: 'k' }));
  await poisoned(all, [base64(share('ana@example.com', { key: 'k' }))]);
  expect(await all.deliveryTo('ana@example.com')).toMatchObject({ state: 'sent' });
});

test('law 5: a carrier whose process died in every hand-over ends uncertain', async () => {
  const all = await stack();
  const broken = all.peer({ clock: { now: () => all.time.now() } });
  all.smtp.faults.set([{ at: 'rcpt', reply: '451 4.7.1 later', times: 1 }]);
  await all.put(share('ana@example.com'), 'mail', broken);
  const { id } = await all.deliveryTo('ana@example.com');
  const { ledger } = all.postern.rooms;
  const known = (await ledger.read(id))!;
  const claimed = {
    ...known.delivery,
    state: 'submitting' as const,
    attempt: 2,
    leaseUntil: '2026-11-22T08:00:00.000Z',
  };
  await ledger.move(known, claimed, 'dead', known.mail);
  await poisoned(all, [base64(carrierOf(id, 2))]);
  expect(await all.deliveryTo('ana@example.com')).toMatchObject({ state: 'uncertain', mayHaveArrived: true });
  await broken.close();
});

test('a carrier of a mail that is settled changes nothing', async () => {
  const all = await stack();
  await all.put(share('ana@example.com'));
  const { id } = await all.deliveryTo('ana@example.com');
  await poisoned(all, [base64(carrierOf(id, 1))]);
  expect(await all.deliveryTo('ana@example.com')).toMatchObject({ state: 'sent' });
});

test('law 1: a split that ends in a crash time after time fails each recipient who was not reached, and keeps the mail', async () => {
  const all = await stack();
  await all.postern.rooms.acceptance.overHttp(share(['ana@example.com', 'bea@example.com']).mail as never, 'svc');
  const work = all.held.next()!;
  const last = { id: work.id, insertedAt: work.sentAt, dequeueCount: maxDequeueCount };
  await all.postern.rooms.acceptance.fromQueue('mail', JSON.parse(work.text), last);
  for (const address of ['ana@example.com', 'bea@example.com']) {
    const { id } = await all.deliveryTo(address);
    expect(await all.deliveryTo(address)).toMatchObject({ state: 'failed', reason: { code: 'poison' }, owner: 'svc' });
    await all.postern.rooms.verbs.apply('resend', id, admin);
  }
  await all.work();
  expect(all.smtp.accepted).toHaveLength(2);
});

test('the last try of a message leaves alone a delivery whose own retry is on its way', async () => {
  const all = await stack();
  all.smtp.faults.set([{ at: 'rcpt', reply: '451 4.7.1 later', times: 1 }]);
  const { again } = await all.put(share('ana@example.com'));
  await again(maxDequeueCount);
  expect(await all.deliveryTo('ana@example.com')).toMatchObject({ state: 'deferred' });
  await all.work();
  expect(all.smtp.accepted).toHaveLength(1);
});

test('law 6: a code in a poisoned message is not kept', async () => {
  const all = await stack();
  await poisoned(all, [
    base64(share('ana@example.com', { kind: 'two-factor', subject: 'Code 123', text: 'Code 123' })),
  ]);
  const { id } = await all.deliveryTo('ana@example.com');
  expect(JSON.stringify(await all.postern.rooms.ledger.read(id))).not.toContain('123');
});
