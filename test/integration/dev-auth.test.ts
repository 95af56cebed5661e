import { expect, onTestFinished, test } from 'vitest';
import { type Gate, startGate } from '../../dev/auth/gate.ts';
import { people } from '../../dev/auth/people.ts';
import { principalOf } from '../../lib/http/principal.ts';
import { runApp } from '../helpers/functions-app.ts';

const echo = `app.http('echo', { route: 'echo', methods: ['GET', 'POST'], handler: async (request) => ({
  jsonBody: { headers: Object.fromEntries(request.headers), body: await request.text(), user: request.user?.username } }) });`;

const gateBefore = async (hosts: number[]): Promise<Gate> => {
  const tokens = { 'secret-token': people.admin, 'service-token': people.service };
  const gate = await startGate({ port: 0, hosts, tokens, sessionKey: 'k', wait: 300 });
  onTestFinished(() => gate.close());
  return gate;
};

const withApp = async () => {
  const { url } = await runApp(echo);
  return gateBefore([Number(new URL(url).port)]);
};

const signIn = async (url: string, form: Record<string, string>) => {
  const response = await fetch(`${url}/.auth/login`, {
    method: 'POST',
    body: new URLSearchParams(form),
    redirect: 'manual',
  });
  return { response, cookie: response.headers.get('set-cookie')?.split(';')[0] ?? '' };
};

const echoed = async (response: Response) =>
  (await response.json()) as { headers: Record<string, string>; body: string; user: string };

const principal = async (response: Response) => principalOf(new Headers((await echoed(response)).headers));

test('a bearer token of the stack becomes the principal that App Service would tell', async () => {
  const { url } = await withApp();
  const ask = (token: string) => fetch(`${url}/echo`, { headers: { authorization: `Bearer ${token}` } });
  expect(await principal(await ask('secret-token'))).toMatchObject({ email: 'adam@example.com', roles: ['Admin'] });
  expect(await principal(await ask('service-token'))).toMatchObject({ roles: ['Send'] });
  expect((await echoed(await ask('secret-token'))).user).toBe('adam@example.com');
});

test('an unknown token is refused before the app', async () => {
  const { url } = await withApp();
  const response = await fetch(`${url}/echo`, { headers: { authorization: 'Bearer forged' } });
  expect(response.status).toBe(401);
});

test('what a client says about itself in the principal headers never reaches the app', async () => {
  const { url } = await withApp();
  const forged = Buffer.from('{"claims":[{"typ":"oid","val":"x"}]}').toString('base64');
  const response = await fetch(`${url}/echo`, {
    headers: {
      'X-MS-CLIENT-PRINCIPAL': forged,
      'x-ms-client-principal-id': 'x',
      'X-Ms-Token-Aad-Id-Token': 'y',
      'x-own': 'z',
    },
  });
  const { headers } = await echoed(response);
  expect(Object.keys(headers).filter((name) => name.startsWith('x-'))).toEqual(['x-own']);
});

test('signing in by the form sets a session that the app sees and /.auth/me tells; signing out ends it', async () => {
  const { url } = await withApp();
  const { response, cookie } = await signIn(url, { who: 'master-admin', next: '/portal/?a=b' });
  expect([response.status, response.headers.get('location')]).toEqual([303, '/portal/?a=b']);
  expect(response.headers.get('set-cookie')).toMatch(/HttpOnly; SameSite=Lax/);
  expect(await principal(await fetch(`${url}/echo`, { headers: { cookie } }))).toMatchObject({
    roles: ['MasterAdmin'],
  });
  const me = await (await fetch(`${url}/.auth/me`, { headers: { cookie } })).json();
  expect(me).toMatchObject([{ provider_name: 'aad', user_id: 'mara@example.com' }]);
  const out = await fetch(`${url}/.auth/logout`, { redirect: 'manual', headers: { cookie } });
  expect(out.headers.get('set-cookie')).toContain('Max-Age=0');
  expect((await fetch(`${url}/.auth/me`)).status).toBe(401);
});

test('a custom name and e-mail address may be chosen, and need no role', async () => {
  const { url } = await withApp();
  const { cookie } = await signIn(url, { who: 'custom', name: 'Zoë', email: 'zoe@example.com', role: '' });
  expect(await principal(await fetch(`${url}/echo`, { headers: { cookie } }))).toMatchObject({
    email: 'zoe@example.com',
    roles: [],
  });
});

test('a session cookie that was tampered with is nobody’s', async () => {
  const { url } = await withApp();
  const { cookie } = await signIn(url, { who: 'custom', name: 'a', role: '' });
  const [name, value = ''] = cookie.split('=');
  const payload = Buffer.from(JSON.stringify(people['master-admin'])).toString('base64url');
  const forged = `${name}=${payload}.${value.split('.')[1]}`;
  expect((await fetch(`${url}/.auth/me`, { headers: { cookie: forged } })).status).toBe(401);
});

test.each([
  'https://evil.example',
  '//evil.example',
  '/\\evil.example',
  '/\t/evil.example',
  '/.//evil.example',
  'portal',
  '',
])('after signing in, "%s" leads nowhere but to this site', async (next) => {
  const { url } = await gateBefore([]);
  const { response } = await signIn(url, { who: 'admin', next });
  expect(response.headers.get('location')).toBe('/');
});

test('another site’s page cannot sign anybody in', async () => {
  const { url } = await gateBefore([]);
  const response = await fetch(`${url}/.auth/login`, {
    method: 'POST',
    headers: { origin: 'https://evil.example' },
    body: new URLSearchParams({ who: 'admin' }),
  });
  expect(response.status).toBe(403);
  expect(response.headers.get('set-cookie')).toBeNull();
});

test('the host’s own addresses are not reached from outside', async () => {
  const { url } = await withApp();
  expect((await fetch(`${url}/admin/functions`)).status).toBe(401);
  expect((await fetch(`${url}/Admin/host/status`)).status).toBe(401);
});

test('with two hosts a dead one is passed over; with none the answer is 503', async () => {
  const { url, close } = await runApp(echo);
  const port = Number(new URL(url).port);
  const dead = await runApp(echo);
  await dead.close();
  const gate = await gateBefore([Number(new URL(dead.url).port), port]);
  for (let n = 0; n < 4; n++) {
    const response = await fetch(`${gate.url}/echo`, { method: 'POST', body: 'x' });
    expect(await response.json()).toMatchObject({ body: 'x' });
  }
  await close();
  expect((await fetch(`${gate.url}/echo`)).status).toBe(503);
});
