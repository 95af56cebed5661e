import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createTransport, type SendMailOptions } from 'nodemailer';
import { afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { type MailStack, startMail } from '../../dev/mail.ts';
import { trustedCertificates } from '../helpers/relay.ts';

let files: { cert: string; key: string };
let mail: MailStack;

beforeAll(async () => {
  const { cert, key } = await trustedCertificates();
  files = { cert, key };
});
beforeEach(async () => {
  mail = await startMail(files);
});
afterEach(() => mail.close());

const send = async (own: SendMailOptions = {}) => {
  const mailer = createTransport({ host: 'localhost', port: mail.smtp.ports.smtp });
  await mailer.sendMail({ from: 'Bo <bo@example.com>', to: 'ana@example.com', subject: 'Hi', text: 'Hello', ...own });
  mailer.close();
};
const at = (path: string, init?: RequestInit) => fetch(mail.inboxUrl + path, init);
const json = async (path: string, init?: RequestInit) => JSON.parse(await (await at(path, init)).text());
const put = (body: string) => at('/api/faults', { method: 'PUT', body });

test('the list has the newest first, with the envelope, not the headers', async () => {
  await send({ subject: 'First' });
  await send({
    subject: 'Zweite – ü',
    envelope: { from: 'bounce@example.com', to: ['ana@example.com', 'eve@example.com'] },
  });
  expect(await json('/api/messages')).toEqual([
    {
      id: expect.stringMatching(/^[\w-]+$/),
      from: 'bounce@example.com',
      rcptTo: ['ana@example.com', 'eve@example.com'],
      subject: 'Zweite – ü',
      date: expect.stringMatching(/^\d{4}-.*Z$/),
      size: expect.any(Number),
      secure: true,
    },
    expect.objectContaining({ subject: 'First', from: 'bo@example.com' }),
  ]);
  expect(await json('/api/messages?to=EVE')).toHaveLength(1);
  expect(await json('/api/messages?limit=1')).toMatchObject([{ subject: 'Zweite – ü' }]);
});

test('one mail with its headers decoded, both bodies and its attachments, and as it came', async () => {
  await send({
    from: 'Bö <bo@example.com>',
    replyTo: 'Support <help@example.com>',
    html: '<p>Hello</p>',
    attachments: [{ filename: 'plän.txt', content: 'abc' }],
  });
  const [{ id }] = await json('/api/messages');
  const one = await json(`/api/messages/${id}`);
  expect(one).toMatchObject({
    id,
    rcptTo: ['ana@example.com'],
    headers: { from: 'Bö <bo@example.com>', 'reply-to': 'Support <help@example.com>', subject: 'Hi' },
    text: expect.stringContaining('Hello'),
    html: expect.stringContaining('<p>Hello</p>'),
    attachments: [{ filename: 'plän.txt', contentType: 'text/plain', size: 3 }],
  });
  const file = await at(one.attachments[0].url);
  expect(file.headers.get('content-disposition')).toBe("attachment; filename*=UTF-8''pl%C3%A4n.txt");
  expect(await file.text()).toBe('abc');
  const raw = await at(`/api/messages/${id}/raw`);
  expect(raw.headers.get('content-type')).toContain('text/plain');
  expect(await raw.text()).toMatch(/^From: =\?UTF-8\?/);
});

test('deleting empties the inbox', async () => {
  await send();
  const [{ id }] = await json('/api/messages');
  expect((await at('/api/messages', { method: 'DELETE' })).status).toBe(204);
  expect(await json('/api/messages')).toEqual([]);
  expect((await at(`/api/messages/${id}`)).status).toBe(404);
  expect((await at(`/api/messages/${id}/raw`)).status).toBe(404);
});

test('arrivals are streamed as they come', async () => {
  const stream = (await at('/api/stream')).body?.pipeThrough(new TextDecoderStream()).getReader();
  await send({ subject: 'Live' });
  let text = '';
  while (!text.includes('Live')) text += (await stream?.read())?.value;
  await at('/api/messages', { method: 'DELETE' });
  while (!text.includes('event: cleared')) text += (await stream?.read())?.value;
  expect(text).toMatch(/event: arrival\ndata: \{.*"subject":"Live"/);
  await stream?.cancel();
});

test('a mail cannot run in the origin of the inbox, nor fetch anything', async () => {
  await send({ html: '<script>parent.document.title = "taken"</script><img src="https://tracker.example.com/x.png">' });
  const [{ id }] = await json('/api/messages');
  const html = await at(`/api/messages/${id}/html`);
  expect(html.headers.get('content-security-policy')).toMatch(/^sandbox allow-popups; default-src 'none';/);
  expect(html.headers.get('x-content-type-options')).toBe('nosniff');
  expect((await at('/')).headers.get('content-security-policy')).toContain("script-src 'self';");
});

test('faults are put, shown with what they did, and cleared', async () => {
  const list = [{ at: 'rcpt', match: 'ana@', reply: '451 4.7.1 later', times: 2 }];
  expect(await (await put(JSON.stringify(list))).json()).toEqual([{ ...list[0], seen: 0, hits: 0 }]);
  await expect(send()).rejects.toThrow('451 4.7.1 later');
  expect(await json('/api/faults')).toEqual([{ ...list[0], seen: 1, hits: 1 }]);
  expect((await at('/api/faults', { method: 'DELETE' })).status).toBe(204);
  expect(await json('/api/faults')).toEqual([]);
  await send();
});

test.each([
  ['no JSON', '{', /not JSON/],
  ['no list', '{}', /expected array/],
  ['an unknown phase', '[{ "at": "quit", "reply": "421 x" }]', /"connect".*"accept"[\s\S]*\[0\]\.at/],
  ['an unknown key', '[{ "at": "rcpt", "reply": "451 x", "time": 2 }]', /time/],
  ['no effect', '[{ "at": "rcpt" }]', /does nothing/],
  ['a reply that is none', '[{ "at": "rcpt", "reply": "later" }]', /451 4\.7\.1 later/],
])('%s is 400 with the reason, and the faults before stay', async (_, body, reason) => {
  await put('[{ "at": "mail", "delayMs": 1 }]');
  const answer = await put(body);
  expect(answer.status).toBe(400);
  expect(await answer.json()).toEqual({ error: expect.stringMatching(reason) });
  expect(await json('/api/faults')).toHaveLength(1);
});

test('mails survive a restart in the order they came, and stay deleted', async () => {
  await mail.close();
  const folder = await mkdtemp(join(tmpdir(), 'postern-inbox-'));
  const restart = async () => {
    mail = await startMail({ ...files, folder });
  };
  await restart();
  for (const subject of ['1', '2', '3']) await send({ subject });
  const before = await json('/api/messages');
  await mail.close();
  await restart();
  expect(await json('/api/messages')).toEqual(before);
  expect((await json(`/api/messages/${before[0].id}`)).text).toContain('Hello');
  await at('/api/messages', { method: 'DELETE' });
  await mail.close();
  await restart();
  expect(await json('/api/messages')).toEqual([]);
  await rm(folder, { recursive: true });
});

test('the listeners: one that demands nothing, one for 465, one for 587, one like Exchange', async () => {
  await mail.close();
  mail = await startMail({ ...files, users: { bo: 'right' } });
  const { smtps, startTls } = mail.smtp.ports;
  const from = { from: 'bo@example.com', to: 'ana@example.com', text: 'x' };
  const auth = { user: 'bo', pass: 'right' };
  await createTransport({ host: 'localhost', port: smtps, secure: true, auth }).sendMail(from);
  await createTransport({ host: 'localhost', port: startTls, requireTLS: true, auth }).sendMail(from);
  await expect(createTransport({ host: 'localhost', port: startTls }).sendMail(from)).rejects.toThrow(/530/);
  expect(await json('/api/messages')).toMatchObject([{ user: 'bo' }, { user: 'bo' }]);
});

test('a foreign host name is refused, so that no web page can point its own name here', async () => {
  const { request } = await import('node:http');
  const status = await new Promise((resolve) => {
    request(`${mail.inboxUrl}/api/messages`, { headers: { host: 'evil.example.com' } }, (answer) =>
      resolve(answer.resume().statusCode),
    ).end();
  });
  expect(status).toBe(403);
});

test('unknown paths are 404, other methods 405 with what is allowed', async () => {
  expect((await at('/api/nothing')).status).toBe(404);
  expect((await at('/api/messages/../../package.json')).status).toBe(404);
  const answer = await at('/api/faults', { method: 'POST' });
  expect([answer.status, answer.headers.get('allow')]).toEqual([405, 'GET, PUT, DELETE']);
});
