import { expect, test } from 'vitest';
import { settingsRoutes } from '../../functions/http/settings.ts';
import { auditLog } from '../../lib/audit/audit.ts';
import { days } from '../../lib/clock.ts';
import type { PosternError } from '../../lib/errors.ts';
import { openApi } from '../../lib/http/openapi.ts';
import type { AnyRoute } from '../../lib/http/route.ts';
import { type Saver, settingsRoom } from '../../lib/settings/room.ts';
import { defaultSettings } from '../../lib/settings/schema.ts';
import type { SecretStore } from '../../lib/storage/secrets.ts';
import { ask } from '../helpers/http.ts';
import { memoryLog } from '../helpers/log.ts';
import { assertClosed, assertRegistrable } from '../helpers/routes.ts';
import { ownStorage } from '../helpers/storage.ts';
import { manualTime } from '../helpers/time.ts';
import { ownVault } from '../helpers/vault.ts';

const master = { actor: { id: 'u-1', name: 'root@example.com' }, mayMaster: true };
const admin = { actor: { id: 'u-2', name: 'ada@example.com' }, mayMaster: false };
const guid = '11111111-2222-3333-4444-555555555555';

const document = (over: { smtp?: object; auth?: object; from?: object; limit?: object } = {}) => ({
  from: { address: 'files@example.com', name: 'Files', ...over.from },
  smtp: {
    host: 'mail.example.com',
    port: 587,
    ...over.smtp,
    auth: { enabled: true, user: 'files@example.com', ...over.auth },
  },
  limit: { ...over.limit },
});

const withToken = (oauth: object = {}) =>
  document({
    auth: {
      type: 'xoauth2',
      oauth: { tenantId: guid, clientId: guid, redirectUri: 'https://m.example.com/api/getoauthtoken', ...oauth },
    },
  });

const stack = async (wrap: (secrets: SecretStore) => SecretStore = (secrets) => secrets) => {
  const [{ azure }, { vault, client, secrets }] = await Promise.all([ownStorage(), ownVault()]);
  const table = azure.table('settings');
  const clock = manualTime();
  const log = memoryLog();
  const audit = auditLog({ table: azure.table('audit'), clock });
  const room = (store = secrets) => settingsRoom({ table, secrets: store, clock, log, audit });
  const settings = room(wrap(secrets));
  /** Saves over whatever stands there. */
  const save = (draft: unknown, saver: Partial<Saver> = {}) =>
    settings.save(draft, { ...master, ifMatch: '*', ...saver });
  return { azure, table, vault, client, secrets, clock, log, audit, room, settings, save };
};

/** These settings use no XOAUTH2; the warning about a token is tested with the OAuth room. */
const noOAuth = { warnings: async () => [] };

const refusal = async (promise: Promise<unknown>): Promise<PosternError> => {
  const error = await promise.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toMatchObject({ name: 'PosternError' });
  return error as PosternError;
};

test('before anything is saved the defaults stand, and their ETag serves for the first save', async () => {
  const { settings } = await stack();
  const first = await settings.read();
  expect(first).toMatchObject({ settings: defaultSettings, verified: null });
  expect(await settings.current()).toEqual(defaultSettings);
  const saved = await settings.save(document(), { ...master, ifMatch: first.etag });
  expect(saved.settings.from.address).toBe('files@example.com');
  expect(await settings.current()).toEqual(saved.settings);
  expect(await settings.read()).toMatchObject({ etag: saved.etag, savedBy: 'root@example.com' });
});

test('a save needs the ETag of what was read; a stale one changes nothing', async () => {
  const { settings } = await stack();
  const { etag } = await settings.save(document(), { ...master, ifNoneMatch: '*' });
  expect((await refusal(settings.save(document(), master))).code).toBe('precondition-required');
  expect((await refusal(settings.save(document(), { ...master, ifNoneMatch: '*' }))).code).toBe('precondition-failed');
  await settings.save(document({ from: { name: 'One' } }), { ...master, ifMatch: etag });
  const late = settings.save(document({ from: { name: 'Two' } }), { ...master, ifMatch: etag });
  expect((await refusal(late)).code).toBe('precondition-failed');
  expect((await settings.read()).settings.from.name).toBe('One');
});

test('of two saves at the same time one is told, and the history has only the other', async () => {
  const { room, settings } = await stack();
  const { etag } = await settings.save(document(), { ...master, ifNoneMatch: '*' });
  const names = ['One', 'Two', 'Three'];
  const results = await Promise.allSettled(
    names.map((name) => room().save(document({ from: { name } }), { ...master, ifMatch: etag })),
  );
  expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
  for (const result of results) {
    if (result.status === 'rejected') expect(result.reason).toMatchObject({ code: 'precondition-failed' });
  }
  expect((await settings.history({ limit: 10 })).entries).toHaveLength(2);
});

test('a process works with settings at most five seconds old', async () => {
  const { clock, room, save, settings } = await stack();
  await save(document({ from: { name: 'Old' } }));
  const other = room();
  expect((await other.current()).from.name).toBe('Old');
  await save(document({ from: { name: 'New' } }));
  expect((await settings.current()).from.name).toBe('New');
  clock.advance(4_999);
  expect((await other.current()).from.name).toBe('Old');
  clock.advance(1);
  expect((await other.current()).from.name).toBe('New');
});

test('many callers at once cost one read of the table', async () => {
  const { clock, log, secrets, table } = await stack();
  let reads = 0;
  table.pipeline.addPolicy({
    name: 'count',
    sendRequest: (request, next) => {
      reads++;
      return next(request);
    },
  });
  const settings = settingsRoom({ table, secrets, clock, log });
  const current = () => Promise.all(Array.from({ length: 20 }, () => settings.current()));
  await current();
  expect(reads).toBe(1);
  clock.advance(5_000);
  await current();
  expect(reads).toBe(2);
});

test('a test mail can ask for settings that are not from before the last save', async () => {
  const { room, save } = await stack();
  await save(document({ from: { name: 'Old' } }));
  const other = room();
  await other.current();
  await save(document({ from: { name: 'New' } }));
  expect((await other.refresh()).from.name).toBe('New');
  expect((await other.current()).from.name).toBe('New');
});

test('where the table cannot be read, callers wait: neither defaults nor old settings are served', async () => {
  const { azure, clock, save, settings, table } = await stack();
  await save(document());
  await settings.current();
  await table.deleteTable();
  clock.advance(5_000);
  await expect(settings.current()).rejects.toMatchObject({ statusCode: 404 });
  await expect(settings.read()).rejects.toMatchObject({ statusCode: 404 });
  await azure.table('settings').createTable();
  expect(await settings.current()).toEqual(defaultSettings);
});

test('settings that this version does not understand are not replaced by defaults', async () => {
  const { settings, save, table, clock } = await stack();
  await save(document());
  const row = await table.getEntity('settings', 'current');
  await table.updateEntity({ partitionKey: 'settings', rowKey: 'current', settings: '{"type":"pigeon"}' }, 'Merge', {
    etag: row.etag,
  });
  clock.advance(5_000);
  expect((await refusal(settings.current())).code).toBe('unavailable');
});

test('a field that a later version had is left away, and one that it lacks gets its default', async () => {
  const { settings, save, table, clock } = await stack();
  await save(document());
  const row = await table.getEntity('settings', 'current');
  const stored = JSON.parse(String(row.settings));
  delete stored.limit;
  const changed = JSON.stringify({ ...stored, later: { on: true } });
  await table.updateEntity({ partitionKey: 'settings', rowKey: 'current', settings: changed }, 'Merge', {
    etag: row.etag,
  });
  clock.advance(5_000);
  expect(await settings.current()).toEqual((await settings.read()).settings);
  expect((await settings.current()).limit).toEqual(defaultSettings.limit);
});

test('a secret goes to the vault, reads as set, and stays when left out or sent back as read', async () => {
  const { settings, save, vault } = await stack();
  const first = await save(document({ auth: { password: 'hunter2' } }));
  expect(first.settings.smtp.auth.password).toEqual({ set: true, since: '2026-11-22T09:00:00.000Z' });
  expect(await settings.secret('smtp-password')).toBe('hunter2');
  await save(document({ from: { name: 'Other' } }));
  expect(await settings.secret('smtp-password')).toBe('hunter2');
  const { settings: read } = await settings.read();
  const back = await save({ ...read, from: { ...read.from, name: 'Third' } });
  expect(back.settings.smtp.auth.password).toEqual(first.settings.smtp.auth.password);
  expect(back.dropped).toEqual([]);
  expect(vault.requests).toMatchObject({ set: 1, delete: 0 });
});

test('a secret costs the vault one call a version, however many mails ask for it', async () => {
  const { save, vault, room, clock } = await stack();
  await save(document({ auth: { password: 'hunter2' } }));
  const other = room();
  await Promise.all(Array.from({ length: 20 }, () => other.secret('smtp-password')));
  clock.advance(60_000);
  await other.secret('smtp-password');
  expect(vault.requests.get).toBe(1);
  await save(document({ auth: { password: 'hunter3' } }));
  clock.advance(5_000);
  expect(await other.secret('smtp-password')).toBe('hunter3');
  expect(vault.requests.get).toBe(2);
});

test('a vault that fails is asked again by the next mail', async () => {
  const { save, vault, room } = await stack();
  await save(document({ auth: { password: 'hunter2' } }));
  const other = room();
  vault.faults.set([{ op: 'get', status: 403, times: 1 }]);
  await expect(other.secret('smtp-password')).rejects.toMatchObject({ statusCode: 403 });
  expect(await other.secret('smtp-password')).toBe('hunter2');
});

test('a secret that the vault has lost is an error, not "no password"', async () => {
  const { save, room, secrets } = await stack();
  await save(document({ auth: { password: 'hunter2' } }));
  await secrets.delete('smtp-password');
  expect((await refusal(room().secret('smtp-password'))).code).toBe('unavailable');
});

test('null removes a secret from settings and vault, and it can be given again', async () => {
  const { client, settings, save } = await stack();
  await save(document({ auth: { password: 'hunter2' } }));
  const { settings: read, warnings, dropped } = await save(document({ auth: { password: null } }));
  expect(read.smtp.auth.password).toEqual({ set: false });
  expect(warnings.map(({ code }) => code)).toEqual(['password-missing']);
  expect(dropped).toEqual([]);
  expect(await settings.secret('smtp-password')).toBeUndefined();
  await expect(client.getSecret('smtp-password')).rejects.toMatchObject({ statusCode: 404 });
  await save(document({ auth: { password: 'hunter3' } }));
  expect(await settings.secret('smtp-password')).toBe('hunter3');
});

test.each([
  ['host', { smtp: { host: 'evil.example.com' } }],
  ['port', { smtp: { port: 2525 } }],
  ['user', { auth: { user: 'other@example.com' } }],
])('law 6: a changed %s drops the password that was given for another, and says so', async (_, over) => {
  const { client, settings, save } = await stack();
  await save(document({ auth: { password: 'hunter2' } }));
  const { settings: read, dropped } = await save(document(over));
  expect(dropped).toEqual([{ path: 'smtp.auth.password', reason: expect.stringContaining('Give it again') }]);
  expect(read.smtp.auth.password).toEqual({ set: false });
  expect(await settings.secret('smtp-password')).toBeUndefined();
  await expect(client.getSecret('smtp-password')).rejects.toMatchObject({ statusCode: 404 });
});

test.each([
  ['tenant', { tenantId: 'other.example.com' }],
  ['client', { clientId: guid.replace('1', '2') }],
  ['cloud', { cloud: 'dod' }],
])('law 6: a changed %s drops the client secret, and says so', async (_, oauth) => {
  const { settings, save } = await stack();
  await save(withToken({ clientSecret: 's3cret', clientSecretExpires: '2027-05-01' }));
  expect(await settings.secret('oauth-client-secret')).toBe('s3cret');
  const { dropped } = await save(withToken(oauth));
  expect(dropped.map(({ path }) => path)).toEqual(['smtp.auth.oauth.clientSecret']);
  expect(await settings.secret('oauth-client-secret')).toBeUndefined();
});

test('a changed host with the password given again keeps working', async () => {
  const { settings, save } = await stack();
  await save(document({ auth: { password: 'hunter2' } }));
  const { dropped } = await save(document({ smtp: { host: 'new.example.com' }, auth: { password: 'hunter3' } }));
  expect(dropped).toEqual([]);
  expect(await settings.secret('smtp-password')).toBe('hunter3');
});

test('law 6: a stored secret is lent only to a draft that sends it where it was given for', async () => {
  const { settings, save } = await stack();
  await save(document({ auth: { password: 'hunter2' } }));
  const same = await settings.review(document({ from: { name: 'Draft' } }));
  expect(await same.secret('smtp-password')).toBe('hunter2');
  const elsewhere = await settings.review(document({ smtp: { host: 'evil.example.com' } }));
  expect(await elsewhere.secret('smtp-password')).toBeUndefined();
  expect(elsewhere.warnings.map(({ code }) => code)).toContain('password-missing');
  expect(await settings.sealedSecret('smtp-password', elsewhere.settings)).toBeUndefined();
  expect(await settings.sealedSecret('smtp-password', same.settings)).toBe('hunter2');
  expect(await settings.secret('smtp-password', elsewhere.settings)).toBeUndefined();
  const given = await settings.review(document({ smtp: { host: 'b.example.com' }, auth: { password: 'own' } }));
  expect(await given.secret('smtp-password')).toBe('own');
  expect((await settings.read()).settings.smtp.host).toBe('mail.example.com');
});

test('a draft is reviewed by the rules that a save is refused by', async () => {
  const { settings } = await stack();
  const error = await refusal(settings.review(document({ smtp: { host: '' } })));
  expect(error).toMatchObject({ code: 'invalid-settings', faults: [{ path: 'smtp.host' }] });
});

test('when the row cannot be written after the vault was, the former secret stays in force', async () => {
  const race = await stack((real) => ({
    ...real,
    set: async (name, value) => {
      const version = await real.set(name, value);
      if (value === 'lost') await race.room().save(document({ from: { name: 'Faster' } }), { ...master, ifMatch: '*' });
      return version;
    },
  }));
  const { etag } = await race.save(document({ auth: { password: 'hunter2' } }));
  const slow = race.save(document({ auth: { password: 'lost' } }), { ifMatch: etag });
  expect((await refusal(slow)).code).toBe('precondition-failed');
  expect(await race.settings.secret('smtp-password')).toBe('hunter2');
  expect(await race.room().secret('smtp-password')).toBe('hunter2');
});

test('a secret given while its predecessor is being deleted survives the deletion', async () => {
  const race = await stack((real) => ({
    ...real,
    delete: async (name) => {
      await race.room().save(document({ auth: { password: 'new' } }), { ...master, ifMatch: '*' });
      await real.delete(name);
    },
  }));
  await race.save(document({ auth: { password: 'old' } }));
  await race.save(document({ auth: { password: null } }));
  expect(await race.room().secret('smtp-password')).toBe('new');
});

test('a vault that refuses the deletion does not undo the save, and it is told', async () => {
  const { log, save, settings, vault } = await stack();
  await save(document({ auth: { password: 'hunter2' } }));
  vault.faults.set([{ op: 'delete', status: 403 }]);
  const { warnings } = await save(document({ auth: { password: null } }));
  expect(warnings.map(({ code }) => code)).toContain('secret-left-in-vault');
  expect(log.lines.map(({ event }) => event)).toContain('settings.secret-left');
  expect(await settings.secret('smtp-password')).toBeUndefined();
});

test('a vault that refuses the secret leaves everything as it was', async () => {
  const { save, settings, vault } = await stack();
  await save(document({ auth: { password: 'hunter2' } }));
  vault.faults.set([{ op: 'set', status: 403 }]);
  const failed = save(document({ smtp: { host: 'new.example.com' }, auth: { password: 'hunter3' } }));
  await expect(failed).rejects.toMatchObject({ statusCode: 403 });
  expect(await settings.read()).toMatchObject({ etag: '"1"', settings: { smtp: { host: 'mail.example.com' } } });
  expect(await settings.secret('smtp-password')).toBe('hunter2');
});

test('a secret sent back as it is not is refused: nobody can know what is meant', async () => {
  const { save } = await stack();
  const set = await refusal(save(document({ auth: { password: { set: true } } })));
  expect(set).toMatchObject({ code: 'invalid-settings', faults: [{ path: 'smtp.auth.password' }] });
  await save(document({ auth: { password: 'hunter2' } }));
  const unset = await refusal(save(document({ auth: { password: { set: false } } })));
  expect(unset).toMatchObject({ code: 'invalid-settings', faults: [{ path: 'smtp.auth.password' }] });
});

test('an admin may change ordinary fields; OAuth fields, secrets and where a token goes are for a master admin', async () => {
  const { save } = await stack();
  await save(document({ auth: { password: 'hunter2' } }));
  const refusedFields = async (draft: unknown) => {
    const error = await refusal(save(draft, admin));
    expect(error.code).toBe('not-allowed');
    return error.faults.map(({ path }) => path);
  };
  expect((await save(document({ from: { name: 'By Ada' } }), admin)).settings.from.name).toBe('By Ada');
  expect(await refusedFields(document({ auth: { password: 'mine' } }))).toEqual(['smtp.auth.password']);
  expect(await refusedFields(document({ auth: { password: null } }))).toEqual(['smtp.auth.password']);
  expect(await refusedFields(document({ auth: { oauth: { cloud: 'china' } } }))).toEqual(['smtp.auth.oauth.cloud']);
  await save(withToken({ credential: 'managed-identity' }));
  const token = withToken({ credential: 'managed-identity' });
  expect((await save({ ...token, limit: { perMinute: 20 } }, admin)).settings.limit.perMinute).toBe(20);
  const elsewhere = { ...token, smtp: { ...token.smtp, host: 'evil.example.com' } };
  expect(await refusedFields(elsewhere)).toEqual(['smtp.host']);
});

test('history tells who changed what and when, newest first, page by page, with secrets masked', async () => {
  const { clock, save, settings } = await stack();
  await save(document({ auth: { password: 'hunter2' } }));
  clock.advance(1_000);
  await save(document({ from: { name: 'New' }, auth: { password: 'hunter3' } }), master);
  clock.advance(1_000);
  await save(document({ from: { name: 'New' }, smtp: { port: 2525 } }), admin);
  const first = await settings.history({ limit: 2 });
  expect(first.entries).toEqual([
    {
      revision: 3,
      at: '2026-11-22T09:00:02.000Z',
      by: 'ada@example.com',
      changes: [
        { path: 'smtp.port', from: 587, to: 2525 },
        { path: 'smtp.auth.password', secret: 'removed' },
      ],
    },
    {
      revision: 2,
      at: '2026-11-22T09:00:01.000Z',
      by: 'root@example.com',
      changes: [
        { path: 'from.name', from: 'Files', to: 'New' },
        { path: 'smtp.auth.password', secret: 'changed' },
      ],
    },
  ]);
  const second = await settings.history({ limit: 2, after: first.next });
  expect(second.next).toBeUndefined();
  expect(second.entries.map(({ revision }) => revision)).toEqual([1]);
  expect(second.entries[0]?.changes).toContainEqual({ path: 'smtp.auth.password', secret: 'set' });
  expect(second.entries[0]?.changes).toContainEqual({ path: 'smtp.host', from: '', to: 'mail.example.com' });
});

test('a save that changes nothing leaves no trace in history and keeps the verification', async () => {
  const { save, settings } = await stack();
  const { etag } = await save(document());
  await settings.markVerified({ by: 'root@example.com', etag });
  const again = await save(document());
  expect(again).toMatchObject({ etag, verified: { by: 'root@example.com' } });
  expect((await settings.history({ limit: 10 })).entries).toHaveLength(1);
});

test('any change takes the verification away, and a test of former settings does not give it', async () => {
  const { clock, save, settings } = await stack();
  const first = await save(document());
  clock.advance(1_000);
  expect(await settings.markVerified({ by: 'root@example.com', etag: first.etag })).toBe(true);
  expect(await settings.read()).toMatchObject({
    etag: first.etag,
    verified: { at: '2026-11-22T09:00:01.000Z', by: 'root@example.com' },
  });
  const second = await save(document({ from: { name: 'New' } }));
  expect(second.verified).toBeNull();
  expect(await settings.markVerified({ by: 'root@example.com', etag: first.etag })).toBe(false);
  expect((await settings.read()).verified).toBeNull();
  await save(document({ from: { name: 'New' }, auth: { password: 'hunter2' } }));
  expect((await settings.read()).verified).toBeNull();
});

test('a mail command that this host does not have is refused with words', async () => {
  const { save } = await stack();
  const nowhere = { ...document(), type: 'sendmail', sendmail: { path: '/nowhere/sendmail' } };
  expect(await refusal(save(nowhere))).toMatchObject({
    code: 'invalid-settings',
    message: expect.stringMatching(/on this machine\.$(?<!\.\.)/),
    faults: [{ path: 'sendmail.path', reason: 'There is no /nowhere/sendmail on this machine.' }],
  });
  const here = { ...document(), type: 'sendmail', sendmail: { path: process.execPath } };
  expect((await save(here)).settings.type).toBe('sendmail');
});

test('a retry schedule that cannot be read is refused at its field', async () => {
  const { save } = await stack();
  const error = await refusal(save({ ...document(), delivery: { retry: '5m, soon' } }));
  expect(error.faults).toEqual([{ path: 'delivery.retry', reason: expect.stringContaining('soon') }]);
});

const named = (routes: AnyRoute[], name: string): AnyRoute => routes.find((route) => route.name === name)!;

test('over HTTP: what was read can be changed and sent back with its ETag', async () => {
  const { settings } = await stack();
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
  const { settings, clock } = await stack();
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
  const { settings } = await stack();
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
  const { save, settings } = await stack();
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
  const { settings } = await stack();
  const routes = settingsRoutes({ settings, oauth: noOAuth });
  await assertClosed(routes, []);
  assertRegistrable(routes);
  const described = JSON.stringify(openApi(routes, { url: 'https://postern.example.com', version: '1' }));
  expect(described).toContain('SMTP Auth User');
});

test('law 6: after saves, no row, answer, log line or error has a secret in it', async () => {
  const { azure, audit, log, save, settings, vault } = await stack();
  const secretValues = ['hunter2-password', 'hunter3-password', 'client-s3cret', 'mistyped-p4ss'];
  const told: unknown[] = [];
  const note = async (promise: Promise<unknown>) =>
    told.push(
      await promise.catch((error: PosternError) => [error.message, error.faults, error.stack, String(error.cause)]),
    );
  await note(save(document({ auth: { password: 'hunter2-password' } })));
  await note(save(document({ auth: { password: 'hunter3-password' } })));
  await note(
    save(
      document({ auth: { password: 'hunter3-password', oauth: { clientSecret: 'client-s3cret', clientId: guid } } }),
    ),
  );
  await note(save(document({ smtp: { host: 'other.example.com' } })));
  await note(save({ ...document({ auth: { password: 'mistyped-p4ss' } }), type: 'pigeon' }));
  await note(save(document({ auth: { password: { set: 'mistyped-p4ss' } } })));
  await note(save(document({ auth: { password: 'mistyped-p4ss' } }), { ifMatch: '"99"' }));
  await note(save(document({ auth: { password: 'mistyped-p4ss' } }), admin));
  vault.faults.set([{ op: 'set', status: 403 }]);
  await note(save(document({ auth: { password: 'mistyped-p4ss' } })));
  told.push(await settings.read(), await settings.history({ limit: 100 }), log.lines);
  for (const name of ['settings', 'audit'] as const) {
    for await (const row of azure.table(name).listEntities()) told.push(row);
  }
  told.push(await audit.list({ limit: 100 }));
  const everything = JSON.stringify(told);
  expect(everything).toContain('smtp.auth.password');
  for (const value of secretValues) expect(everything).not.toContain(value);
});
