import PostalMime from 'postal-mime';
import { expect, test } from 'vitest';
import { share, stack } from '../helpers/postern.ts';

test('a share mail on the queue arrives with the user as From, both bodies, and is recorded as sent', async () => {
  const { put, smtp, deliveryTo } = await stack();
  await put(share('ana@example.com', { from: { address: 'bo@example.com', name: 'Bo' } }));

  expect(smtp.accepted).toHaveLength(1);
  const { envelope, raw } = smtp.accepted[0]!;
  expect(envelope).toMatchObject({ from: 'files@example.com', to: ['ana@example.com'] });
  const mail = await PostalMime.parse(raw);
  expect(mail.from).toMatchObject({ address: 'bo@example.com', name: 'Bo' });
  expect(mail.subject).toBe('Bo shared “Plans” with you');
  expect(mail.text).toContain('See the plans.');
  expect(mail.html).toContain('<p>See the plans.</p>');

  const delivery = await deliveryTo('ana@example.com');
  expect(delivery).toMatchObject({ state: 'sent', attempt: 1, kind: 'share' });
  expect(delivery.attempts[0]).toMatchObject({ class: 'accepted', reply: expect.stringMatching(/^250/) });
  expect(mail.messageId).toBe(delivery.messageIdHeader);
});

test('the same queue message delivered again after success sends nothing (trap 16)', async () => {
  const { put, smtp } = await stack();
  const { again } = await put(share('ana@example.com'));
  await again();
  expect(smtp.accepted).toHaveLength(1);
});

test('a refused recipient is failed with the reply of the relay, and the others get their mail (trap 29)', async () => {
  const { put, work, smtp, deliveryTo } = await stack();
  smtp.faults.set([{ at: 'rcpt', match: 'ana@', reply: '550 5.1.1 no such user' }]);
  await put(share(['ana@example.com', 'bea@example.com', 'cy@example.com']));
  await work();
  expect(smtp.accepted.map((it) => it.envelope.to[0]).sort()).toEqual(['bea@example.com', 'cy@example.com']);
  expect(await deliveryTo('ana@example.com')).toMatchObject({
    state: 'failed',
    reason: { code: 'recipient-refused', detail: expect.stringContaining('5.1.1 no such user') },
  });
  expect(await deliveryTo('bea@example.com')).toMatchObject({ state: 'sent' });
});

test('a temporary refusal is tried again by the schedule, with exactly its budget, then failed with the last reply', async () => {
  const { put, work, smtp, deliveryTo } = await stack({ settings: { delivery: { retry: '1m, 5m*2' } } });
  smtp.faults.set([{ at: 'rcpt', reply: '451 4.7.1 greylisted' }]);
  await put(share('ana@example.com'));
  expect(await deliveryTo('ana@example.com')).toMatchObject({ state: 'deferred', attempt: 1, tries: 1 });
  await work();
  const delivery = await deliveryTo('ana@example.com');
  expect(delivery).toMatchObject({ state: 'failed', attempt: 4, reason: { code: 'retries-used-up' } });
  expect(delivery.reason.detail).toContain('451 4.7.1 greylisted');
  expect(smtp.accepted).toHaveLength(0);
});

test('a temporary refusal that ends lets the mail through', async () => {
  const { put, work, smtp, deliveryTo } = await stack();
  smtp.faults.set([{ at: 'rcpt', reply: '451 4.7.1 later', times: 2 }]);
  await put(share('ana@example.com'));
  await work();
  expect(smtp.accepted).toHaveLength(1);
  expect(await deliveryTo('ana@example.com')).toMatchObject({ state: 'sent', attempt: 3 });
});

test('law 5: a connection lost after the whole mail went out is uncertain, and held where a person shall decide', async () => {
  const { put, work, smtp, deliveryTo } = await stack({ settings: { delivery: { afterCrash: 'hold' } } });
  smtp.faults.set([{ at: 'accept', drop: 'after', times: 1 }]);
  await put(share('ana@example.com'));
  await work();
  expect(smtp.accepted).toHaveLength(1);
  expect(await deliveryTo('ana@example.com')).toMatchObject({ state: 'uncertain', attempt: 1 });
});

test('law 5: with resend, an uncertain mail goes once more with the same Message-ID, and then never again', async () => {
  const { put, work, smtp, deliveryTo } = await stack();
  smtp.faults.set([{ at: 'accept', drop: 'after' }]);
  await put(share('ana@example.com'));
  await work();
  expect(smtp.accepted).toHaveLength(2);
  const ids = await Promise.all(smtp.accepted.map(async ({ raw }) => (await PostalMime.parse(raw)).messageId));
  expect(ids[0]).toBe(ids[1]);
  expect(await deliveryTo('ana@example.com')).toMatchObject({ state: 'uncertain', attempt: 2, resends: 1 });
});

test('a mail to somebody on the Do Not Email list is suppressed by the entry, and a listed one is not handed over', async () => {
  const { put, smtp, deliveryTo, postern } = await stack();
  await postern.rooms.list.add({
    address: 'ana@example.com',
    scope: 'all',
    reason: 'admin',
    source: 'test',
    actor: 'admin',
    note: '',
  } as never);
  await put(share('ana@example.com'));
  expect(smtp.accepted).toHaveLength(0);
  expect(await deliveryTo('ana@example.com')).toMatchObject({
    state: 'suppressed',
    reason: { code: 'do-not-email', row: 'ana@example.com' },
  });
});

test('mail with a key goes once, whether it comes twice by the queue, by HTTP, or mixed', async () => {
  const { put, work, smtp, postern } = await stack();
  const body = share('ana@example.com', { key: 'share-8841-ana' });
  await put(body);
  await put(body);
  const again = await postern.rooms.acceptance.overHttp(body.mail as never, 'svc');
  await work();
  expect(again.replayed).toBe(true);
  expect(smtp.accepted).toHaveLength(1);
});

test('the same key with another body is a visible refusal', async () => {
  const { put, smtp, postern, deliveryTo } = await stack();
  await put(share('ana@example.com', { key: 'k' }));
  await put(share('bea@example.com', { key: 'k' }));
  expect(smtp.accepted).toHaveLength(1);
  expect(await deliveryTo('bea@example.com')).toMatchObject({ state: 'failed', reason: { code: 'key-reused' } });
  await expect(
    postern.rooms.acceptance.overHttp(share('cy@example.com', { key: 'k' }).mail as never, 'svc'),
  ).rejects.toMatchObject({ code: 'key-reused' });
});

test('a priority kind on the ordinary queue changes lanes, and back', async () => {
  const { put, held, work, smtp } = await stack();
  await put(share('ana@example.com', { kind: 'two-factor' }));
  expect(held.all()).toMatchObject([{ lane: 'mail-priority' }]);
  await put(share('bea@example.com'), 'mail-priority');
  expect(held.all().map(({ lane }) => lane)).toEqual(['mail-priority', 'mail']);
  await work();
  expect(smtp.accepted.map((it) => it.envelope.to[0])).toEqual(['ana@example.com', 'bea@example.com']);
});

test('mail that is too old is expired, and never sent', async () => {
  const { put, smtp, deliveryTo } = await stack();
  await put(share('ana@example.com', { expiresAt: '2026-11-22T08:00:00Z' }));
  expect(smtp.accepted).toHaveLength(0);
  expect(await deliveryTo('ana@example.com')).toMatchObject({ state: 'expired' });
});
