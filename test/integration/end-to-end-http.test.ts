import { randomUUID } from 'node:crypto';
import { expect, onTestFinished, test } from 'vitest';
import { startHost } from '../../dev/host/host.ts';
import { askRaw, bundledStack } from '../helpers/bundled-stack.ts';
import { principalHeader } from '../helpers/http.ts';
import { tomorrow } from '../helpers/producer.ts';
import { ownStorage } from '../helpers/storage.ts';

const stack = bundledStack();

const notice = (to: string, more: object = {}) => ({
  v: 1,
  mail: {
    kind: 'notice',
    to: [{ address: to }],
    subject: 'News',
    text: 'There is news.',
    expiresAt: tomorrow(),
    ...more,
  },
});

const everyRole = { 'x-ms-client-principal': principalHeader(['MasterAdmin', 'Admin', 'Send']) };

test('a message posted twice with one key is one mail and the same answer; another body is refused', async () => {
  const { ask, inbox, settled } = stack();
  const headers = { 'idempotency-key': randomUUID() };
  const body = notice('posted@example.com');
  const first = await ask('POST', '/api/messages', { as: 'SERVICE_TOKEN', headers, body });
  expect(first).toMatchObject({
    status: 202,
    json: { deliveries: [{ to: { address: 'posted@example.com' }, state: 'queued' }] },
  });
  expect(first.headers.get('location')).toBe(`/api/messages/${first.json.id}`);
  await settled('posted@example.com', 'sent');

  const again = await ask('POST', '/api/messages', { as: 'SERVICE_TOKEN', headers, body });
  expect(again).toMatchObject({ status: 202, json: { id: first.json.id } });
  expect(again.headers.get('location')).toBe(first.headers.get('location'));

  const other = notice('posted@example.com', { subject: 'Other news' });
  const refused = await ask('POST', '/api/messages', { as: 'SERVICE_TOKEN', headers, body: other });
  expect(refused).toMatchObject({ status: 409, json: { code: 'key-reused' } });
  expect(refused.headers.get('content-type')).toBe('application/problem+json');
  expect(await inbox('posted@example.com')).toHaveLength(1);
});

test('with Prefer: wait the answer is the outcome', async () => {
  const { ask, inbox } = stack();
  const code = { kind: 'two-factor', to: [{ address: 'wait@example.com' }], subject: 'Your code', text: '123456' };
  const answer = await ask('POST', '/api/messages', {
    as: 'SERVICE_TOKEN',
    headers: { prefer: 'wait=20' },
    body: { v: 1, mail: code },
  });
  expect(answer).toMatchObject({ status: 200, json: { deliveries: [{ state: 'sent', kind: 'two-factor' }] } });
  expect(answer.headers.get('preference-applied')).toBe('wait=20');
  const mails = await inbox('wait@example.com');
  expect(mails.map(({ text }) => text.trim())).toEqual(['123456']);
});

test('what became of a mail is found by id, by key, by recipient and by time', async () => {
  const { ask, settled } = stack();
  const key = `find-${randomUUID()}`;
  const { json: accepted } = await ask('POST', '/api/messages', {
    as: 'SERVICE_TOKEN',
    body: notice('find@example.com', { key }),
  });
  await settled('find@example.com', 'sent');
  const found = { messageId: accepted.id, to: 'find@example.com', state: 'sent', subject: 'News' };
  for (const query of [`key=${key}`, 'to=Find@Example.com', 'limit=200', 'state=sent&kind=notice&limit=200']) {
    for (const as of ['SERVICE_TOKEN', 'ADMIN_TOKEN'] as const) {
      const { status, json } = await ask('GET', `/api/messages?${query}`, { as });
      expect([query, status]).toEqual([query, 200]);
      expect(json.items, query).toContainEqual(expect.objectContaining(found));
    }
  }
  const one = await ask('GET', `/api/messages/${accepted.id}`, { as: 'SERVICE_TOKEN' });
  expect(one.json.deliveries).toMatchObject([{ to: { address: 'find@example.com' }, state: 'sent', attempt: 1 }]);
  const none = await ask('GET', '/api/messages/00000000-none', { as: 'SERVICE_TOKEN' });
  expect(none).toMatchObject({ status: 404, json: { code: 'not-found' } });
});

test('a message that breaks the contract is refused with the path of every fault, and nothing is accepted', async () => {
  const { ask } = stack();
  const many = Array.from({ length: 1001 }, (_, n) => ({ address: `a${n}@example.com` }));
  const cases: [object, string][] = [
    [{ to: [] }, 'mail.to'],
    [{ to: many }, 'mail.to'],
    [{ kind: 'spam' }, 'mail.kind'],
    [{ to: [{ address: 'refused@example.com\r\nBcc: all@example.com' }] }, 'mail.to.0.address'],
    [{ to: [{ address: 'refused@example.com,other@example.com' }] }, 'mail.to.0.address'],
    [{ to: [{ address: 'refused one@example.com' }] }, 'mail.to.0.address'],
    [{ subject: 'News\r\nBcc: all@example.com' }, 'mail.subject'],
    [{ to: [{ address: 'refused@example.com', name: 'Ana\nBcc: all@example.com' }] }, 'mail.to.0.name'],
  ];
  for (const [more, path] of cases) {
    const body = notice('refused@example.com', more);
    const { status, json } = await ask('POST', '/api/messages', { as: 'SERVICE_TOKEN', body });
    expect([path, status, json.code]).toEqual([path, 400, 'invalid-request']);
    expect(json.faults.map((it: { path: string }) => it.path)).toContain(path);
  }
  // What stands under `mail` may also be posted alone; its faults are then told by the fields that the caller wrote.
  const { mail } = notice('refused@example.com', { kind: 'spam' });
  const alone = await ask('POST', '/api/messages', { as: 'SERVICE_TOKEN', body: mail });
  expect(alone.json.faults).toEqual([{ path: 'kind', reason: expect.stringContaining('must be one of share') }]);
  const { json } = await ask('GET', '/api/messages?to=refused@example.com', { as: 'ADMIN_TOKEN' });
  expect(json.items).toEqual([]);

  const text = {
    as: 'SERVICE_TOKEN',
    headers: { 'content-type': 'text/plain' },
    body: notice('x@example.com'),
  } as const;
  expect(await ask('POST', '/api/messages', text)).toMatchObject({ status: 415 });
  const broken = await fetch(`${stack().variable('POSTERN_URL')}/api/messages`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${stack().variable('SERVICE_TOKEN')}`,
      'content-type': 'application/json',
    },
    body: '{"v":1,',
  });
  expect([broken.status, (await broken.json()) as object]).toMatchObject([400, { code: 'invalid-json' }]);
});

test('nobody gets in without a token, with a wrong one, or with the wrong role', async () => {
  const { ask } = stack();
  for (const path of ['/api/messages', '/api/settings', '/api/relay']) {
    const nobody = await ask('GET', path);
    expect(nobody, path).toMatchObject({ status: 401, json: { code: 'not-signed-in' } });
    const wrong = await ask('GET', path, { headers: { authorization: 'Bearer guessed' } });
    expect(wrong.status, path).toBe(401);
  }
  expect(await ask('GET', '/api/settings', { as: 'SERVICE_TOKEN' })).toMatchObject({
    status: 403,
    json: { code: 'not-allowed', detail: expect.stringContaining('Mail.Admin') },
  });
  const body = notice('admin-may-not@example.com');
  expect(await ask('POST', '/api/messages', { as: 'ADMIN_TOKEN', body })).toMatchObject({ status: 403 });
});

test('law 8: a forged principal opens nothing, neither at the gate nor at a host where Easy Auth is off', async () => {
  const { ask, app } = stack();
  const atGate = await ask('GET', '/api/settings', { headers: everyRole });
  expect(atGate).toMatchObject({ status: 401, json: { code: 'not-signed-in' } });
  const raised = await ask('GET', '/api/settings', { as: 'SERVICE_TOKEN', headers: everyRole });
  expect(raised.status).toBe(403);

  const { environment } = await ownStorage();
  const host = await startHost({ app, env: { ...environment, WEBSITE_AUTH_ENABLED: 'False' }, log: () => {} });
  onTestFinished(() => host.close());
  expect(host.loadError).toBeUndefined();
  expect((await ask('GET', '/api/health', { at: host.url })).status).toBe(200);
  const atHost = await ask('GET', '/api/settings', { headers: everyRole, at: host.url });
  expect(atHost).toMatchObject({ status: 401, json: { code: 'not-signed-in' } });
});

test('an unknown route is 404, an unknown method 405 with what is allowed', async () => {
  const { ask, variable } = stack();
  const unknown = await ask('GET', '/api/nothing-here', { as: 'MASTER_ADMIN_TOKEN' });
  expect(unknown).toMatchObject({ status: 404, json: { status: 404, code: 'not-found' } });
  expect(unknown.headers.get('content-type')).toBe('application/problem+json');
  const method = await ask('DELETE', '/api/settings', { as: 'MASTER_ADMIN_TOKEN' });
  expect(method).toMatchObject({ status: 405, json: { code: 'method-not-allowed' } });
  expect(method.headers.get('allow')).toBe('GET, HEAD, PUT');
  expect((await askRaw('PATCH', `${variable('POSTERN_URL')}/api/messages`)).headers.allow).toBe('GET, HEAD, POST');
});

test('HEAD tells what GET would, through the gate and the host, and does not act where GET does', async () => {
  const url = stack().variable('POSTERN_URL');
  const got = await fetch(`${url}/api/contract.json`);
  const head = await fetch(`${url}/api/contract.json`, { method: 'HEAD' });
  expect([head.status, await head.text()]).toEqual([200, '']);
  expect(head.headers.get('content-type')).toBe(got.headers.get('content-type'));
  expect((await askRaw('HEAD', `${url}/api/settings`)).status).toBe(401);
  expect(await askRaw('HEAD', `${url}/api/getoauthtoken?state=x`)).toMatchObject({
    status: 405,
    headers: { allow: 'GET' },
  });
});

test('the API describes itself', async () => {
  const { ask } = stack();
  const { json } = await ask('GET', '/api/openapi.json');
  expect(json.openapi).toMatch(/^3\.1/);
  expect(Object.keys(json.paths)).toEqual(
    expect.arrayContaining(['/api/messages', '/api/settings', '/api/test-email']),
  );
  expect((await ask('GET', '/api/contract.json')).json.$id).toBe('urn:postern:queue-message:1');
  expect((await ask('GET', '/api/health')).json).toEqual({ healthy: true });
});
