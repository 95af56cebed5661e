import { expect, test } from 'vitest';
import { days, minutes } from '../../lib/clock.ts';
import { essential, hasRefreshToken } from '../../lib/oauth/cache.ts';
import { dueWarning } from '../../lib/oauth/clocks.ts';
import { clouds } from '../../lib/oauth/clouds.ts';
import { nextSetback, type Setback } from '../../lib/oauth/setback.ts';
import { type Happening, withHappening } from '../../lib/oauth/state.ts';
import { sealOfUse } from '../../lib/oauth/use.ts';
import { presets } from '../../lib/settings/presets.ts';
import { clouds as cloudNames, defaultSettings, settingsSchema } from '../../lib/settings/schema.ts';
import { settingsWith } from '../helpers/settings.ts';

test('trap 25: where secrets go is a table of Microsoft’s hosts, and a tenant is never a piece of address', () => {
  expect(Object.keys(clouds).sort()).toEqual([...cloudNames].sort());
  for (const { authority } of Object.values(clouds)) {
    expect(authority).toMatch(/^https:\/\/login\.(microsoftonline\.(com|us)|partner\.microsoftonline\.cn)$/);
  }
  for (const tenant of [
    'evil.example/x',
    'a@evil.example',
    '../common',
    'evil.example?x=',
    'evil.example#',
    'common',
  ]) {
    const oauth = { tenantId: tenant };
    expect(settingsSchema.safeParse({ smtp: { auth: { oauth } } }).success, tenant).toBe(false);
  }
  expect(settingsSchema.safeParse({ smtp: { auth: { oauth: { cloud: 'https://evil.example' } } } }).success).toBe(
    false,
  );
});

test('each cloud’s SMTP host is the one that its preset fills in', () => {
  for (const { settings } of presets) {
    const cloud = settings.smtp?.auth?.oauth?.cloud;
    if (cloud === undefined || settings.smtp?.host?.startsWith('smtp-mail.')) continue;
    expect(settings.smtp?.host).toBe(clouds[cloud].smtpHost);
  }
});

test('trap 20: a changed server, port, user, cloud, tenant, client or grant is another use', () => {
  const seal = sealOfUse(defaultSettings);
  for (const [path, value] of Object.entries({
    'smtp.host': 'other.example.com',
    'smtp.port': 2525,
    'smtp.auth.user': 'bo@example.com',
    'smtp.auth.oauth.cloud': 'china',
    'smtp.auth.oauth.tenantId': 'example.com',
    'smtp.auth.oauth.clientId': '0a1b2c3d-0000-4000-8000-0000000000c1',
    'smtp.auth.oauth.grant': 'application',
  })) {
    expect(sealOfUse(settingsWith(defaultSettings, { [path]: value })), path).not.toBe(seal);
  }
  expect(sealOfUse(settingsWith(defaultSettings, { 'from.name': 'Other', 'limit.per24Hours': 7 }))).toBe(seal);
});

test('an end is told at 30, 7 and 1 days, once each, and anew when it moves', () => {
  const ends = days(100);
  const at = (left: number, told?: number) =>
    dueWarning(ends, told ? { ends, days: told } : undefined, ends - days(left));
  expect(at(31)).toBeUndefined();
  expect(at(30)).toBe(30);
  expect(at(29, 30)).toBeUndefined();
  expect(at(7, 30)).toBe(7);
  expect(at(1, 7)).toBe(1);
  expect(at(-3, 1)).toBeUndefined();
  expect(at(5), 'the timer was off for a while').toBe(7);
  expect(dueWarning(ends, { ends: days(50), days: 1 }, ends - days(20))).toBe(30);
});

test('of MSAL’s cache only what renews is kept', () => {
  const cache = {
    Account: { a: {} },
    IdToken: { i: {} },
    AccessToken: { t: {} },
    RefreshToken: { r: {} },
    AppMetadata: {},
  };
  expect(JSON.parse(essential(JSON.stringify(cache)))).toEqual({
    Account: { a: {} },
    RefreshToken: { r: {} },
    AppMetadata: {},
  });
  expect(hasRefreshToken(JSON.stringify(cache))).toBe(true);
  expect(hasRefreshToken('{}')).toBe(false);
});

test('Entra is left alone longer after each failure, as long as it asks, and five minutes where it saw a loop', () => {
  const fault = { class: 'connection', phase: 'token', kind: 'temporary', rule: 'x', reply: 'x' } as const;
  let last: Setback | undefined;
  const waits = Array.from({ length: 8 }, () => {
    last = nextSetback(last, fault, { now: 0 });
    return last.until / 1000;
  });
  expect(waits).toEqual([5, 15, 30, 60, 120, 300, 300, 300]);
  expect(nextSetback(undefined, fault, { now: 0, retryAfter: 90 }).until).toBe(90_000);
  expect(nextSetback(undefined, fault, { now: 0, retryAfter: 1e9 }).until).toBe(minutes(60));
  expect(nextSetback(undefined, { ...fault, remedy: 'too-many-requests' }, { now: 0 }).until).toBe(minutes(5));
});

test('a history of long refusals still fits the one property that it is kept in', () => {
  let history: Happening[] = [];
  for (let at = 0; at < 80; at++) {
    history = withHappening({ history }, { at, what: at % 2 ? 'mended' : 'broken', detail: '"AADSTS" '.repeat(111) });
  }
  expect(history).toHaveLength(50);
  expect(history[0]).toMatchObject({ at: 79 });
  expect(JSON.stringify(history).length).toBeLessThan(24_000);
});
