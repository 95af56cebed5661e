import { expect, test } from 'vitest';
import { settingsRoutes } from '../../functions/http/settings.ts';
import { days } from '../../lib/clock.ts';
import { openApi } from '../../lib/http/openapi.ts';
import type { AnyRoute } from '../../lib/http/route.ts';
import { defaultSettings } from '../../lib/settings/schema.ts';
import { ask } from '../helpers/http.ts';
import { assertClosed, assertRegistrable } from '../helpers/routes.ts';
import { document, settingsStack, withToken } from '../helpers/settings-room.ts';

/** These settings use no XOAUTH2; the warning about a token is tested with the OAuth room. */
const noOAuth = { warnings: async () => [] };

const named = (routes: AnyRoute[], name: string): AnyRoute => routes.find((route) => route.name === name)!;

test('over HTTP: what was read can be changed and sent back with its ETag', async () => {
  const { settings } = await settingsStack();
  const routes = settingsRoutes({ settings, oauth: noOAuth });
  const get = () => ask(named(routes, 'getSettings'), { path: '/api/settings', as: ['Admin'] });
  const put = (body: unknown, headers: Record<string, string> = {}) =>
    ask(named(routes, 'putSettings'), { path: '/api/settings', as: ['MasterAdmin'], body, headers });
  const before = await get();
  expect(before).toMatchObject({ status: 200, json: { ...defaultSettings, verified: null } });
  const first = await put(document({ auth: { password: 'hunter2' } }), { 'if-match': before.headers.etag! });
  expect(first).toMatchObject({ status: 200, json: { type: 'smtp', warnings: [], dropped: [], verified: null } });
  const read = await get();
  expect(read.headers.etag).toBe(first.headers.etag);
  const changed = { ...(read.json as object), limit: { per24Hours: 500 } };
  const second = await put(changed, { 'if-match': read.headers.etag! });
  expect(second).toMatchObject({
    status: 200,
    json: { limit: { per24Hours: 500 }, smtp: { auth: { password: { set: true } } } },
  });
  expect((await put(second.json, { 'if-match': second.headers.etag! })).headers.etag).toBe(second.headers.etag);
  expect(await put(changed, { 'if-match': read.headers.etag! })).toMatchObject({ status: 412 });
  expect(await put(changed)).toMatchObject({ status: 428, json: { code: 'precondition-required' } });
});

test('over HTTP: reading tells what is to be looked at by now, and sending it back changes nothing', async () => {
  const { settings, clock } = await settingsStack();
  const routes = settingsRoutes({ settings, oauth: noOAuth });
  const codes = ({ json }: { json: unknown }) =>
    (json as { warnings: { code: string }[] }).warnings.map((it) => it.code);
  const put = (body: unknown) =>
    ask(named(routes, 'putSettings'), {
      ...{ path: '/api/settings', as: ['MasterAdmin'], body, headers: { 'if-match': '*' } },
    });
  const get = () => ask(named(routes, 'getSettings'), { path: '/api/settings', as: ['Admin'] });
  const saved = await put(withToken({ clientSecret: 's3cret', clientSecretExpires: '2027-01-10' }));
  expect(codes(saved)).toEqual([]);
  expect(codes(await get())).toEqual([]);
  clock.advance(days(21));
  const later = await get();
  expect(later.json).toMatchObject({
    warnings: [{ path: 'smtp.auth.oauth.clientSecretExpires', code: 'client-secret-ends-soon' }],
  });
  const back = await put(later.json);
  expect(back.headers.etag).toBe(saved.headers.etag);
  expect(codes(back)).toEqual(['client-secret-ends-soon']);
});

test('over HTTP: refusals are problems with every field, and an admin is told what is not for them', async () => {
  const { settings } = await settingsStack();
  const route = named(settingsRoutes({ settings, oauth: noOAuth }), 'putSettings');
  const put = (body: unknown, as: 'Admin' | 'MasterAdmin') =>
    ask(route, { path: '/api/settings', as: [as], body, headers: { 'if-match': '*' } });
  expect(await put({ smtp: { port: 'x' }, typo: 1 }, 'Admin')).toMatchObject({
    status: 422,
    json: { code: 'invalid-settings', faults: [{ path: 'smtp.port' }, { path: 'typo' }] },
  });
  expect(await put({}, 'Admin')).toMatchObject({
    status: 422,
    json: { faults: [{ path: 'from.address' }, { path: 'smtp.host' }] },
  });
  expect(await put(document({ auth: { password: 'mine' } }), 'Admin')).toMatchObject({
    status: 403,
    json: { code: 'not-allowed', faults: [{ path: 'smtp.auth.password' }] },
  });
});

test('over HTTP: history pages by its continuation; presets and fields are there for the form', async () => {
  const { save, settings } = await settingsStack();
  for (const name of ['One', 'Two', 'Three']) await save(document({ from: { name } }));
  const routes = settingsRoutes({ settings, oauth: noOAuth });
  const history = (query: string) =>
    ask(named(routes, 'getSettingsHistory'), { path: `/api/settings/history${query}`, as: ['Admin'] });
  const first = (await history('?limit=2')).json as { entries: { revision: number }[]; next: string };
  expect(first.entries.map(({ revision }) => revision)).toEqual([3, 2]);
  const second = (await history(`?limit=2&after=${first.next}`)).json as typeof first;
  expect(second.entries.map(({ revision }) => revision)).toEqual([1]);
  expect(second.next).toBeUndefined();
  expect((await history('?after=nonsense')).status).toBe(400);
  const presets = await ask(named(routes, 'getSettingsPresets'), { path: '/api/settings/presets', as: ['Admin'] });
  expect(presets.json).toMatchObject({
    presets: expect.arrayContaining([expect.objectContaining({ id: 'office-365' })]),
  });
  const fields = await ask(named(routes, 'getSettingsFields'), { path: '/api/settings/fields', as: ['Admin'] });
  expect(fields.json).toMatchObject({
    fields: expect.arrayContaining([expect.objectContaining({ path: 'smtp.host' })]),
  });
});

test('law 8: the settings routes are closed, registrable, and described', async () => {
  const { settings } = await settingsStack();
  const routes = settingsRoutes({ settings, oauth: noOAuth });
  await assertClosed(routes, []);
  assertRegistrable(routes);
  const described = JSON.stringify(openApi(routes, { url: 'https://postern.example.com', version: '1' }));
  expect(described).toContain('SMTP Auth User');
});
