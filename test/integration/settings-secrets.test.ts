import { expect, test } from 'vitest';
import type { PosternError } from '../../lib/errors.ts';
import { admin, document, guid, master, refusal, settingsStack, withToken } from '../helpers/settings-room.ts';

test('a secret goes to the vault, reads as set, and stays when left out or sent back as read', async () => {
  const { settings, save, vault } = await settingsStack();
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
  const { save, vault, room, clock } = await settingsStack();
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
  const { save, vault, room } = await settingsStack();
  await save(document({ auth: { password: 'hunter2' } }));
  const other = room();
  vault.faults.set([{ op: 'get', status: 403, times: 1 }]);
  await expect(other.secret('smtp-password')).rejects.toMatchObject({ statusCode: 403 });
  expect(await other.secret('smtp-password')).toBe('hunter2');
});

test('a secret that the vault has lost is an error, not "no password"', async () => {
  const { save, room, secrets } = await settingsStack();
  await save(document({ auth: { password: 'hunter2' } }));
  await secrets.delete('smtp-password');
  expect((await refusal(room().secret('smtp-password'))).code).toBe('unavailable');
});

test('null removes a secret from settings and vault, and it can be given again', async () => {
  const { client, settings, save } = await settingsStack();
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
  const { client, settings, save } = await settingsStack();
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
  const { settings, save } = await settingsStack();
  await save(withToken({ clientSecret: 's3cret', clientSecretExpires: '2027-05-01' }));
  expect(await settings.secret('oauth-client-secret')).toBe('s3cret');
  const { dropped } = await save(withToken(oauth));
  expect(dropped.map(({ path }) => path)).toEqual(['smtp.auth.oauth.clientSecret']);
  expect(await settings.secret('oauth-client-secret')).toBeUndefined();
});

test('a changed host with the password given again keeps working', async () => {
  const { settings, save } = await settingsStack();
  await save(document({ auth: { password: 'hunter2' } }));
  const { dropped } = await save(document({ smtp: { host: 'new.example.com' }, auth: { password: 'hunter3' } }));
  expect(dropped).toEqual([]);
  expect(await settings.secret('smtp-password')).toBe('hunter3');
});

test('law 6: a stored secret is lent only to a draft that sends it where it was given for', async () => {
  const { settings, save } = await settingsStack();
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

test('when the row cannot be written after the vault was, the former secret stays in force', async () => {
  const race = await settingsStack((real) => ({
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
  const race = await settingsStack((real) => ({
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
  const { log, save, settings, vault } = await settingsStack();
  await save(document({ auth: { password: 'hunter2' } }));
  vault.faults.set([{ op: 'delete', status: 403 }]);
  const { warnings } = await save(document({ auth: { password: null } }));
  expect(warnings.map(({ code }) => code)).toContain('secret-left-in-vault');
  expect(log.lines.map(({ event }) => event)).toContain('settings.secret-left');
  expect(await settings.secret('smtp-password')).toBeUndefined();
});

test('a vault that refuses the secret leaves everything as it was', async () => {
  const { save, settings, vault } = await settingsStack();
  await save(document({ auth: { password: 'hunter2' } }));
  vault.faults.set([{ op: 'set', status: 403 }]);
  const failed = save(document({ smtp: { host: 'new.example.com' }, auth: { password: 'hunter3' } }));
  await expect(failed).rejects.toMatchObject({ statusCode: 403 });
  expect(await settings.read()).toMatchObject({ etag: '"1"', settings: { smtp: { host: 'mail.example.com' } } });
  expect(await settings.secret('smtp-password')).toBe('hunter2');
});

test('a secret sent back as it is not is refused: nobody can know what is meant', async () => {
  const { save } = await settingsStack();
  const set = await refusal(save(document({ auth: { password: { set: true } } })));
  expect(set).toMatchObject({ code: 'invalid-settings', faults: [{ path: 'smtp.auth.password' }] });
  await save(document({ auth: { password: 'hunter2' } }));
  const unset = await refusal(save(document({ auth: { password: { set: false } } })));
  expect(unset).toMatchObject({ code: 'invalid-settings', faults: [{ path: 'smtp.auth.password' }] });
});

test('law 6: after saves, no row, answer, log line or error has a secret in it', async () => {
  const { azure, audit, log, save, settings, vault } = await settingsStack();
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
