import { expect, test } from 'vitest';
import { presets } from '../../lib/settings/presets.ts';
import { type Circumstances, refusals, refusalsOf, warnings, warningsOf } from '../../lib/settings/rules.ts';
import { type Settings, settingsSchema } from '../../lib/settings/schema.ts';
import { settingsWith } from '../helpers/settings.ts';

const calm: Circumstances = {
  now: Date.parse('2026-11-22T12:00:00Z'),
  commandFault: undefined,
  scheduleFault: undefined,
};
const guid = '11111111-2222-3333-4444-555555555555';

/** Settings that no rule has anything to say about. */
const good = (): Settings => {
  const settings = settingsSchema.parse({
    from: { address: 'files@example.com' },
    smtp: {
      host: 'mail.example.com',
      auth: { enabled: true, user: 'files@example.com', password: { set: true } },
    },
  });
  return settings;
};

const goodToken = (): Settings => {
  const settings = good();
  settings.smtp.auth.type = 'xoauth2';
  Object.assign(settings.smtp.auth.oauth, {
    tenantId: guid,
    clientId: guid,
    clientSecret: { set: true },
    clientSecretExpires: '2027-05-01',
    redirectUri: 'https://mail.example.com/api/getoauthtoken',
  });
  return settings;
};

const office365 = (): Settings => {
  const settings = goodToken();
  settings.smtp.host = 'smtp.office365.com';
  settings.limit.perMinute = 30;
  return settings;
};

/** For every row: settings that are right but for this one thing. */
const cases: Record<
  string,
  { from: () => Settings; set: Record<string, unknown>; circumstances?: Partial<Circumstances> }
> = {
  'from-missing': { from: good, set: { 'from.address': '' } },
  'host-missing': { from: good, set: { 'smtp.host': '' } },
  'user-missing': { from: good, set: { 'smtp.auth.user': '' } },
  'from-is-not-user': { from: goodToken, set: { 'from.address': 'other@example.com' } },
  'token-in-the-clear': { from: goodToken, set: { 'smtp.security': 'none' } },
  'tenant-missing': { from: goodToken, set: { 'smtp.auth.oauth.tenantId': '' } },
  'client-missing': { from: goodToken, set: { 'smtp.auth.oauth.clientId': '' } },
  'redirect-missing': { from: goodToken, set: { 'smtp.auth.oauth.redirectUri': '' } },
  'sendmail-not-found': {
    from: good,
    set: { type: 'sendmail' },
    circumstances: { commandFault: 'There is no /x on this machine.' },
  },
  'mail-not-found': {
    from: good,
    set: { type: 'mail' },
    circumstances: { commandFault: 'There is no sendmail command on this machine.' },
  },
  'reserve-too-large': {
    from: good,
    set: { 'limit.per24Hours': 10, 'limit.priorityReserve': 10 },
  },
  'retry-unreadable': {
    from: good,
    set: { 'delivery.retry': 'soon' },
    circumstances: { scheduleFault: '“soon” is not a wait' },
  },
  'port-is-for-ssl': { from: good, set: { 'smtp.port': 465 } },
  'port-is-for-tls': { from: good, set: { 'smtp.security': 'ssl' } },
  'port-25-blocked': { from: good, set: { 'smtp.port': 25 } },
  'password-in-the-clear': { from: good, set: { 'smtp.security': 'none' } },
  'password-missing': { from: good, set: { 'smtp.auth.password': { set: false } } },
  'client-secret-missing': {
    from: goodToken,
    set: { 'smtp.auth.oauth.clientSecret': { set: false } },
  },
  'client-secret-without-end': {
    from: goodToken,
    set: { 'smtp.auth.oauth.clientSecretExpires': '' },
  },
  'client-secret-expired': {
    from: goodToken,
    set: { 'smtp.auth.oauth.clientSecretExpires': '2026-11-21' },
  },
  'client-secret-ends-soon': {
    from: goodToken,
    set: { 'smtp.auth.oauth.clientSecretExpires': '2026-11-22' },
  },
  'redirect-not-ours': {
    from: goodToken,
    set: { 'smtp.auth.oauth.redirectUri': 'https://mail.example.com/callback' },
  },
  'office-365-basic': { from: office365, set: { 'smtp.auth.type': 'basic' } },
  'office-365-pace': { from: office365, set: { 'limit.perMinute': 31 } },
  'office-365-connections': { from: office365, set: { 'limit.connections': 4 } },
  'reserve-without-limit': { from: good, set: { 'limit.priorityReserve': 1 } },
  'reply-to-missing': { from: good, set: { 'replyTo.always': true } },
  'list-ignored': {
    from: good,
    set: { 'doNotEmail.ignoreForAny': true, 'doNotEmail.ignoreForAnyReason': 'the office burns' },
  },
  'list-ignored-without-reason': { from: good, set: { 'doNotEmail.ignoreForAny': true } },
  'list-ignored-no-more': {
    from: good,
    set: { 'doNotEmail.ignoreForAny': true, 'doNotEmail.ignoreForAnyUntil': '2020-01-01T00:00:00Z' },
  },
};

test('the settings that every case begins with are right', () => {
  for (const settings of [good(), goodToken(), office365()]) {
    expect(refusalsOf(settings, calm)).toEqual([]);
    expect(warningsOf(settings, calm)).toEqual([]);
  }
});

test('every rule has a case here, and an id of its own', () => {
  const ids = [...refusals, ...warnings].map(({ id }) => id);
  expect(Object.keys(cases)).toEqual(ids);
  expect(new Set(ids).size).toBe(ids.length);
});

const verdicts = (settings: Settings, circumstances: Circumstances) => ({
  refused: refusals.filter((rule) => rule.when(settings, circumstances)).map(({ id }) => id),
  warned: warningsOf(settings, circumstances).map(({ code }) => code),
});

test.each(refusals.map((rule) => [rule.id, rule] as const))('%s alone is refused, with words', (id, rule) => {
  const { from, set, circumstances } = cases[id]!;
  const settings = settingsWith(from(), set);
  const around = { ...calm, ...circumstances };
  expect(verdicts(settings, around).refused).toEqual([id]);
  const [fault] = refusalsOf(settings, around);
  expect(fault?.path).toBe(rule.path);
  expect(fault?.reason.length).toBeGreaterThan(15);
});

test.each(warnings.map((rule) => [rule.id, rule] as const))('%s alone is told, not refused', (id, rule) => {
  const { from, set } = cases[id]!;
  const settings = settingsWith(from(), set);
  expect(verdicts(settings, calm)).toEqual({ refused: [], warned: [id] });
  const [warning] = warningsOf(settings, calm);
  expect(warning?.path).toBe(rule.path);
  expect(warning?.reason.length).toBeGreaterThan(15);
});

test('every rule points at a field that exists', () => {
  for (const { path } of [...refusals, ...warnings]) {
    const found = path.split('.').reduce<unknown>((node, key) => (node as Record<string, unknown>)[key], good());
    expect(found, path).not.toBe(undefined);
  }
});

test('what is not in use is not judged', () => {
  const settings = good();
  settings.smtp.auth.enabled = false;
  settings.smtp.auth.user = '';
  expect(verdicts(settings, calm)).toEqual({ refused: [], warned: [] });
  settings.type = 'mail';
  settings.smtp.host = '';
  settings.smtp.port = 465;
  expect(verdicts(settings, calm)).toEqual({ refused: [], warned: [] });
});

test('with XOAUTH2 the From address may differ from the user where that user may send as others', () => {
  const settings = goodToken();
  settings.from.address = 'other@example.com';
  settings.smtp.auth.sendAs = true;
  expect(refusalsOf(settings, calm)).toEqual([]);
  settings.smtp.auth.sendAs = false;
  settings.from.address = 'FILES@example.com';
  expect(refusalsOf(settings, calm)).toEqual([]);
});

test('the application grant and a managed identity need neither redirect URI nor client secret', () => {
  const settings = goodToken();
  Object.assign(settings.smtp.auth.oauth, { grant: 'application', credential: 'managed-identity', redirectUri: '' });
  settings.smtp.auth.oauth.clientSecret = { set: false };
  expect(verdicts(settings, calm)).toEqual({ refused: [], warned: [] });
});

const merged = (base: object, over: object): Record<string, unknown> => ({
  ...base,
  ...Object.fromEntries(
    Object.entries(over).map(([key, value]) => {
      const under: unknown = base[key as keyof typeof base];
      const deep = typeof value === 'object' && typeof under === 'object' && under !== null;
      return [key, deep ? merged(under, value) : value];
    }),
  ),
});

test.each(
  presets.map((preset) => [preset.id, preset] as const),
)('the preset %s fits over good settings, and no rule complains about what it sets', (id, preset) => {
  const base = goodToken();
  const settings = settingsSchema.strict().parse(merged(base, preset.settings));
  expect(refusalsOf(settings, calm)).toEqual([]);
  // The plain relay in one's own network is the one for which port 25 is right.
  expect(warningsOf(settings, calm).map(({ code }) => code)).toEqual(id === 'local-relay' ? ['port-25-blocked'] : []);
});

test('the Office 365 preset has the values of the settings page and the pace of Exchange', () => {
  const preset = presets.find(({ id }) => id === 'office-365');
  expect(preset?.settings).toMatchObject({
    smtp: { host: 'smtp.office365.com', port: 587, security: 'tls' },
    limit: { perMinute: 30, connections: 3 },
  });
});
