import { HttpRequest, InvocationContext } from '@azure/functions';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { PosternError } from '../../lib/errors.ts';
import { type AnyRoute, type Call, route } from '../../lib/http/route.ts';
import { serve } from '../../lib/http/serve.ts';
import { ask, headerOf, logLines, principalHeader, publicUrl } from '../helpers/http.ts';

const answers = { 200: { description: 'ok' } };
const echo = async (call: Call) => ({
  status: 200,
  body: { params: call.params, query: call.query, body: call.body, principal: call.principal },
});
const reading = (more: Partial<AnyRoute> = {}) =>
  route({ name: 'read', method: 'GET', path: 'api/x', access: ['Admin'], summary: '', answers, handle: echo, ...more });
const writing = (more: Partial<AnyRoute> = {}) =>
  route({
    ...{ name: 'write', method: 'POST', path: 'api/x', access: ['Admin'], summary: '', answers, handle: echo },
    body: z.strictObject({ host: z.string().min(1), port: z.int().max(65535).optional() }),
    ...more,
  });

describe('who calls', () => {
  const claims = [
    { typ: 'http://schemas.microsoft.com/identity/claims/objectidentifier', val: 'oid-1' },
    { typ: 'preferred_username', val: 'ana@example.com' },
    { typ: 'name', val: 'Ana' },
    { typ: 'roles', val: 'Mail.Admin' },
    { typ: 'roles', val: 'Another.Role' },
  ];
  const asked = (header: string, edge = {}) =>
    ask(reading(), { path: '/api/x', headers: { 'x-ms-client-principal': header } }, edge);

  test('a user, by the claims of Easy Auth', async () => {
    expect((await asked(headerOf(claims))).json).toMatchObject({
      principal: { id: 'oid-1', name: 'ana@example.com', email: 'ana@example.com', roles: ['Admin'] },
    });
  });

  test('a user whose roles come under the type that the header names', async () => {
    const typ = 'http://schemas.microsoft.com/ws/2008/06/identity/claims/role';
    const header = headerOf(
      [
        { typ: 'oid', val: 'o' },
        { typ, val: 'Mail.MasterAdmin' },
      ],
      typ,
    );
    expect((await asked(header)).json).toMatchObject({ principal: { id: 'o', roles: ['MasterAdmin'] } });
  });

  test('a service, which has an application id and no e-mail address', async () => {
    const header = headerOf([
      { typ: 'oid', val: 'service-1' },
      { typ: 'azp', val: 'app-1' },
      { typ: 'roles', val: 'Mail.Send' },
    ]);
    const answer = await ask(reading({ access: ['Send'] }), {
      path: '/api/x',
      headers: { 'x-ms-client-principal': header },
    });
    expect(answer.json).toMatchObject({ principal: { id: 'service-1', name: 'app-1', roles: ['Send'] } });
    expect(answer.json).not.toHaveProperty('principal.email');
  });

  test('nobody without the header: 401 with a challenge', async () => {
    const answer = await ask(reading(), { path: '/api/x' });
    expect(answer).toMatchObject({ status: 401, json: { code: 'not-signed-in' } });
    expect(answer.headers).toMatchObject({
      'content-type': 'application/problem+json',
      'www-authenticate': 'Bearer',
    });
  });

  test('nobody with a forged header where Easy Auth is off', async () => {
    expect(await asked(headerOf(claims), { easyAuth: false })).toMatchObject({ status: 401 });
  });

  test.each([
    ['no Base64', 'abc{}'],
    ['two headers in one', `${headerOf(claims)}, ${headerOf(claims)}`],
    ['no JSON', Buffer.from('admin').toString('base64')],
    ['null', Buffer.from('null').toString('base64')],
    ['claims that are no list', Buffer.from('{"claims":{"roles":"Mail.Admin"}}').toString('base64')],
    ['claims of another form', Buffer.from('{"claims":[null,{"typ":"oid","val":7}]}').toString('base64')],
    ['nobody’s id', headerOf([{ typ: 'roles', val: 'Mail.Admin' }])],
  ])('nobody with a header of %s', async (_, header) => {
    expect((await asked(header)).status).toBe(401);
  });

  test('the wrong role is told which one it takes', async () => {
    const answer = await ask(reading({ access: ['MasterAdmin', 'Send'] }), { path: '/api/x', as: ['Admin'] });
    expect(answer).toMatchObject({ status: 403, json: { code: 'not-allowed' } });
    expect(answer.json).toHaveProperty('detail', expect.stringContaining('Mail.MasterAdmin or Mail.Send'));
  });

  test('a master admin may what an admin may, and no more than that', async () => {
    expect((await ask(reading(), { path: '/api/x', as: ['MasterAdmin'] })).status).toBe(200);
    expect((await ask(reading({ access: ['Send'] }), { path: '/api/x', as: ['MasterAdmin'] })).status).toBe(403);
  });

  test('a public route takes anybody', async () => {
    expect((await ask(reading({ access: 'public' }), { path: '/api/x' })).status).toBe(200);
  });
});

describe('another web site', () => {
  const body = { host: 'a' };
  test.each([
    [{ 'sec-fetch-site': 'cross-site' }],
    [{ 'sec-fetch-site': 'same-site' }],
    [{ 'sec-fetch-site': 'cross-site', origin: 'https://postern.example.com' }],
    [{ origin: 'https://evil.example' }],
    [{ origin: 'null' }],
  ])('cannot change anything with an admin’s session: %j', async (headers) => {
    const answer = await ask(writing(), { path: '/api/x', as: ['Admin'], headers, body });
    expect(answer).toMatchObject({ status: 403, json: { code: 'cross-site' } });
  });

  test.each([
    [{}],
    [{ 'sec-fetch-site': 'same-origin', origin: 'https://front-door.example' }],
    [{ origin: 'https://postern.example.com' }],
  ])('is not what this comes from: %j', async (headers: Record<string, string>) => {
    expect((await ask(writing(), { path: '/api/x', as: ['Admin'], headers, body })).status).toBe(200);
  });

  test('may post to a public route, as mail providers do to unsubscribe', async () => {
    const headers = { 'sec-fetch-site': 'cross-site' };
    expect((await ask(writing({ access: 'public' }), { path: '/api/x', headers, body })).status).toBe(200);
  });
});

describe('the body', () => {
  const sent = (headers: Record<string, string>, body?: string, more: Partial<AnyRoute> = {}) =>
    ask(writing(more), { path: '/api/x', as: ['Admin'], headers, ...(body !== undefined && { body }) });
  const json = { 'content-type': 'application/json' };

  test('is read as the schema makes it', async () => {
    expect(await sent({ ...json, 'content-length': '12' }, '{"host":"a"}')).toMatchObject({
      status: 200,
      json: { body: { host: 'a' } },
    });
  });

  test.each<[string, Record<string, string>, string | undefined, number, string]>([
    ['without a length', json, undefined, 411, 'length-required'],
    [
      'chunked, which the host does not hand over',
      { ...json, 'transfer-encoding': 'chunked' },
      undefined,
      411,
      'length-required',
    ],
    ['that says it is too large', { ...json, 'content-length': '65537' }, '{}', 413, 'body-too-large'],
    [
      'that is too large, whatever it says',
      { ...json, 'content-length': '2' },
      `{"host":"${'x'.repeat(65536)}"}`,
      413,
      'body-too-large',
    ],
    ['of no type', { 'content-type': '' }, '{}', 415, 'unsupported-media-type'],
    [
      'that is a form',
      { 'content-type': 'application/x-www-form-urlencoded' },
      'host=a',
      415,
      'unsupported-media-type',
    ],
    ['that is text', { 'content-type': 'text/plain' }, '{"host":"a"}', 415, 'unsupported-media-type'],
    ['in another charset', { 'content-type': 'application/json; charset=utf-16' }, '{}', 415, 'unsupported-media-type'],
    ['that is empty', { ...json, 'content-length': '0' }, '', 400, 'invalid-json'],
    ['that is no JSON', json, '{"host":', 400, 'invalid-json'],
    ['that is not as the schema wants', json, '{"host":""}', 400, 'invalid-request'],
  ])('%s is refused', async (_, headers, body, status, code) => {
    expect(await sent(headers, body)).toMatchObject({ status, json: { code, status } });
  });

  test('that is no JSON is answered with the place, not with the text', async () => {
    const { json: problem } = await sent(json, '{\n "host": hunter2 }');
    expect(problem).toHaveProperty('detail', 'The text is not valid JSON at line 2, column 10.');
  });

  test('has each of its faults named, without its values', async () => {
    const { json: problem } = await sent(json, '{"host":7,"port":70000,"pasword":"hunter2"}');
    expect(problem).toHaveProperty('faults', [
      { path: 'host', reason: 'must be a string' },
      { path: 'port', reason: 'must be at most 65535' },
      { path: 'pasword', reason: 'is not a known field' },
    ]);
  });

  test('that is not UTF-8 is refused', async () => {
    const request = new HttpRequest({
      ...{ method: 'POST', url: `${publicUrl}/api/x`, body: { bytes: new Uint8Array([0x22, 0xff, 0x22]) } },
      headers: { ...json, 'x-ms-client-principal': principalHeader(['Admin']) },
    });
    const answer = await serve(writing(), { easyAuth: true, publicUrl, log: logLines().log })(
      request,
      new InvocationContext(),
    );
    expect(answer).toMatchObject({ status: 400 });
  });

  test('of a type that the route declares is handed over as text', async () => {
    const csv = { bodyType: ['text/csv', 'text/plain'], body: z.string().max(20) };
    expect(await sent({ 'content-type': 'Text/CSV; charset="UTF-8"' }, 'a,b', csv)).toMatchObject({
      json: { body: 'a,b' },
    });
    const refused = await sent(json, '{}', csv);
    expect(refused).toMatchObject({ status: 415, headers: { accept: 'text/csv, text/plain' } });
  });

  test('may be missing where the schema says so, but not be chunked', async () => {
    const optional = { body: z.strictObject({ to: z.string() }).optional() };
    expect(await sent({}, undefined, optional)).toMatchObject({ status: 200 });
    expect(await sent({ 'transfer-encoding': 'chunked' }, undefined, optional)).toMatchObject({ status: 411 });
  });
});

describe('the query', () => {
  const query = z.object({
    limit: z.coerce.number().int().max(100).default(50),
    state: z.array(z.string()).optional(),
  });
  const asked = (search: string, more: Partial<AnyRoute> = {}) =>
    ask(reading({ query, ...more }), { path: `/api/x${search}`, as: ['Admin'] });

  test('is read as the schema makes it, with lists where it has them', async () => {
    expect((await asked('')).json).toMatchObject({ query: { limit: 50 } });
    expect((await asked('?limit=7&state=sent')).json).toMatchObject({ query: { limit: 7, state: ['sent'] } });
    expect((await asked('?state=sent&state=failed')).json).toMatchObject({ query: { state: ['sent', 'failed'] } });
  });

  test.each([
    ['?limt=7', { path: 'limt', reason: 'is not known; known are limit, state' }],
    ['?limit=1&limit=2', { path: 'limit', reason: 'is given more than once' }],
    ['?limit=many', { path: 'limit', reason: 'must be a number' }],
    ['?limit=101', { path: 'limit', reason: 'must be at most 100' }],
    ['?__proto__=1', { path: '__proto__', reason: 'is not known; known are limit, state' }],
  ])('%s is refused', async (search, fault) => {
    expect(await asked(search)).toMatchObject({ status: 400, json: { faults: [fault] } });
  });

  test('of a public page may carry what mail gateways add to links', async () => {
    expect(await asked('?utm_source=x&limit=3', { access: 'public' })).toMatchObject({ json: { query: { limit: 3 } } });
  });

  test('may be anything where the schema is loose', async () => {
    const loose = { query: z.looseObject({ code: z.string() }) };
    expect(await asked('?code=a&session_state=b', loose)).toMatchObject({
      json: { query: { code: 'a', session_state: 'b' } },
    });
  });

  test('and path are held against their schemas', async () => {
    const by = (id: string) =>
      ask(reading({ path: 'api/x/{id}', params: z.object({ id: z.uuid() }) }), {
        path: `/api/x/${id}`,
        params: { id },
        as: ['Admin'],
      });
    expect(await by('1')).toMatchObject({ status: 400, json: { faults: [{ path: 'id', reason: 'must be a UUID' }] } });
    expect(await by('0193e0a8-0000-7000-8000-000000000000')).toMatchObject({ status: 200 });
  });
});

describe('the answer', () => {
  test('carries the safe headers, and is never cached', async () => {
    const { headers } = await ask(reading(), { path: '/api/x', as: ['Admin'] });
    expect(headers).toEqual({
      'cache-control': 'no-store',
      'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
      'content-type': 'application/json',
      'referrer-policy': 'no-referrer',
      'strict-transport-security': 'max-age=31536000',
      'x-content-type-options': 'nosniff',
    });
  });

  test('that is a page may not be framed or load anything, unless it says so itself', async () => {
    const page = (headers: Record<string, string>) =>
      ask(
        reading({
          handle: async () => ({
            status: 200,
            headers: { 'Content-Type': 'text/html; charset=utf-8', ...headers },
            body: '<p>',
          }),
        }),
        { path: '/api/x', as: ['Admin'] },
      );
    const strict = await page({});
    expect(strict.body).toBe('<p>');
    expect(strict.headers['content-security-policy']).toContain("form-action 'self'");
    const own = await page({ 'Content-Security-Policy': "default-src 'self'", 'Cache-Control': 'max-age=60' });
    expect(own.headers).toMatchObject({
      'content-security-policy': "default-src 'self'",
      'cache-control': 'max-age=60',
    });
  });

  test('to what a handler refuses is a problem with its code, title and faults', async () => {
    const handle = async () => {
      throw new PosternError('precondition-failed', 'Read it again.', { faults: [{ path: 'a.b', reason: 'is old' }] });
    };
    expect(await ask(reading({ handle }), { path: '/api/x', as: ['Admin'] })).toMatchObject({
      status: 412,
      headers: { 'content-type': 'application/problem+json' },
      json: {
        type: 'urn:postern:problem:precondition-failed',
        title: 'Somebody else changed it meanwhile',
        status: 412,
        detail: 'Read it again.',
        code: 'precondition-failed',
        faults: [{ path: 'a.b', reason: 'is old' }],
      },
    });
  });

  test('to the unforeseen is an incident: the log gets the error, the caller nothing of it', async () => {
    const { log, lines } = logLines();
    const handle = async () => {
      throw new TypeError('no such row in table secrets');
    };
    const asked = {
      path: '/api/x',
      as: ['Admin'] as const,
      body: { host: 'a-body' },
      headers: { authorization: 'Bearer abc' },
    };
    const answer = await ask(writing({ handle }), asked, { log });
    expect(answer).toMatchObject({ status: 500, json: { code: 'internal', incident: 'incident-1' } });
    expect(String(answer.body)).not.toContain('secrets');
    expect(lines).toHaveLength(1);
    expect(JSON.parse(lines[0]!)).toMatchObject({
      event: 'http.failed',
      route: 'write',
      incident: 'incident-1',
      error: 'TypeError',
      message: 'no such row in table secrets',
    });
    expect(lines[0]).not.toMatch(/a-body|Bearer|principal/);
  });
});
