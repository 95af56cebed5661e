import { expect, test } from 'vitest';
import { PosternError } from '../../lib/errors.ts';
import { describeSettings, settingsTable } from '../../lib/settings/describe.ts';
import { readDraft } from '../../lib/settings/draft.ts';
import { checkPrecondition } from '../../lib/settings/etag.ts';
import { defaultSettings } from '../../lib/settings/schema.ts';
import { sealOf } from '../../lib/settings/seal.ts';
import { settingsWith } from '../helpers/settings.ts';

const refused = (document: unknown): PosternError => {
  try {
    readDraft(document);
  } catch (error) {
    if (error instanceof PosternError) return error;
    throw error;
  }
  throw new Error('it was taken');
};
const faultsOf = (document: unknown) =>
  Object.fromEntries(refused(document).faults.map(({ path, reason }) => [path, reason]));

test('an empty document means the defaults', () => {
  expect(readDraft({}).settings).toEqual(defaultSettings);
});

test('unknown fields are refused with their paths, so that a misspelt one does not vanish', () => {
  const faults = faultsOf({ smpt: {}, smtp: { hots: 'x', auth: { oauth: { tenant: 'y' } } } });
  expect(Object.keys(faults).sort()).toEqual(['smpt', 'smtp.auth.oauth.tenant', 'smtp.hots']);
});

test('what an answer has beside the settings may be sent back', () => {
  const answer = { ...defaultSettings, verified: { at: 'x', by: 'y' }, warnings: [], dropped: [] };
  expect(readDraft(answer).settings).toEqual(defaultSettings);
});

test.each([
  ['smtp.port', { smtp: { port: 0 } }],
  ['smtp.port', { smtp: { port: '587' } }],
  ['smtp.port', { smtp: { port: 587.5 } }],
  ['smtp.host', { smtp: { host: 'https://mail.example.com' } }],
  ['smtp.host', { smtp: { host: 'mail.example.com:25' } }],
  ['smtp.host', { smtp: { host: 'a b' } }],
  ['smtp.security', { smtp: { security: 'starttls' } }],
  ['type', { type: 'pigeon' }],
  ['from.address', { from: { address: 'a@b.example, c@d.example' } }],
  ['from.address', { from: { address: 'a@b.example\r\nBcc: c@d.example' } }],
  ['from.name', { from: { name: 'Files\r\nBcc: c@d.example' } }],
  ['from.always', { from: { always: 'yes' } }],
  ['smtp.auth.user', { smtp: { auth: { user: 'a\u0000b' } } }],
  ['smtp.auth.oauth.tenantId', { smtp: { auth: { oauth: { tenantId: 'common' } } } }],
  ['smtp.auth.oauth.tenantId', { smtp: { auth: { oauth: { tenantId: 'contoso.com/../evil.example' } } } }],
  ['smtp.auth.oauth.tenantId', { smtp: { auth: { oauth: { tenantId: 'evil.example?x=' } } } }],
  ['smtp.auth.oauth.clientId', { smtp: { auth: { oauth: { clientId: 'my app' } } } }],
  ['smtp.auth.oauth.cloud', { smtp: { auth: { oauth: { cloud: 'https://login.evil.example' } } } }],
  ['smtp.auth.oauth.redirectUri', { smtp: { auth: { oauth: { redirectUri: 'http://mail.example.com/x' } } } }],
  ['smtp.auth.oauth.redirectUri', { smtp: { auth: { oauth: { redirectUri: 'javascript:alert(1)' } } } }],
  ['smtp.auth.oauth.clientSecretExpires', { smtp: { auth: { oauth: { clientSecretExpires: '2027-02-30' } } } }],
  ['limit.per24Hours', { limit: { per24Hours: -1 } }],
  ['limit.connections', { limit: { connections: 0 } }],
  ['delivery.retentionDays', { delivery: { retentionDays: 0 } }],
  ['', 'settings'],
  ['', []],
  ['', null],
])('%s of %j is refused with its path and a sentence', (path, document) => {
  const faults = faultsOf(document);
  expect(Object.keys(faults)).toEqual([path]);
  expect(faults[path]!.length).toBeGreaterThan(8);
});

test.each([
  { smtp: { host: 'MAIL.Example.com' } },
  { smtp: { host: '192.0.2.1' } },
  { smtp: { host: '2001:db8::1' } },
  { smtp: { host: 'mail_relay' } },
  { smtp: { auth: { oauth: { tenantId: 'contoso.onmicrosoft.com' } } } },
  { smtp: { auth: { oauth: { redirectUri: 'http://localhost:7071/api/getoauthtoken' } } } },
])('%j is taken', (document) => {
  expect(() => readDraft(document)).not.toThrow();
});

test.each(['****', '*', '••••••••', '●●●●'])('a mask is not saved as a password: %s', (mask) => {
  const reason = 'is a mask, not a secret; leave it out to keep the stored one, or give the secret itself';
  expect(faultsOf({ smtp: { auth: { password: mask, oauth: { clientSecret: mask } } } })).toEqual({
    'smtp.auth.password': reason,
    'smtp.auth.oauth.clientSecret': reason,
  });
});

test('law 6: a refusal never quotes what stands in the place of a secret', () => {
  for (const password of [{ value: 'hunter2' }, ['hunter2'], `hunter2${'x'.repeat(5000)}`]) {
    const error = refused({ smtp: { auth: { password } }, type: 'hunter2' });
    expect(`${error.message}${JSON.stringify(error.faults)}`).not.toContain('hunter2');
  }
});

test('a secret is wished for by text, removed by null or an empty text, and otherwise kept', () => {
  const wish = (password: unknown) => readDraft({ smtp: { auth: { password } } }).wishes['smtp-password'];
  expect(wish('pa*ss')).toEqual({ is: 'set', value: 'pa*ss' });
  expect(wish(null)).toEqual({ is: 'remove' });
  expect(wish('')).toEqual({ is: 'remove' });
  expect(wish(undefined)).toEqual({ is: 'keep' });
  expect(wish({ set: true, since: '2026-11-22T12:00:00.000Z' })).toEqual({ is: 'keep', stored: true });
});

test('a seal stands for the destination and nothing else', () => {
  const base = readDraft({ smtp: { host: 'a.example', auth: { user: 'u' } } }).settings;
  const server = [
    settingsWith(base, { 'smtp.host': 'b.example' }),
    settingsWith(base, { 'smtp.port': 25 }),
    settingsWith(base, { 'smtp.auth.user': 'v' }),
  ];
  const client = [
    settingsWith(base, { 'smtp.auth.oauth.tenantId': 'b.example' }),
    settingsWith(base, { 'smtp.auth.oauth.clientId': 'b' }),
    settingsWith(base, { 'smtp.auth.oauth.cloud': 'dod' }),
  ];
  for (const other of server) expect(sealOf('smtp-password', other)).not.toBe(sealOf('smtp-password', base));
  for (const other of client) expect(sealOf('smtp-password', other)).toBe(sealOf('smtp-password', base));
  for (const other of [...server, ...client]) {
    expect(sealOf('oauth-client-secret', other)).not.toBe(sealOf('oauth-client-secret', base));
  }
  const name = settingsWith(base, { 'from.name': 'Files' });
  expect(sealOf('oauth-client-secret', name)).toBe(sealOf('oauth-client-secret', base));
});

test.each([
  ['"3"', null, 3, undefined],
  ['W/"3"', null, 3, undefined],
  ['"1", "3"', null, 3, undefined],
  ['*', null, 3, undefined],
  ['"0"', null, 0, undefined],
  ['"2"', null, 3, 'precondition-failed'],
  ['3', null, 3, 'invalid-request'],
  ['"1", 3', null, 3, 'invalid-request'],
  ['"of another document"', null, 3, 'precondition-failed'],
  [null, '*', 0, undefined],
  [null, '*', 1, 'precondition-failed'],
  [null, null, 0, 'precondition-required'],
  ['', '', 3, 'precondition-required'],
])('If-Match %s, If-None-Match %s at revision %i: %s', (ifMatch, ifNoneMatch, revision, code) => {
  let thrown: unknown;
  try {
    checkPrecondition(revision, { ifMatch, ifNoneMatch });
  } catch (error) {
    thrown = error;
  }
  expect((thrown as PosternError | undefined)?.code).toBe(code);
});

test('an ETag without its quotes is told of the quotes, not of a change by somebody else', () => {
  expect(() => checkPrecondition(3, { ifMatch: '3' })).toThrow(/in its quotes/);
});

test('every setting is described for the page and the README, once', () => {
  const leaves = (value: object, path: string): string[] =>
    Object.entries(value).flatMap(([key, inner]) =>
      typeof inner === 'object' && !('set' in inner) ? leaves(inner, `${path}${key}.`) : [`${path}${key}`],
    );
  const fields = describeSettings();
  expect(fields.map(({ path }) => path)).toEqual(leaves(defaultSettings, ''));
  for (const field of fields) {
    expect(field.title, field.path).toMatch(/\S/);
    expect(field.description, field.path).toMatch(/\.$/);
  }
  expect(fields.filter(({ type }) => type === 'secret').map(({ path }) => path)).toEqual([
    'smtp.auth.password',
    'smtp.auth.oauth.clientSecret',
  ]);
  expect(fields.find(({ path }) => path === 'smtp.port')).toMatchObject({ type: 'number', default: 587, min: 1 });
  expect(settingsTable().split('\n')).toHaveLength(fields.length + 2);
});

test('only a master admin may change OAuth fields and secrets', () => {
  const reserved = describeSettings().filter(({ role }) => role === 'MasterAdmin');
  const oauth = describeSettings().filter(({ path }) => path.startsWith('smtp.auth.oauth.'));
  expect(reserved.map(({ path }) => path).sort()).toEqual(
    ['smtp.auth.password', ...oauth.map(({ path }) => path)].sort(),
  );
});
