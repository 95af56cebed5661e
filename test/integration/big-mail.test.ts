import { createHash, randomBytes } from 'node:crypto';
import PostalMime from 'postal-mime';
import { expect, test } from 'vitest';
import { mostQueueBytes } from '../../lib/delivery/carrier.ts';
import { ask } from '../helpers/http.ts';
import { share, stack } from '../helpers/postern.ts';

type Stack = Awaited<ReturnType<typeof stack>>;

const post = ({ postern }: Stack, body: object, headers: Record<string, string> = {}) => {
  const route = postern.routes.find(({ name }) => name === 'postMessage')!;
  return ask(route, { path: '/api/messages', as: ['Send'], body, headers });
};

const filled = (bytes: number) => ({
  name: 'plans.bin',
  contentType: 'application/octet-stream',
  content: randomBytes(bytes).toString('base64'),
});
const hash = (bytes: Uint8Array | string) => createHash('sha256').update(bytes).digest('hex');

/** The attachments of the only mail that arrived, by name and hash. */
const arrived = async ({ smtp }: Stack) => {
  expect(smtp.accepted).toHaveLength(1);
  const { attachments, text } = await PostalMime.parse(smtp.accepted[0]!.raw);
  return {
    text,
    files: attachments.map(({ filename, content }) => [filename, hash(new Uint8Array(content as ArrayBuffer))]),
  };
};
const asSent = (files: { name: string; content: string }[]) =>
  files.map(({ name, content }) => [name, hash(Buffer.from(content, 'base64'))]);

test('a mail of 10 MB over HTTP goes by a blob that its caller never sees, and its attachments arrive as they were', async () => {
  const all = await stack();
  const files = [filled(6_000_000), { ...filled(3_900_000), name: 'Überblick ☂.pdf' }];
  const answer = await post(all, share('ana@example.com', { attachments: files }));
  expect(answer.status).toBe(202);
  expect(String(answer.body)).not.toContain('content.json');
  await all.work();
  expect((await arrived(all)).files).toEqual(asSent(files));
}, 60_000);

test('more than 10 MB is refused, and nothing is accepted', async () => {
  const all = await stack();
  const answer = await post(all, share('ana@example.com', { attachments: [filled(10_000_001)] }));
  expect(answer.status).toBe(400);
  expect(answer.json).toMatchObject({ code: 'invalid-request' });
  expect(all.held.all()).toEqual([]);
}, 60_000);

test('a big mail with Prefer that is put off is answered 202, and goes later with all it had', async () => {
  const all = await stack();
  const files = [filled(2_000_000)];
  all.smtp.faults.set([{ at: 'rcpt', reply: '451 4.7.1 later', times: 1 }]);
  const answer = await post(all, share('ana@example.com', { attachments: files }), { prefer: 'wait=20' });
  expect(answer.status).toBe(202);
  expect(await all.deliveryTo('ana@example.com')).toMatchObject({ state: 'deferred', tries: 1 });
  await all.work();
  expect((await arrived(all)).files).toEqual(asSent(files));
}, 60_000);

test.each(['postMessage', 'explainMessage'])('%s takes no content by blob, and tells the field', async (name) => {
  const all = await stack();
  const { text: _, html: __, ...bare } = share('ana@example.com').mail;
  const mail = { ...bare, content: { blob: 'messages/of-another/content.json' } };
  const route = all.postern.routes.find((it) => it.name === name)!;
  const paths = async (body: object) => {
    const answer = await ask(route, { path: `/${route.path}`, as: ['Send'], body });
    expect(answer.status).toBe(400);
    return (answer.json as { faults: { path: string }[] }).faults.map(({ path }) => path);
  };
  expect(await paths({ v: 1, mail })).toContain('mail.content');
  expect(await paths(mail)).toContain('content');
  expect(all.held.all()).toEqual([]);
});

test('a producer on the queue gives big content as a blob', async () => {
  const all = await stack();
  const content = { text: 'Big.', attachments: [filled(3_000_000)] };
  const json = JSON.stringify(content);
  await all.azure.container('content').getBlockBlobClient('producers/big-1.json').upload(json, json.length);
  const { text: _, html: __, ...bare } = share('ana@example.com').mail;
  await all.put({ v: 1, mail: { ...bare, content: { blob: 'producers/big-1.json' } } });
  expect(await arrived(all)).toMatchObject({ files: asSent(content.attachments) });
}, 60_000);

test.each([
  ['is not there', undefined, 'is not in the container'],
  ['is not JSON', 'PK\u0003\u0004', 'is not JSON'],
  ['is not a mail’s content', '{"text":7}', 'is not a mail’s content'],
])('law 1: content that %s is a failed row with the name of the blob', async (_, content, words) => {
  const all = await stack();
  if (content)
    await all.azure.container('content').getBlockBlobClient('producers/x.json').upload(content, content.length);
  const { text: _text, html: _html, ...bare } = share('ana@example.com').mail;
  await all.put({ v: 1, mail: { ...bare, content: { blob: 'producers/x.json' } } });
  expect(all.smtp.accepted).toHaveLength(0);
  const { state, reason } = await all.deliveryTo('ana@example.com');
  expect({ state, code: reason.code }).toEqual({ state: 'failed', code: 'content-missing' });
  expect(reason.detail).toContain('producers/x.json');
  expect(reason.detail.replace("'", '’')).toContain(words);
});

test('content that comes after all is sent by a resend', async () => {
  const all = await stack();
  const { text: _text, html: _html, ...bare } = share('ana@example.com').mail;
  await all.put({ v: 1, mail: { ...bare, content: { blob: 'producers/late.json' } } });
  await all.azure.container('content').getBlockBlobClient('producers/late.json').upload('{"text":"Late."}', 16);
  const { id } = await all.deliveryTo('ana@example.com');
  await all.postern.rooms.verbs.apply('resend', id, { id: 'admin', name: 'Admin' });
  await all.work();
  expect((await arrived(all)).text).toContain('Late.');
});

test('a message that only just fits the queue goes through retries and changes of lane all the same', async () => {
  const all = await stack();
  all.smtp.faults.set([{ at: 'rcpt', reply: '451 4.7.1 later', times: 1 }]);
  const bare = share('ana@example.com', { text: '', kind: 'two-factor' });
  const room = mostQueueBytes + 512 - Buffer.byteLength(JSON.stringify(bare));
  const text = 'x'.repeat(room);
  await all.put(share('ana@example.com', { text, kind: 'two-factor' }), 'mail');
  await all.work();
  expect((await arrived(all)).text?.replaceAll(/\s/g, '')).toBe(text);
  expect(await all.deliveryTo('ana@example.com')).toMatchObject({ state: 'sent', attempt: 2 });
});
