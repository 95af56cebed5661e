import { HttpRequest, type HttpResponseInit, InvocationContext } from '@azure/functions';
import { describe, expect, test } from 'vitest';
import { auditRoutes } from '../../functions/http/audit.ts';
import { metaRoutes } from '../../functions/http/meta.ts';
import { auditLog } from '../../lib/audit/audit.ts';
import { registrations } from '../../lib/http/register.ts';
import { type AnyRoute, route } from '../../lib/http/route.ts';
import { ask, logLines, principalHeader, publicUrl } from '../helpers/http.ts';
import { assertClosed, assertRegistrable } from '../helpers/routes.ts';

const { log } = logLines();
const edge = { easyAuth: true, publicUrl, log };
const declared = (method: AnyRoute['method'], path: string, access: AnyRoute['access'] = ['Admin']) =>
  route({
    name: `${method.toLowerCase()}${path.replaceAll(/\W/g, '')}`,
    ...{ method, path, access, summary: '', answers: {} },
    handle: async () => ({ status: 200 }),
  });

const meta = (probe = async () => {}): AnyRoute[] =>
  metaRoutes({ routes: () => sample, publicUrl, version: '1.2.3', probe, log });
const audit = auditLog({ table: undefined as never, clock: { now: () => 0 } });
const sample: AnyRoute[] = [
  ...meta(),
  ...auditRoutes(audit),
  declared('GET', 'api/a.b/{id}'),
  declared('PUT', 'api/a.b/{id}'),
];
const publicOnes = ['GET api/openapi.json', 'GET api/contract.json', 'GET api/health'];

describe('law 8: every route is closed unless it is declared public', () => {
  test('the sample is closed', async () => {
    await assertClosed(sample, publicOnes);
    assertRegistrable(sample);
  });

  test('the walk finds a route that became public by mistake', async () => {
    await expect(assertClosed([...sample, declared('GET', 'api/open', 'public')], publicOnes)).rejects.toThrow(
      /api\/open/,
    );
  });

  test('the walk finds a route that names no role', async () => {
    await expect(assertClosed([...sample, declared('GET', 'api/open', [])], publicOnes)).rejects.toThrow(
      /names the roles/,
    );
  });

  test.each([
    'admin/settings',
    'administration',
    'runtime/x',
  ])('the walk finds %s, which the host keeps for itself', (path) => {
    expect(() => assertRegistrable([declared('GET', path)])).toThrow();
  });
});

test('one method and path, or one name, is registered once', () => {
  const one = declared('GET', 'api/x/{id}');
  expect(() => registrations([one, { ...one, name: 'other', path: 'api/X/{key}' }], edge)).toThrow(
    'Declared twice: GET api/x/{}',
  );
  expect(() => registrations([one, { ...one, path: 'api/y' }], edge)).toThrow('Declared twice: getapixid');
});

describe('what no route serves', () => {
  const rest = registrations(sample, edge).find(({ name }) => name === 'unknownRoute')!;
  const asked = async (method: string, path: string) =>
    (await rest.options.handler(
      new HttpRequest({ method, url: `${publicUrl}${path}` }),
      new InvocationContext(),
    )) as HttpResponseInit;

  test('is below api, by every method', () => {
    expect(rest.options).toMatchObject({
      route: 'api/{*rest}',
      methods: expect.arrayContaining(['GET', 'PATCH', 'DELETE']),
    });
  });

  test('is a 404 problem', async () => {
    const answer = await asked('GET', '/api/nothing/here');
    expect(answer).toMatchObject({ status: 404, headers: { 'content-type': 'application/problem+json' } });
    expect(JSON.parse(String(answer.body))).toMatchObject({ code: 'not-found' });
  });

  test.each(['/api/a.b/7', '/API/A.B/7', '/api/a.b/7/'])('is 405 with Allow at the known path %s', async (path) => {
    expect(await asked('DELETE', path)).toMatchObject({ status: 405, headers: { allow: 'GET, HEAD, PUT' } });
  });

  test.each(['/api/a.b', '/api/a.b/7/8', '/api/aXb/7'])('is 404 at %s, which is like a known path', async (path) => {
    expect((await asked('DELETE', path)).status).toBe(404);
  });
});

describe('HEAD', () => {
  const served = (routes: readonly AnyRoute[], edgeOf = edge) => {
    const all = registrations(routes, edgeOf);
    return async (method: 'GET' | 'HEAD', path: string, headers: Record<string, string> = {}) => {
      const found =
        all.find(({ options }) => options.route === path && options.methods.includes(method)) ?? all.at(-1)!;
      const request = new HttpRequest({ method, url: `${publicUrl}/${path}`, headers });
      return (await found.options.handler(request, new InvocationContext())) as HttpResponseInit;
    };
  };

  test.each([
    ['api/health', 200, {}],
    ['api/openapi.json', 200, {}],
    ['api/audit', 401, {}],
    ['api/audit', 403, { 'x-ms-client-principal': principalHeader(['Send']) }],
    ['api/nothing', 404, {}],
  ] as const)('of %s gets the %s of GET, without the body', async (path, status, headers) => {
    const asked = served(sample);
    const { body, ...head } = await asked('GET', path, headers);
    expect(head.status).toBe(status);
    expect(body).toBeDefined();
    expect(await asked('HEAD', path, headers)).toStrictEqual(head);
  });

  test('is not served where GET leaves a trace, nor where there is only POST', async () => {
    const asked = served([
      { ...declared('GET', 'api/g', 'public'), leavesTrace: true },
      declared('POST', 'api/p', 'public'),
    ]);
    expect(await asked('HEAD', 'api/g')).toMatchObject({ status: 405, headers: { allow: 'GET' } });
    expect(await asked('HEAD', 'api/p')).toMatchObject({ status: 405, headers: { allow: 'POST' } });
    expect((await asked('GET', 'api/g')).status).toBe(200);
  });
});

describe('what the app says of itself', () => {
  const [openApi, contract, health] = meta() as [AnyRoute, AnyRoute, AnyRoute];

  test('the OpenAPI description names every route with its roles and problems', async () => {
    const { json } = await ask(openApi, { path: '/api/openapi.json' });
    expect(json).toMatchObject({
      openapi: '3.1.1',
      info: { version: '1.2.3' },
      servers: [{ url: publicUrl }],
      paths: {
        '/api/health': { get: { operationId: 'health', security: [] } },
        '/api/a.b/{id}': { get: {}, put: { parameters: [{ name: 'id', in: 'path', required: true }] } },
        '/api/audit': {
          get: {
            description: 'App role: Mail.Admin.',
            security: [{ token: [] }, { session: [] }],
            parameters: [{ name: 'limit', in: 'query', required: false }, { name: 'after' }, { name: 'subject' }],
            responses: { 400: {}, 401: {}, 403: {}, 500: {} },
          },
        },
      },
    });
  });

  test('the OpenAPI description refers to nothing that it does not hold', async () => {
    const { json } = await ask(openApi, { path: '/api/openapi.json' });
    const references = [...JSON.stringify(json).matchAll(/"\$ref":"([^"]+)"/g)].map(([, reference]) => reference!);
    const { schemas } = (json as { components: { schemas: object } }).components;
    expect(new Set(references)).toContain('#/components/schemas/Problem');
    for (const reference of references) expect(schemas).toHaveProperty(reference.replace('#/components/schemas/', ''));
  });

  test('the queue contract is JSON Schema', async () => {
    const { headers, json } = await ask(contract, { path: '/api/contract.json' });
    expect(headers['content-type']).toBe('application/schema+json');
    expect(json).toMatchObject({ $schema: 'https://json-schema.org/draft/2020-12/schema', required: ['v', 'mail'] });
  });

  test('health is yes, or no without a reason', async () => {
    expect(await ask(health, { path: '/api/health' })).toMatchObject({ status: 200, json: { healthy: true } });
    const ill = meta(async () => {
      throw new Error('storage account x does not answer');
    })[2]!;
    const answer = await ask(ill, { path: '/api/health' });
    expect(answer).toMatchObject({ status: 503, json: { healthy: false } });
    expect(answer.body).toBe('{"healthy":false}');
  });
});
