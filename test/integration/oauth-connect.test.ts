import { expect, test } from 'vitest';
import { minutes } from '../../lib/clock.ts';
import { remedies } from '../../lib/relay/remedies.ts';
import { ask, principalHeader } from '../helpers/http.ts';
import { oauthStack, signIn } from '../helpers/oauth.ts';
import { assertClosed, assertRegistrable } from '../helpers/routes.ts';

const account = 'files@example.com';

test('law 8: every route is closed, and a promoted admin is told why', async () => {
  const { first } = await oauthStack();
  const routes = first.routes.filter(({ path }) => path.includes('oauth'));
  expect(routes).toHaveLength(4);
  await assertClosed(routes, []);
  assertRegistrable(routes);
  const route = routes.find(({ name }) => name === 'generateToken')!;
  const refused = await ask(route, { path: '/api/oauth/token', as: ['Admin'] });
  expect(refused).toMatchObject({ status: 403, json: { code: 'not-allowed' } });
  expect((refused.json as { detail: string }).detail).toContain('Mail.MasterAdmin');
});

test('another site cannot press the button', async () => {
  const stack = await oauthStack();
  await stack.save();
  const headers = { origin: 'https://evil.example.net', 'sec-fetch-site': 'cross-site' };
  const answer = await stack.first.ask('generateToken', { path: '/api/oauth/token', headers });
  expect(answer).toMatchObject({ status: 403, json: { code: 'cross-site' } });
});

test('settings that are not ready are refused with what is missing', async () => {
  const stack = await oauthStack();
  await stack.save({ from: { address: account }, smtp: { host: 'localhost', port: 25, security: 'none' } });
  const press = () => stack.first.ask('generateToken', { path: '/api/oauth/token' });
  expect(await press()).toMatchObject({ status: 409, json: { code: 'illegal-state' } });
  await stack.save(stack.draft({ oauth: { clientSecret: undefined } }));
  expect(await press()).toMatchObject({
    status: 409,
    json: { faults: [{ path: 'smtp.auth.oauth.clientSecret', reason: 'is not set' }] },
  });
});

test.each([
  [
    'a wrong client secret',
    { code: 7000215 },
    { status: 409, code: 'entra-refused', detail: 'The client secret is wrong.', remedy: 'secret-wrong' },
    /^invalid_client: AADSTS7000215: Invalid client secret provided\./,
  ],
  [
    'Entra being away',
    { status: 503 },
    { status: 503, code: 'unavailable', detail: 'Entra is not available.', remedy: 'entra-busy' },
    /^temporarily_unavailable: Entra answered 503/,
  ],
] as const)('the application grant: %s is told in one sentence, with what was said and what helps', async (_, fault, told, reply) => {
  const stack = await oauthStack();
  await stack.save(stack.draft({ oauth: { grant: 'application' } }));
  stack.entra.faults.set([{ at: 'token', ...fault }]);
  const answer = await stack.first.ask('generateToken', { path: '/api/oauth/token' });
  const { status, code, detail, remedy } = told;
  expect(answer).toMatchObject({ status, json: { status, code, detail, reply: expect.stringMatching(reply) } });
  expect(answer.json).toMatchObject({ remedy: { key: remedy, doThis: [...remedies[remedy].doThis] } });
});

test('a state works once: the second callback of it is refused and changes nothing', async () => {
  const stack = await oauthStack();
  await stack.save();
  const back = await signIn(await stack.generate(), { as: account });
  expect(await stack.callback(back)).toMatchObject({ status: 200, json: { result: '1', account } });
  const asked = stack.entra.requests.length;
  expect(await stack.callback(back)).toMatchObject({ status: 400, json: { result: '0', code: 'state-unknown' } });
  expect(stack.entra.requests).toHaveLength(asked);
  expect(await stack.first.send()).toMatchObject({ class: 'accepted' });
});

test('of two callbacks at once one wins', async () => {
  const stack = await oauthStack();
  await stack.save();
  const back = await signIn(await stack.generate(), { as: account });
  const answers = await Promise.all([stack.callback(back), stack.callback(back)]);
  expect(answers.map(({ status }) => status).sort()).toEqual([200, 400]);
});

test('a state that nobody here made, or none, is refused', async () => {
  const stack = await oauthStack();
  await stack.save();
  const back = await signIn(await stack.generate(), { as: account });
  back.searchParams.set('state', 'forged');
  expect(await stack.callback(back)).toMatchObject({ status: 400, json: { code: 'state-unknown' } });
  back.searchParams.delete('state');
  expect(await stack.callback(back)).toMatchObject({ status: 400, json: { code: 'state-missing' } });
  expect(stack.entra.requests).toEqual([]);
});

test('only the master admin who began may finish, and nobody else can spoil it', async () => {
  const stack = await oauthStack();
  await stack.save();
  const back = await signIn(await stack.generate(), { as: account });
  const who = { id: 'master-2', name: 'other@example.com' };
  expect(await stack.callback(back, { who })).toMatchObject({ status: 403, json: { code: 'other-admin' } });
  expect(await stack.callback(back)).toMatchObject({ status: 200 });
});

test('the callback without the session of a master admin answers nothing but 401 and 403', async () => {
  const stack = await oauthStack();
  await stack.save();
  const back = await signIn(await stack.generate(), { as: account });
  const route = stack.first.routes.find(({ name }) => name === 'getOAuthToken')!;
  const path = `${back.pathname}${back.search}`;
  expect(await ask(route, { path })).toMatchObject({ status: 401 });
  expect(await ask(route, { path, headers: { 'x-ms-client-principal': principalHeader(['Admin']) } })).toMatchObject({
    status: 403,
  });
  expect(await stack.callback(back)).toMatchObject({ status: 200 });
});

test('a sign-in that takes longer than ten minutes is refused', async () => {
  const stack = await oauthStack();
  await stack.save();
  const back = await signIn(await stack.generate(), { as: account });
  stack.clock.pass(minutes(10));
  expect(await stack.callback(back)).toMatchObject({ status: 400, json: { code: 'state-expired' } });
});

test('settings that change during the sign-in are not given its token', async () => {
  const stack = await oauthStack();
  await stack.save();
  const back = await signIn(await stack.generate(), { as: account });
  await stack.save(stack.draft({ smtp: { host: '127.0.0.1' } }));
  expect(await stack.callback(back)).toMatchObject({ status: 400, json: { code: 'settings-changed' } });
  expect(stack.entra.requests).toEqual([]);
});

test('trap 24: a declined consent is not "done" but a refusal with its remedy', async () => {
  const stack = await oauthStack();
  await stack.save();
  const answer = await stack.callback(await signIn(await stack.generate(), 'decline'), { accept: '*/*' });
  expect(answer.status).toBe(400);
  expect(answer.body).toContain('<result>0</result>');
  expect(answer.body).toContain('AADSTS65004');
  expect(answer.body).toContain('<title>The consent was declined</title>');
});

test('what Entra says in the address cannot become markup', async () => {
  const stack = await oauthStack();
  await stack.save();
  const back = await signIn(await stack.generate(), 'decline');
  back.searchParams.set('error_description', 'AADSTS1: <script>alert(1)</script>\u0000');
  const answer = await stack.callback(back, { accept: 'text/html' });
  expect(answer.body).not.toContain('<script>');
  expect(answer.headers['content-security-policy']).toContain("default-src 'none'");
});

test('the wrong account is refused with words, and the connection from before stays', async () => {
  const stack = await oauthStack();
  await stack.save();
  await stack.connect();
  const answer = await stack.connect('admin@example.com');
  expect(answer).toMatchObject({ status: 409, json: { result: '0', code: 'wrong-account' } });
  expect((answer.json as { message: string }).message).toContain('admin@example.com signed in');
  expect(await stack.first.send()).toMatchObject({ class: 'accepted' });
});

test('an account of another tenant is refused', async () => {
  const stack = await oauthStack();
  stack.directory.accounts[0]!.tenantId = '0a1b2c3d-0000-4000-8000-00000000ffff';
  await stack.save();
  expect(await stack.connect()).toMatchObject({ status: 409, json: { code: 'wrong-tenant' } });
});

test('a tenant may be named by its domain', async () => {
  const stack = await oauthStack();
  await stack.save(stack.draft({ oauth: { tenantId: 'example.com' } }));
  expect(await stack.connect()).toMatchObject({ status: 200 });
  stack.clock.pass(minutes(120));
  expect(await stack.first.send()).toMatchObject({ class: 'accepted' });
});

test('the account’s name may differ in case', async () => {
  const stack = await oauthStack();
  await stack.save(stack.draft({ auth: { user: 'Files@Example.com' } }));
  expect(await stack.connect()).toMatchObject({ status: 200 });
  expect(await stack.first.send()).toMatchObject({ class: 'accepted' });
});

test('a vault that takes nothing: the admin is told, and the connection from before stays', async () => {
  const stack = await oauthStack();
  await stack.save();
  await stack.connect();
  stack.vault.faults.set([{ op: 'set', status: 403 }]);
  expect(await stack.connect()).toMatchObject({ status: 503, json: { code: 'vault-unavailable' } });
  stack.clock.pass(minutes(120));
  stack.vault.faults.clear();
  expect(await stack.first.send()).toMatchObject({ class: 'accepted' });
});

test.each([
  ['the code was redeemed before', 54005, 'The sign-in was not finished as it was begun'],
  ['PKCE does not match', 501481, 'The sign-in was not finished as it was begun'],
  ['wrong client secret', 7000215, 'The client secret is wrong'],
  ['no consent', 65001, 'Nobody has agreed that the application may send mail'],
])('%s: the callback shows the remedy', async (_, code, title) => {
  const stack = await oauthStack();
  await stack.save();
  stack.entra.faults.set([{ at: 'token', code }]);
  expect(await stack.connect()).toMatchObject({ status: 400, json: { result: '0', remedy: { title } } });
});

test('Entra cannot be reached: the button says so, and that it passes', async () => {
  const stack = await oauthStack();
  await stack.save();
  stack.entra.faults.set([{ at: 'discovery', drop: true }]);
  const answer = await stack.first.ask('generateToken', { path: '/api/oauth/token' });
  expect(answer).toMatchObject({ status: 503, json: { code: 'unavailable' } });
});

test('the application grant needs no sign-in: the button gets a token at once', async () => {
  const stack = await oauthStack();
  await stack.save(stack.draft({ oauth: { grant: 'application' } }));
  const answer = await stack.first.ask('generateToken', { path: '/api/oauth/token' });
  expect(answer).toMatchObject({ status: 200, json: { authorizationUrl: null, token: { state: 'connected' } } });
  expect(stack.entra.requests).toMatchObject([
    { grant: 'client_credentials', scope: expect.stringContaining('https://outlook.office365.com/.default') },
  ]);
  expect(await stack.first.send()).toMatchObject({ class: 'accepted' });
});

test('disconnecting the application grant ends it for every host, until a token is generated again', async () => {
  const stack = await oauthStack();
  const { first, clock } = stack;
  await stack.save(stack.draft({ oauth: { grant: 'application' } }));
  await first.ask('generateToken', { path: '/api/oauth/token' });
  const other = stack.start();
  expect(await other.send()).toMatchObject({ class: 'accepted' });
  const answer = await first.ask('disconnectToken', { path: '/api/oauth/token' });
  expect(answer).toMatchObject({ status: 200, json: { token: { state: 'not-connected', account: null } } });
  clock.pass(minutes(1));
  for (const host of [first, other]) expect(await host.send()).toMatchObject({ class: 'auth', rule: 'not-connected' });
  await first.ask('generateToken', { path: '/api/oauth/token' });
  expect(await first.send()).toMatchObject({ class: 'accepted' });
});

test('the application grant for a mailbox that it has no right on: Exchange refuses, and the remedy says so', async () => {
  const stack = await oauthStack();
  stack.directory.registrations[0]!.mailboxes = [];
  await stack.save(stack.draft({ oauth: { grant: 'application' } }));
  expect(await stack.first.send()).toMatchObject({ class: 'auth', code: 535, remedy: expect.any(String) });
});

test.each(['delegated', 'application'] as const)('a managed identity stands for the secret: %s', async (grant) => {
  const stack = await oauthStack();
  await stack.save(stack.draft({ oauth: { grant, credential: 'managed-identity', clientSecret: undefined } }));
  if (grant === 'delegated') expect(await stack.connect()).toMatchObject({ status: 200 });
  stack.clock.pass(minutes(120));
  expect(await stack.first.send()).toMatchObject({ class: 'accepted' });
  expect(stack.entra.requests.every(({ by }) => by === 'client_assertion')).toBe(true);
  expect(stack.identity.requests[0]).toMatchObject({ resource: 'api://AzureADTokenExchange' });
});

test('a federated credential that does not fit is a fault with its remedy', async () => {
  const stack = await oauthStack();
  stack.directory.registrations[0]!.federated = ['another-identity'];
  await stack.save(
    stack.draft({ oauth: { grant: 'application', credential: 'managed-identity', clientSecret: undefined } }),
  );
  expect(await stack.first.send()).toMatchObject({ class: 'auth', remedy: 'federated-credential' });
});

const codesOf = ({ json }: { json: unknown }) =>
  (json as { warnings: { code: string }[] }).warnings.map((it) => it.code);

test('settings warn while no token was generated for them, after a save and whenever they are read', async () => {
  const stack = await oauthStack();
  const read = () => stack.first.ask('getSettings', { path: '/api/settings' });
  const dated = (own: { smtp?: object; oauth?: object } = {}) =>
    stack.draft({ ...own, oauth: { clientSecretExpires: '2099-01-01', ...own.oauth } });
  const pace = { limit: { perMinute: 30 } };
  const saved = await stack.save({ ...dated(), ...pace });
  expect(saved.json).toMatchObject({
    warnings: [{ path: 'smtp.auth.oauth', code: 'token-missing', reason: expect.stringMatching(/mail waits until/) }],
  });
  expect(codesOf(await read())).toEqual(['token-missing']);
  await stack.connect();
  expect(codesOf(await read())).toEqual([]);
  expect(codesOf(await stack.save({ ...dated(), ...pace }))).toEqual([]);
  // The account was connected for another server.
  expect(codesOf(await stack.save({ ...dated({ smtp: { host: '127.0.0.1' } }), ...pace }))).toEqual(['token-missing']);
});

test('the application grant fetches its token by itself: it warns only where an admin disconnected it', async () => {
  const stack = await oauthStack();
  const application = stack.draft({ oauth: { grant: 'application', clientSecretExpires: '2099-01-01' } });
  expect(codesOf(await stack.save(application))).toEqual([]);
  await stack.first.ask('disconnectToken', { path: '/api/oauth/token' });
  expect(codesOf(await stack.first.ask('getSettings', { path: '/api/settings' }))).toEqual(['token-missing']);
});

test('a save is a save although nobody can look up the token: it says so', async () => {
  const stack = await oauthStack();
  await stack.save();
  stack.azure.table('oauth').pipeline.addPolicy({
    name: 'down',
    sendRequest: () => Promise.reject(new Error('the table does not answer')),
  });
  const saved = await stack.save(stack.draft({ oauth: { clientSecretExpires: '2099-01-01' } }));
  expect(codesOf(saved)).toEqual(['token-unknown']);
});
