import { expect, test } from 'vitest';
import { smokeTest } from '../../infra/hooks/smoke.ts';

const url = 'https://mail.example.com';

/** An app by what it answers: path → status, and the forged header's answer apart. */
const appThat = (answers: Record<string, number>, forged = 401): typeof fetch =>
  (async (input: string, init: RequestInit) => {
    const path = String(input).slice(url.length);
    const principal = new Headers(init.headers).get('x-ms-client-principal');
    if (path === '/.auth/login/aad' && answers[path] === 302) {
      const location = 'https://login.microsoftonline.com/t/oauth2/v2.0/authorize';
      return new Response(null, { status: 302, headers: { location } });
    }
    return new Response(null, { status: principal ? forged : (answers[path] ?? 404) });
  }) as typeof fetch;

const well = { '/api/health': 200, '/api/settings': 401, '/.auth/login/aad': 302 };
const once = { wait: async () => undefined, tries: 1 };

test('an app that works and is closed passes', async () => {
  expect(await smokeTest(url, { fetch: appThat(well), ...once })).toEqual([]);
});

test.each([
  ['no functions', appThat({ ...well, '/api/health': 404 }), 'No function answers'],
  ['an open route', appThat({ ...well, '/api/settings': 200 }), 'A closed route answered'],
  ['a believed forged principal', appThat(well, 200), 'Anybody can be administrator'],
  ['no sign-in', appThat({ ...well, '/.auth/login/aad': 404 }), 'Easy Auth does not lead to Entra'],
])('an app with %s fails, and says so', async (_, fetch, sentence) => {
  const faults = await smokeTest(url, { fetch, ...once });
  expect(faults).toHaveLength(1);
  expect(faults[0]).toContain(sentence);
});

test('an app that needs a while to start is asked again, and an unreachable one is named', async () => {
  let asked = 0;
  const starting = (async (input: string, init: RequestInit) => {
    if (asked++ < 4) throw new Error('connect ECONNREFUSED');
    return appThat(well)(input, init);
  }) as typeof fetch;
  let waits = 0;
  const wait = async () => void waits++;
  expect(await smokeTest(url, { fetch: starting, wait, tries: 3 })).toEqual([]);
  expect(waits).toBe(1);

  const dead = (async () => {
    throw new Error('connect ECONNREFUSED');
  }) as unknown as typeof fetch;
  expect((await smokeTest(url, { fetch: dead, ...once })).join()).toContain('ECONNREFUSED');
});
