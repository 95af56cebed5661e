import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { ensureCertificates } from '../../dev/certificates.ts';
import { localDirectory } from '../../dev/entra/directory.ts';
import { knownErrors } from '../../dev/entra/errors.ts';
import { type EntraOptions, startEntra } from '../../dev/entra/server.ts';
import { aadsts } from '../../lib/oauth/aadsts.ts';
import { signIn } from '../helpers/oauth.ts';

const back = 'https://postern.example.com/api/getoauthtoken';
const smtpSend = 'https://outlook.office.com/SMTP.Send';

const started = async (own: Partial<EntraOptions> = {}) => {
  const { cert, key } = await ensureCertificates(`${import.meta.dirname}/../../.dev/test-certs`);
  const entra = await startEntra({ cert, key, directory: localDirectory([back]), ...own });
  onTestFinished(() => entra.close());
  const { tenantId, registrations } = entra.directory;
  const clientId = registrations[0]!.clientId;
  const secret = registrations[0]!.secrets[0]!.value;
  const base = `${entra.url}/${tenantId}`;
  const authorize = (own: Record<string, string> = {}) =>
    `${base}/oauth2/v2.0/authorize?${new URLSearchParams({
      ...{ client_id: clientId, redirect_uri: back, response_type: 'code', state: 's', nonce: 'n' },
      ...{ scope: `${smtpSend} openid profile offline_access`, ...own },
    })}`;
  const token = async (form: Record<string, string>) => {
    const body = new URLSearchParams({ client_id: clientId, client_secret: secret, ...form });
    const answer = await fetch(`${base}/oauth2/v2.0/token`, { method: 'POST', body });
    return { status: answer.status, json: (await answer.json()) as Record<string, unknown> };
  };
  const granted = async (): Promise<Record<string, string>> => {
    const code = (await signIn(authorize(), { as: 'files@example.com' })).searchParams.get('code') ?? '';
    const { json } = await token({ grant_type: 'authorization_code', code, redirect_uri: back });
    return json as Record<string, string>;
  };
  return { entra, base, authorize, token, granted };
};

test('discovery names its own endpoints, and knows the tenant by id and by domain only', async () => {
  const { entra, base } = await started();
  const found = (await (await fetch(`${base}/v2.0/.well-known/openid-configuration`)).json()) as object;
  expect(found).toMatchObject({ issuer: `${base}/v2.0`, token_endpoint: `${base}/oauth2/v2.0/token` });
  const byDomain = await fetch(`${entra.url}/example.com/v2.0/.well-known/openid-configuration`);
  expect(byDomain.status).toBe(200);
  const unknown = await fetch(`${entra.url}/stranger.example/v2.0/.well-known/openid-configuration`);
  expect(await unknown.json()).toMatchObject({ error: 'invalid_tenant', error_codes: [90002] });
});

test('the page suggests the hinted account, and shows unknown redirect URIs an error instead of going there', async () => {
  const { authorize } = await started();
  const page = await (await fetch(authorize({ login_hint: 'bo@example.com' }))).text();
  expect(page).toMatch(/bo@example\.com[^<]*suggested/);
  const refused = await fetch(authorize({ redirect_uri: 'https://evil.example.net/' }), { redirect: 'manual' });
  expect(refused.status).toBe(400);
  expect(await refused.text()).toContain('AADSTS50011');
});

test('a code works once, and only with its verifier', async () => {
  const { authorize, token } = await started();
  const challenge = 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM'; // RFC 7636, appendix B
  const verifier = 'dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk';
  const url = authorize({ code_challenge: challenge, code_challenge_method: 'S256' });
  const code = (await signIn(url, { as: 'files@example.com' })).searchParams.get('code') ?? '';
  const form = { grant_type: 'authorization_code', code, redirect_uri: back };
  expect(await token({ ...form, code_verifier: 'wrong' })).toMatchObject({ json: { error_codes: [501481] } });
  expect(await token({ ...form, code_verifier: verifier })).toMatchObject({ status: 200 });
  expect(await token({ ...form, code_verifier: verifier })).toMatchObject({ json: { error_codes: [54005] } });
});

test('refresh tokens rotate, old ones stay good, unused ones die after 90 days, revoked ones at once', async () => {
  let now = Date.now();
  const { entra, granted, token } = await started({ now: () => now });
  const first = await granted();
  const renew = (refresh: unknown) =>
    token({ grant_type: 'refresh_token', refresh_token: String(refresh), scope: smtpSend });
  const second = await renew(first.refresh_token);
  expect(second.status).toBe(200);
  expect(await renew(first.refresh_token)).toMatchObject({ status: 200 });
  now += 91 * 86_400_000;
  expect(await renew(first.refresh_token)).toMatchObject({ status: 400, json: { error_codes: [700082] } });
  const fresh = await granted();
  entra.revoke('files@example.com');
  expect(await renew(fresh.refresh_token)).toMatchObject({ json: { error_codes: [50173], suberror: 'bad_token' } });
});

test('secrets: wrong, run out, none', async () => {
  const { entra, token } = await started();
  const form = { grant_type: 'client_credentials', scope: 'https://outlook.office365.com/.default' };
  expect(await token({ ...form, client_secret: 'no' })).toMatchObject({
    status: 401,
    json: { error_codes: [7000215] },
  });
  entra.directory.registrations[0]!.secrets[0]!.ends = Date.now();
  expect(await token(form)).toMatchObject({ status: 401, json: { error_codes: [7000222] } });
});

test('every code that Postern has a remedy for can be scripted, in Entra’s JSON shape', async () => {
  const { entra, token } = await started();
  for (const code of Object.keys(aadsts).map(Number)) {
    expect(knownErrors[code], String(code)).toBeDefined();
    entra.faults.set([{ at: 'token', code }]);
    const { json } = await token({ grant_type: 'refresh_token' });
    expect(Object.keys(json)).toEqual(
      expect.arrayContaining(['error', 'error_description', 'error_codes', 'timestamp', 'trace_id', 'correlation_id']),
    );
    expect(json.error_description).toMatch(
      new RegExp(`^AADSTS${code}: .+ Trace ID: .+ Correlation ID: .+ Timestamp: `),
    );
  }
});

test('faults, requests, switches and token checks are there for other processes', async () => {
  const { entra, token, granted } = await started();
  const api = (path: string, method = 'GET', body?: object) =>
    fetch(`${entra.url}/api/${path}`, { method, ...(body && { body: JSON.stringify(body) }) });
  await api('faults', 'PUT', [{ at: 'token', code: 90033, times: 1 }]);
  expect(await token({ grant_type: 'refresh_token' })).toMatchObject({ status: 503 });
  expect(await (await api('faults')).json()).toMatchObject([{ code: 90033, struck: 1 }]);
  await api('faults', 'DELETE');
  expect(await (await api('requests')).json()).toMatchObject([{ grant: 'refresh_token', status: 503 }]);
  const { access_token: access } = await granted();
  const check = async (user: string, given: string | undefined) =>
    (await (await api('check-token', 'POST', { user, token: given })).json()) as { answer: string };
  expect(await check('files@example.com', access)).toEqual({ answer: 'ok' });
  expect((await check('bo@example.com', access)).answer).toMatch(/^535 5\.7\.3 /);
  await api('switch', 'PUT', { is: 'off-for-tenant' });
  expect((await check('files@example.com', access)).answer).toMatch(/^535 5\.7\.139 .*disabled for the Tenant/);
});

test('Exchange takes a token of its own audience, unexpired, for the user who signed in', async () => {
  let now = Date.now();
  const { entra, granted, token } = await started({ now: () => now });
  const { access_token: access = '' } = await granted();
  expect(entra.checkToken('FILES@example.com', access)).toBe('ok');
  expect(entra.checkToken('files@example.com', `${access.slice(0, -2)}xx`)).toMatch(/^535 5\.7\.3 /);
  const graph = await token({ grant_type: 'client_credentials', scope: 'https://graph.microsoft.com/.default' });
  expect(entra.checkToken('files@example.com', String(graph.json.access_token))).toMatch(/^535 5\.7\.3 /);
  now += 3_600_000;
  expect(entra.checkToken('files@example.com', access)).toMatch(/^535 5\.7\.3 /);
});

test('tokens stay good over a restart', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'postern-entra-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  const stateFile = join(folder, 'key');
  const { access_token: access = '' } = await (await started({ stateFile })).granted();
  const { entra } = await started({ stateFile });
  expect(entra.checkToken('files@example.com', access)).toBe('ok');
});
