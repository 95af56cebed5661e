import { randomUUID } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import type { Postern } from '../../functions/app.ts';
import type { Lanes } from '../../lib/delivery/carrier.ts';
import { ask, headerOf } from '../helpers/http.ts';
import { share, stack } from '../helpers/postern.ts';

const call = (postern: Postern, name: string, asked: Omit<Parameters<typeof ask>[1], 'as'>, service = 'svc') => {
  const route = postern.routes.find((it) => it.name === name)!;
  const principal = headerOf([
    { typ: 'http://schemas.microsoft.com/identity/claims/objectidentifier', val: service },
    { typ: 'roles', val: 'Mail.Send' },
  ]);
  return ask(route, { ...asked, headers: { 'x-ms-client-principal': principal, ...asked.headers } });
};
const post = (postern: Postern, body: object, headers: Record<string, string> = {}, service = 'svc') =>
  call(postern, 'postMessage', { path: '/api/messages', body, headers }, service);
const waiting = { prefer: 'respond-async, wait=20' };
const code = share('ana@example.com', { kind: 'two-factor', subject: 'Your code', text: '123' });

test('with Prefer: wait a mail that is sent is answered 200, and its carrier is taken back', async () => {
  const { postern, smtp, held } = await stack();
  const answer = await post(postern, code, waiting);
  expect(answer).toMatchObject({ status: 200, json: { deliveries: [{ state: 'sent' }] } });
  expect(answer.headers['preference-applied']).toBe('wait=20');
  expect(smtp.accepted).toHaveLength(1);
  expect(held.all()).toEqual([]);
});

test('one that is refused for good is answered 200 with the state and the relay’s reply', async () => {
  const { postern, smtp, held } = await stack();
  smtp.faults.set([{ at: 'rcpt', reply: '550 5.1.1 no such user' }]);
  const answer = await post(postern, code, waiting);
  expect(answer).toMatchObject({
    status: 200,
    json: { deliveries: [{ state: 'failed', reason: { code: 'recipient-refused' } }] },
  });
  expect(held.all()).toEqual([]);
});

test('one that is put off is answered 202, and goes on by the queue', async () => {
  const { postern, smtp, work, deliveryTo } = await stack();
  smtp.faults.set([{ at: 'rcpt', reply: '451 4.7.1 later', times: 1 }]);
  const answer = await post(postern, code, waiting);
  expect(answer).toMatchObject({ status: 202, json: { deliveries: [{ state: 'deferred' }] } });
  expect(answer.headers.location).toMatch(/^\/api\/messages\/[0-9a-f]+$/);
  await work();
  expect(smtp.accepted).toHaveLength(1);
  expect(await deliveryTo('ana@example.com')).toMatchObject({ state: 'sent', attempt: 2 });
});

test('200, 202 and the address in Location tell of the deliveries in one shape, the one that is documented', async () => {
  const { postern, smtp } = await stack();
  const documented = postern.routes.find(({ name }) => name === 'postMessage')!.answers;
  const fromLocation = async ({ headers }: Awaited<ReturnType<typeof post>>) => {
    const id = headers.location!.replace('/api/messages/', '');
    return await call(postern, 'readMessage', { path: headers.location!, params: { id } });
  };
  const to = { address: 'ana@example.com', name: 'Ana' };
  const given = (subject: string, text = 'Hi') => share('', { to: [to], subject, text, ref: { share: '8841' } });

  const sent = await post(postern, given('sent'), waiting);
  smtp.faults.set([{ at: 'rcpt', reply: '451 4.7.1 later', times: 1 }]);
  const deferred = await post(postern, given('deferred'), waiting);
  const queued = await post(postern, given('queued'));
  const big = await post(postern, given('big', 'x'.repeat(60_000)));

  expect([sent, deferred, queued, big].map(({ status }) => status)).toEqual([200, 202, 202, 202]);
  for (const answer of [sent, deferred, queued, big]) {
    expect(answer.json).toMatchObject({ deliveries: [{ to, ref: { share: '8841' }, reason: {}, trail: {} }] });
    expect(documented[answer.status as 200 | 202]!.schema!.parse(answer.json)).toEqual(answer.json);
    expect((await fromLocation(answer)).json).toEqual(answer.json);
  }
  expect(deferred.json).toMatchObject({ deliveries: [{ due: expect.stringMatching(/^2026-/) }] });
});

test('one that takes longer than the caller waits is answered 202, and is sent once', async () => {
  const { postern, smtp, work, deliveryTo, time } = await stack();
  smtp.faults.set([{ at: 'data', delayMs: 1500, times: 1 }]);
  const answer = await post(postern, code, { prefer: 'wait=0' });
  expect(answer.status).toBe(202);
  time.advance(5_000);
  await work();
  await expect.poll(async () => (await deliveryTo('ana@example.com')).state, { timeout: 10_000 }).toBe('sent');
  await work();
  expect(smtp.accepted).toHaveLength(1);
});

test('storage that does not answer after the mail was accepted is no error of the caller: 202, and the mail goes on', async () => {
  const { postern, azure, smtp, work, deliveryTo } = await stack();
  let ill = true;
  azure.table('donotemail').pipeline.addPolicy({
    name: 'ill',
    sendRequest: (request, next) => (ill ? Promise.reject(new Error('503')) : next(request)),
  });
  expect((await post(postern, code, waiting)).status).toBe(202);
  expect(smtp.accepted).toHaveLength(0);
  ill = false;
  await work();
  expect(smtp.accepted).toHaveLength(1);
  expect(await deliveryTo('ana@example.com')).toMatchObject({ state: 'sent' });
});

test('a carrier that cannot be taken back does no harm', async () => {
  const base = await stack();
  const stuck: Lanes = {
    send: async (...message) => {
      await base.held.sender.send(...message);
      return { remove: () => Promise.reject(new Error('503')) };
    },
  };
  const postern = base.peer({ lanes: stuck });
  expect((await post(postern, code, waiting)).status).toBe(200);
  await base.work(postern);
  expect(base.smtp.accepted).toHaveLength(1);
  await postern.close();
});

describe('Idempotency-Key', () => {
  test('the same request again is the same answer, whatever it waits for, and no second mail', async () => {
    const { postern, smtp, work } = await stack();
    const headers = { ...waiting, 'idempotency-key': '"code-1"' };
    const first = await post(postern, code, headers);
    const second = await post(postern, code, headers);
    const third = await post(postern, { ...code, mail: { ...code.mail, key: 'code-1' } });
    await work();
    expect([first.status, second.status]).toEqual([200, 200]);
    expect(second.json).toEqual(first.json);
    expect(third.headers.location).toBe(first.headers.location);
    expect(smtp.accepted).toHaveLength(1);
  });

  test('another body under the same key is 409', async () => {
    const { postern, smtp } = await stack();
    await post(postern, code, { ...waiting, 'idempotency-key': 'k' });
    const other = await post(postern, share('bea@example.com'), { ...waiting, 'idempotency-key': 'k' });
    expect(other).toMatchObject({ status: 409, json: { code: 'key-reused' } });
    expect(smtp.accepted).toHaveLength(1);
  });

  test('a request whose first process died right after it took the key goes through at the second try (trap 22)', async () => {
    const base = await stack();
    const dying = base.peer({ lanes: { send: () => Promise.reject(new Error('the process is gone')) } });
    const headers = { ...waiting, 'idempotency-key': 'k' };
    expect((await post(dying, code, headers)).status).toBe(500);
    await dying.close();
    expect((await post(base.postern, code, headers)).status).toBe(200);
    await base.work();
    expect(base.smtp.accepted).toHaveLength(1);
  });

  test('two requests at the same time are one mail', async () => {
    const { postern, smtp, work } = await stack();
    const headers = { ...waiting, 'idempotency-key': randomUUID() };
    const answers = await Promise.all([post(postern, code, headers), post(postern, code, headers)]);
    expect(answers.every(({ status }) => status === 200 || status === 202)).toBe(true);
    await work();
    expect(smtp.accepted).toHaveLength(1);
  });
});

test('a key that another service used is refused, though the message is the same, and shows nothing of the other’s', async () => {
  const { postern, smtp } = await stack();
  const body = share('ana@example.com', { key: 'k-1' });
  const mine = (await post(postern, body, waiting)).json as { id: string };
  for (const headers of [waiting, {}]) {
    const theirs = await post(postern, body, headers, 'other');
    expect(theirs).toMatchObject({ status: 409, json: { code: 'key-reused' } });
    expect(String(theirs.body)).not.toContain(mine.id);
  }
  expect(await post(postern, body, waiting)).toMatchObject({ status: 200, json: mine });
  expect(smtp.accepted).toHaveLength(1);
});

test('a service sees what it posted, and nothing of another’s, by time, by recipient, by key and by id', async () => {
  const { postern } = await stack();
  const mine = await post(postern, share('ana@example.com', { key: 'mine' }), waiting);
  const theirs = await post(postern, share('ana@example.com', { key: 'theirs' }), waiting, 'other');
  const idOf = (answer: { json: unknown }) => (answer.json as { id: string }).id;
  for (const path of ['/api/messages', '/api/messages?to=ana@example.com', '/api/messages?key=mine']) {
    const { items } = (await call(postern, 'listMessages', { path })).json as { items: { messageId: string }[] };
    expect(
      items.map(({ messageId }) => messageId),
      path,
    ).toEqual([idOf(mine)]);
  }
  const foreign = await call(postern, 'listMessages', { path: '/api/messages?key=theirs' });
  expect(foreign.json).toMatchObject({ items: [] });
  const read = (id: string) => call(postern, 'readMessage', { path: `/api/messages/${id}`, params: { id } });
  expect((await read(idOf(mine))).status).toBe(200);
  expect((await read(idOf(theirs))).status).toBe(404);
});

test('a message is read by its id whole, by the id of a delivery as that one; another id is not found', async () => {
  const { postern, work } = await stack();
  const posted = await post(postern, share(['ana@example.com', 'bea@example.com']));
  await work();
  const { id } = posted.json as { id: string };
  const read = async (asked: string) => {
    const { status, json } = await call(postern, 'readMessage', {
      path: `/api/messages/${asked}`,
      params: { id: asked },
    });
    const { id: found, deliveries, code } = json as { id?: string; deliveries?: { id: string }[]; code?: string };
    return [status, found ?? code, deliveries?.map((it) => it.id)];
  };
  expect(await read(id)).toEqual([200, id, [`${id}-0`, `${id}-1`]]);
  expect(await read(`${id}-1`)).toEqual([200, id, [`${id}-1`]]);
  const nobodys = [`${id}-2`, id.replace(/.$/, (last) => (last === '0' ? '1' : '0')), 'f'.repeat(31), 'x', `${id}-`];
  for (const asked of nobodys) expect(await read(asked), asked).toEqual([404, 'not-found', undefined]);
  expect(await read('0'.repeat(65))).toEqual([400, 'invalid-request', undefined]);
});
