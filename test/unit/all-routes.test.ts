import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { composePostern } from '../../functions/app.ts';
import { readConfig } from '../../lib/config.ts';
import { maxDequeueCount } from '../../lib/delivery/accept.ts';
import { openApi } from '../../lib/http/openapi.ts';
import { registrations } from '../../lib/http/register.ts';
import { lanes } from '../../lib/message/kinds.ts';
import { assertClosed, assertRegistrable } from '../helpers/routes.ts';

/** The one place where a route is made public on purpose. */
const publicRoutes = [
  'GET api/contract.json',
  'GET api/health',
  'GET api/openapi.json',
  'GET unsubscribe/{token}',
  'POST unsubscribe/{token}',
  'POST unsubscribe/{token}/undo',
];

const nobody = ['Blob', 'Queue', 'Table'].map((service) => `${service}Endpoint=http://127.0.0.1:9/none`).join(';');

/** Storage that nobody listens at: a guard that let somebody through would not answer 401 or 403, but fail. */
const { routes, queues, edge } = composePostern(
  readConfig({
    AzureWebJobsStorage: `DefaultEndpointsProtocol=http;AccountName=none;AccountKey=bm9uZQ==;${nobody}`,
    KEY_VAULT_URI: 'https://localhost:9',
    POSTERN_PUBLIC_URL: 'https://postern.example.com',
  }),
);

const hostJson = JSON.parse(readFileSync(new URL('../../host.json', import.meta.url), 'utf8'));

describe('the routes of the whole app', () => {
  test('law 8: every route is closed unless it is declared public', async () => {
    await assertClosed(routes, publicRoutes);
  });

  test('law 7: no GET changes anything, so none takes a body', () => {
    expect(routes.filter(({ method, body, bodyType }) => method === 'GET' && (body || bodyType))).toEqual([]);
  });

  test('law 7: every GET is served for HEAD too, but those that leave a trace', () => {
    const heads = registrations(routes, edge).filter(({ name }) => name !== 'unknownRoute');
    const without = heads.filter(({ options: { methods } }) => methods.includes('GET') && !methods.includes('HEAD'));
    expect(without.map(({ options }) => options.route).sort()).toEqual([
      'api/do-not-email/export',
      'api/getoauthtoken',
    ]);
    const others = heads.filter(({ options: { methods } }) => !methods.includes('GET'));
    expect(others.flatMap(({ options }) => options.methods)).not.toContain('HEAD');
  });

  test('the Functions host takes every one of them', () => {
    assertRegistrable(routes);
  });

  test('OpenAPI describes every one, and refers only to schemas that it holds', () => {
    const described = openApi(routes, { url: 'https://postern.example.com', version: '1' });
    const { paths, components } = described as {
      paths: Record<string, Record<string, { operationId: string; summary: string; security: object[] }>>;
      components: { schemas: Record<string, unknown> };
    };
    for (const { method, path, name, access } of routes) {
      const operation = paths[`/${path}`]?.[method.toLowerCase()];
      expect(operation, `${method} ${path}`).toMatchObject({ operationId: name, summary: expect.stringMatching(/\w/) });
      expect(operation?.security.length === 0, `${method} ${path} asks for sign-in`).toBe(access === 'public');
    }
    const referred = [...JSON.stringify(described).matchAll(/"#\/components\/schemas\/([^"]+)"/g)].map(([, it]) => it);
    expect(referred.length).toBeGreaterThan(0);
    expect(referred.filter((it) => !Object.hasOwn(components.schemas, it as string))).toEqual([]);
  });
});

describe('host.json', () => {
  test('gives up on a queue message just when Postern does', () => {
    expect(hostJson.extensions.queues.maxDequeueCount).toBe(maxDequeueCount);
  });

  test('every lane has a queue trigger, decodes Base64, and routes begin at the root', () => {
    expect(queues.map(({ name }) => name).sort()).toEqual(Object.values(lanes).sort());
    expect(hostJson.extensions.queues.messageEncoding).toBe('base64');
    expect(hostJson.extensions.http.routePrefix).toBe('');
  });
});
