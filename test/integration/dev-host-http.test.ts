import { request } from 'node:http';
import { expect, test } from 'vitest';
import { runApp } from '../helpers/functions-app.ts';

const echo = (name: string, options: object) =>
  `app.http(${JSON.stringify(name)}, { authLevel: 'anonymous', ...${JSON.stringify(options)}, handler: async (request) => ({
    jsonBody: { name: ${JSON.stringify(name)}, method: request.method, params: request.params, query: Object.fromEntries(request.query), body: await request.text() } }) });`;

const ask = async (url: string, init?: RequestInit) => {
  const response = await fetch(url, init);
  const text = await response.text();
  return { status: response.status, json: text.startsWith('{') ? JSON.parse(text) : undefined, text, response };
};

test('a request reaches its function through the real library, with parameters, query and body', async () => {
  const { url } = await runApp(
    echo('one', { methods: ['PUT'], route: 'api/files/{id}' }) +
      echo('all', { methods: ['GET'], route: 'portal/{*rest}' }) +
      echo('number', { methods: ['GET'], route: 'api/page/{n:int}' }) +
      echo('fixed', { methods: ['GET'], route: 'api/page/first' }),
  );
  const put = await ask(`${url}/api/files/a%20b?q=1&q=2`, { method: 'PUT', body: 'hello' });
  expect(put.json).toEqual({ name: 'one', method: 'PUT', params: { id: 'a b' }, query: { q: '1,2' }, body: 'hello' });
  expect((await ask(`${url}/portal/css/a.css`)).json.params).toEqual({ rest: 'css/a.css' });
  expect((await ask(`${url}/portal`)).json.name).toBe('all');
  expect((await ask(`${url}/api/page/7`)).json.name).toBe('number');
  expect((await ask(`${url}/api/page/first`)).json.name).toBe('fixed');
  expect((await ask(`${url}/api/page/x`)).status).toBe(404);
  expect((await ask(`${url}/API/Files/x`, { method: 'PUT', body: 'x' })).json.name).toBe('one');
});

test('the route prefix of host.json stands before every route', async () => {
  const { url } = await runApp(echo('one', { methods: ['GET'], route: 'files' }), {
    hostJson: { http: { routePrefix: 'v1' } },
  });
  expect((await ask(`${url}/v1/files`)).status).toBe(200);
  expect((await ask(`${url}/files`)).status).toBe(404);
});

test('a method that is not listed is answered by 404, HEAD too', async () => {
  const { url } = await runApp(echo('one', { methods: ['GET'], route: 'files' }));
  expect((await ask(`${url}/files`, { method: 'DELETE' })).status).toBe(404);
  expect((await ask(`${url}/files`, { method: 'HEAD' })).status).toBe(404);
});

test('HEAD of a function that lists it gets its status and headers, and neither a body nor the length of none', async () => {
  const { url } = await runApp(`app.http('one', { route: 'files', methods: ['GET', 'HEAD'], handler: (request) => ({
    status: 203, headers: { 'x-a': request.method }, ...(request.method === 'GET' && { body: 'hello' }) }) });`);
  const { text, response } = await ask(`${url}/files`, { method: 'HEAD' });
  expect([response.status, response.headers.get('x-a'), text]).toEqual([203, 'HEAD', '']);
  expect(response.headers.has('content-length')).toBe(false);
  expect((await ask(`${url}/files`)).text).toBe('hello');
});

test('a handler that throws is answered by an empty 500, and the log has the reason', async () => {
  const { url, logs } = await runApp(
    `app.http('bad', { route: 'bad', methods: ['GET'], handler: () => { throw new Error('the reason'); } });`,
  );
  expect(await ask(`${url}/bad`)).toMatchObject({ status: 500, text: '' });
  expect(logs.join('\n')).toContain('the reason');
});

test('a chunked request, without Content-Length, arrives with no body', async () => {
  const { url } = await runApp(echo('one', { methods: ['POST'], route: 'files' }));
  const text = await new Promise<string>((resolve, reject) => {
    const sent = request(`${url}/files`, { method: 'POST' }, (response) => {
      let body = '';
      response.on('data', (chunk) => {
        body += chunk;
      });
      response.on('end', () => resolve(body));
    }).on('error', reject);
    sent.write('part');
    sent.end('rest');
  });
  expect(JSON.parse(text).body).toBe('');
});

test('a body over the host limit is refused by 413 before the function', async () => {
  const { url } = await runApp(echo('one', { methods: ['POST'], route: 'files' }), {
    env: { FUNCTIONS_REQUEST_BODY_SIZE_LIMIT: '10' },
  });
  expect((await ask(`${url}/files`, { method: 'POST', body: '12345678901' })).status).toBe(413);
  expect((await ask(`${url}/files`, { method: 'POST', body: '1234567890' })).status).toBe(200);
});

test('a function that is not anonymous needs the key', async () => {
  const { url } = await runApp(echo('one', { methods: ['GET'], route: 'files', authLevel: 'function' }), {
    functionKey: 'k',
  });
  expect((await ask(`${url}/files`)).status).toBe(401);
  expect((await ask(`${url}/files?code=wrong`)).status).toBe(401);
  expect((await ask(`${url}/files?code=k`)).status).toBe(200);
  expect((await ask(`${url}/files`, { headers: { 'x-functions-key': 'k' } })).status).toBe(200);
});

test('status, headers and cookies of the answer arrive as the handler gave them', async () => {
  const { url } = await runApp(`app.http('one', { route: 'one', methods: ['GET'], handler: () => ({
    status: 207, headers: { 'x-a': 'b' }, body: Buffer.from([0, 255]),
    cookies: [{ name: 's', value: 'v', path: '/', httpOnly: true, sameSite: 'Lax', maxAge: 60 }] }) });`);
  const response = await fetch(`${url}/one`);
  expect(response.status).toBe(207);
  expect(response.headers.get('x-a')).toBe('b');
  expect(response.headers.get('set-cookie')).toBe('s=v; Path=/; Max-Age=60; HttpOnly; SameSite=lax');
  expect([...new Uint8Array(await response.arrayBuffer())]).toEqual([0, 255]);
});

test('reserved and conflicting routes put that one function in error, the others run on', async () => {
  const { url, functions } = await runApp(
    echo('ok', { methods: ['GET', 'POST'], route: 'files' }) +
      echo('same', { methods: ['POST'], route: '/Files/' }) +
      echo('other', { methods: ['DELETE'], route: 'files' }) +
      echo('adminPage', { methods: ['GET'], route: 'page' }) +
      echo('a', { methods: ['GET'], route: ' /Admin/getoauthtoken'.trim() }) +
      echo('b', { methods: ['GET'], route: 'administration' }) +
      echo('c', { methods: ['GET'], route: 'runtimes/x' }) +
      echo('AdminByName', { methods: ['GET'] }),
  );
  const inError = functions.filter(({ error }) => error).map(({ name }) => name);
  expect(inError).toEqual(['same', 'a', 'b', 'c', 'AdminByName']);
  expect((await ask(`${url}/files`)).json.name).toBe('ok');
  expect((await ask(`${url}/files`, { method: 'POST', body: '' })).json.name).toBe('ok');
  expect((await ask(`${url}/files`, { method: 'DELETE' })).json.name).toBe('other');
  expect((await ask(`${url}/administration`)).status).toBe(404);
  expect(await (await fetch(`${url}/admin/functions`)).json()).toContainEqual(
    expect.objectContaining({ name: 'same', error: expect.stringContaining('"ok"') }),
  );
});

test('an app that breaks while loading leaves the host up without functions, and says why', async () => {
  const { url, functions, loadError, logs } = await runApp(
    `${echo('one', { methods: ['GET'], route: 'files' })} throw new Error('KEY_VAULT_URI is missing');`,
  );
  expect(functions).toEqual([]);
  expect(loadError?.message).toContain('KEY_VAULT_URI');
  expect(logs.join()).toContain('KEY_VAULT_URI is missing');
  expect((await ask(`${url}/files`)).status).toBe(404);
  expect((await ask(`${url}/admin/host/status`)).json).toEqual({
    state: 'Error',
    errors: ['KEY_VAULT_URI is missing'],
  });
});

test('two functions of one name are refused while loading', async () => {
  const one = echo('one', { methods: ['GET'] });
  expect((await runApp(one + one)).loadError?.message).toContain('already been registered');
});

test('hooks run: at start, around each invocation, and at the end', async () => {
  const { url, seen, close } = await runApp(`
    app.hook.appStart(() => saw('start'));
    app.hook.preInvocation((context) => saw('before ' + context.invocationContext.functionName));
    app.hook.postInvocation((context) => saw('after ' + (context.error?.message ?? 'well')));
    app.hook.appTerminate(() => saw('end'));
    app.http('bad', { route: 'bad', methods: ['GET'], handler: () => { throw new Error('badly'); } });`);
  await fetch(`${url}/bad`);
  await close();
  expect(seen).toEqual(['start', 'before bad', 'after badly', 'end']);
});
