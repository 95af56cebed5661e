import { expect, test } from 'vitest';
import { type Answer, bundledStack } from '../helpers/bundled-stack.ts';

const stack = bundledStack();

const read = () => stack().ask('GET', '/api/settings', { as: 'ADMIN_TOKEN' });

/** Saves what is there with a change, as the page does. */
const change = async (edit: (settings: Answer['json']) => void, ifMatch?: string): Promise<Answer> => {
  const { json, headers } = await read();
  edit(json);
  const etag = ifMatch ?? headers.get('etag') ?? '';
  return stack().ask('PUT', '/api/settings', { as: 'MASTER_ADMIN_TOKEN', headers: { 'if-match': etag }, body: json });
};

test('a fresh stack has settings with which mail goes', async () => {
  const { status, headers, json } = await read();
  expect(status).toBe(200);
  expect(headers.get('etag')).toMatch(/^"/);
  expect(json).toMatchObject({
    from: { address: 'files@example.com' },
    type: 'smtp',
    smtp: { host: 'localhost', security: 'none' },
    verified: null,
  });
});

test('settings as read can be sent back as they are; a stale or missing ETag is refused', async () => {
  const before = await read();
  const saved = await change((it) => {
    it.from.name = 'Files of ours';
  });
  expect(saved).toMatchObject({ status: 200, json: { from: { name: 'Files of ours' } } });
  const stale = await change(() => {}, before.headers.get('etag') ?? '');
  expect(stale).toMatchObject({ status: 412, json: { code: 'precondition-failed' } });
  const { verified: _, ...body } = (await read()).json;
  const missing = await stack().ask('PUT', '/api/settings', { as: 'ADMIN_TOKEN', body });
  expect(missing).toMatchObject({ status: 428, json: { code: 'precondition-required' } });
  const history = await stack().ask('GET', '/api/settings/history', { as: 'ADMIN_TOKEN' });
  expect(history.json.entries[0]).toMatchObject({
    by: 'mara@example.com',
    changes: [{ path: 'from.name', to: 'Files of ours' }],
  });
});

test('wrong settings are refused with every field and change nothing', async () => {
  const before = await read();
  const refused = await change((it) => {
    it.from.address = 'files example.com';
    it.smtp.port = 70_000;
    it.smtp.security = 'maybe';
  });
  expect(refused).toMatchObject({ status: 422, json: { code: 'invalid-settings' } });
  const paths = refused.json.faults.map((it: { path: string }) => it.path);
  expect(paths.sort()).toEqual(['from.address', 'smtp.port', 'smtp.security']);
  const schedule = await change((it) => {
    it.delivery.retry = 'often';
  });
  expect(schedule).toMatchObject({ status: 422, json: { faults: [{ path: 'delivery.retry' }] } });
  expect((await read()).headers.get('etag')).toBe(before.headers.get('etag'));
});

test('law 6: a password goes to the vault, is never read back, and is dropped when the server changes', async () => {
  const password = 'files-password';
  const saved = await change((it) => {
    it.smtp.auth = { ...it.smtp.auth, enabled: true, type: 'basic', user: 'files@example.com', password };
    it.smtp.port = stack().base + 58;
    it.smtp.security = 'tls';
  });
  expect(saved).toMatchObject({ status: 200, json: { smtp: { auth: { password: { set: true } } }, dropped: [] } });
  const test = await stack().ask('POST', '/api/test-email', { as: 'ADMIN_TOKEN', body: { to: 'tls@example.com' } });
  expect(test.json).toMatchObject({ sent: true, delivery: { attempts: [{ tls: expect.stringMatching(/TLS/) }] } });
  expect(JSON.stringify([saved.json, (await read()).json])).not.toContain(password);

  const moved = await change((it) => {
    it.smtp.host = '127.0.0.1';
    it.smtp.port = stack().base + 25;
    it.smtp.security = 'none';
  });
  expect(moved.json.dropped).toMatchObject([{ path: 'smtp.auth.password' }]);
  await change((it) => {
    it.smtp.auth.enabled = false;
  });
  const ofHost = stack()
    .output()
    .split('\n')
    .filter((line) => line.startsWith('[host1]'));
  expect(ofHost.join('\n')).not.toContain(password);
});

test('a test mail goes to the admin who asks, and the settings are verified until they change', async () => {
  const { ask, inbox } = stack();
  const answer = await ask('POST', '/api/test-email', { as: 'ADMIN_TOKEN', body: {} });
  expect(answer).toMatchObject({ status: 200, json: { sent: true, delivery: { state: 'sent', kind: 'test' } } });
  expect(await inbox('adam@example.com')).toMatchObject([{ subject: 'Test of the mail settings' }]);
  expect((await read()).json.verified).toMatchObject({ by: 'adam@example.com' });
  await change((it) => {
    it.from.name = 'Files';
  });
  expect((await read()).json.verified).toBeNull();
});

test('a test mail that fails tells the phase, the reply and what to do', async () => {
  const { ask, variable } = stack();
  const reply = '550 5.1.1 <gone@example.com>: no such user here';
  const at = variable('SMTP_FAULTS_URL');
  await ask('PUT', '', { at, body: [{ at: 'rcpt', match: 'gone@', reply }] });
  const answer = await ask('POST', '/api/test-email', { as: 'ADMIN_TOKEN', body: { to: 'gone@example.com' } });
  await ask('DELETE', '', { at });
  expect(answer).toMatchObject({
    status: 200,
    json: { sent: false, phase: 'rcpt', delivery: { state: 'failed', attempts: [{ reply }] } },
  });
  expect(answer.json.remedy.doThis).not.toEqual([]);
  expect((await read()).json.verified).toBeNull();
});

test('the check of a draft names the stage that fails, with a remedy, and saves nothing', async () => {
  const before = await read();
  const { verified: _, ...draft } = before.json;
  const check = (smtp: object) =>
    stack().ask('POST', '/api/settings/check', {
      as: 'ADMIN_TOKEN',
      body: { ...draft, smtp: { ...draft.smtp, ...smtp } },
    });
  const good = await check({});
  expect(good.json).toMatchObject({ ok: true, skipped: [] });
  const stages = good.json.stages.map(({ stage, ok }: { stage: string; ok: boolean }) => [stage, ok]);
  expect(stages).toEqual(['dns', 'tcp', 'tls', 'auth', 'sender'].map((stage) => [stage, true]));

  const wrongPort = await check({ port: stack().base + 99 });
  expect(wrongPort.json).toMatchObject({ ok: false, skipped: ['tls', 'auth', 'sender'] });
  expect(wrongPort.json.stages.at(-1)).toMatchObject({ stage: 'tcp', ok: false, remedy: { key: expect.any(String) } });
  expect(wrongPort.json.stages.at(-1).remedy.doThis).not.toEqual([]);
  expect((await read()).headers.get('etag')).toBe(before.headers.get('etag'));
});
