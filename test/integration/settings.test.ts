import { expect, test } from 'vitest';
import { settingsRoom } from '../../lib/settings/room.ts';
import { defaultSettings } from '../../lib/settings/schema.ts';
import { admin, document, master, refusal, settingsStack, withToken } from '../helpers/settings-room.ts';

test('before anything is saved the defaults stand, and their ETag serves for the first save', async () => {
  const { settings } = await settingsStack();
  const first = await settings.read();
  expect(first).toMatchObject({ settings: defaultSettings, verified: null });
  expect(await settings.current()).toEqual(defaultSettings);
  const saved = await settings.save(document(), { ...master, ifMatch: first.etag });
  expect(saved.settings.from.address).toBe('files@example.com');
  expect(await settings.current()).toEqual(saved.settings);
  expect(await settings.read()).toMatchObject({ etag: saved.etag, savedBy: 'root@example.com' });
});

test('a save needs the ETag of what was read; a stale one changes nothing', async () => {
  const { settings } = await settingsStack();
  const { etag } = await settings.save(document(), { ...master, ifNoneMatch: '*' });
  expect((await refusal(settings.save(document(), master))).code).toBe('precondition-required');
  expect((await refusal(settings.save(document(), { ...master, ifNoneMatch: '*' }))).code).toBe('precondition-failed');
  await settings.save(document({ from: { name: 'One' } }), { ...master, ifMatch: etag });
  const late = settings.save(document({ from: { name: 'Two' } }), { ...master, ifMatch: etag });
  expect((await refusal(late)).code).toBe('precondition-failed');
  expect((await settings.read()).settings.from.name).toBe('One');
});

test('of two saves at the same time one is told, and the history has only the other', async () => {
  const { room, settings } = await settingsStack();
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

/** What the audit says of the saves, newest first. */
const savesIn = async ({ audit }: Pick<Awaited<ReturnType<typeof settingsStack>>, 'audit'>) =>
  (await audit.list({ limit: 10 })).entries.map(({ action, actor, detail }) => [action, actor.name, detail]);

test('a save is in the audit before it is done, and afterwards as done', async () => {
  const it = await settingsStack();
  const { submitTransaction } = it.table;
  let before: unknown;
  it.table.submitTransaction = async (actions) => {
    before = await savesIn(it);
    return submitTransaction.call(it.table, actions);
  };
  await it.save(document());
  const saved = (outcome: string) => [
    ['settings.save', 'root@example.com', expect.objectContaining({ 'from.name': 'Files', outcome })],
  ];
  expect(before).toEqual(saved('begun'));
  expect(await savesIn(it)).toEqual(saved('done'));
});

test('where the audit cannot be written nothing is saved', async () => {
  const { azure, save, settings } = await settingsStack();
  azure.table('audit').createEntity = () => Promise.reject(new Error('503 the audit does not answer'));
  await expect(save(document())).rejects.toThrow('503');
  expect(await settings.read()).toMatchObject({ settings: defaultSettings });
});

test('of two saves at the same time the audit tells which was done', async () => {
  const it = await settingsStack();
  const { submitTransaction } = it.table;
  it.table.submitTransaction = async (actions) => {
    it.table.submitTransaction = submitTransaction;
    await it.save(document({ from: { name: 'Faster' } }), admin);
    return submitTransaction.call(it.table, actions);
  };
  expect((await refusal(it.save(document({ from: { name: 'Slower' } })))).code).toBe('precondition-failed');
  const told = await savesIn(it);
  expect(told).toHaveLength(2);
  expect(told).toContainEqual([
    ...['settings.save', 'ada@example.com'],
    expect.objectContaining({ 'from.name': 'Faster', outcome: 'done' }),
  ]);
  expect(told).toContainEqual([
    ...['settings.save', 'root@example.com'],
    expect.objectContaining({ 'from.name': 'Slower', outcome: 'not-done' }),
  ]);
});

test('a process works with settings at most five seconds old', async () => {
  const { clock, room, save, settings } = await settingsStack();
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
  const { clock, log, secrets, table } = await settingsStack();
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
  const { room, save } = await settingsStack();
  await save(document({ from: { name: 'Old' } }));
  const other = room();
  await other.current();
  await save(document({ from: { name: 'New' } }));
  expect((await other.refresh()).from.name).toBe('New');
  expect((await other.current()).from.name).toBe('New');
});

test('where the table cannot be read, callers wait: neither defaults nor old settings are served', async () => {
  const { azure, clock, save, settings, table } = await settingsStack();
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
  const { settings, save, table, clock } = await settingsStack();
  await save(document());
  const row = await table.getEntity('settings', 'current');
  await table.updateEntity({ partitionKey: 'settings', rowKey: 'current', settings: '{"type":"pigeon"}' }, 'Merge', {
    etag: row.etag,
  });
  clock.advance(5_000);
  expect((await refusal(settings.current())).code).toBe('unavailable');
});

test('a field that a later version had is left away, and one that it lacks gets its default', async () => {
  const { settings, save, table, clock } = await settingsStack();
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

test('a draft is reviewed by the rules that a save is refused by', async () => {
  const { settings } = await settingsStack();
  const error = await refusal(settings.review(document({ smtp: { host: '' } })));
  expect(error).toMatchObject({ code: 'invalid-settings', faults: [{ path: 'smtp.host' }] });
});

test('an admin may change ordinary fields; OAuth fields, secrets and where a token goes are for a master admin', async () => {
  const { save } = await settingsStack();
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
  const { clock, save, settings } = await settingsStack();
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
  const { save, settings } = await settingsStack();
  const { etag } = await save(document());
  await settings.markVerified({ by: 'root@example.com', etag });
  const again = await save(document());
  expect(again).toMatchObject({ etag, verified: { by: 'root@example.com' } });
  expect((await settings.history({ limit: 10 })).entries).toHaveLength(1);
});

test('any change takes the verification away, and a test of former settings does not give it', async () => {
  const { clock, save, settings } = await settingsStack();
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
  const { save } = await settingsStack();
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
  const { save } = await settingsStack();
  const error = await refusal(save({ ...document(), delivery: { retry: '5m, soon' } }));
  expect(error.faults).toEqual([{ path: 'delivery.retry', reason: expect.stringContaining('soon') }]);
});
