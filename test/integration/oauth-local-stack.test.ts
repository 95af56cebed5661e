import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { getCACertificates, setDefaultCACertificates } from 'node:tls';
import { beforeAll, expect, test, vi } from 'vitest';
import { localDirectory } from '../../dev/entra/directory.ts';
import { portTable } from '../../dev/start/ports.ts';
import { bundledStack } from '../helpers/bundled-stack.ts';
import { signIn } from '../helpers/oauth.ts';

const stackOf = bundledStack({ POSTERN_HOSTS: '2' });
beforeAll(() => {
  const ca = readFileSync(stackOf().variable('NODE_EXTRA_CA_CERTS'), 'utf8');
  setDefaultCACertificates([...getCACertificates('default'), ca]);
});

const as = 'MASTER_ADMIN_TOKEN';

const fillIn = async () => {
  const { tenantId, registrations } = localDirectory([]);
  const [registration] = registrations;
  const answer = await stackOf().ask('PUT', '/api/settings', {
    as,
    headers: { 'if-match': '*' },
    body: {
      from: { address: 'files@example.com', name: 'Files' },
      smtp: {
        ...{ host: 'localhost', port: stackOf().base + portTable.exchange.offset, security: 'tls' },
        auth: {
          ...{ enabled: true, type: 'xoauth2', user: 'files@example.com' },
          oauth: {
            ...{ tenantId, clientId: registration?.clientId, clientSecret: registration?.secrets[0]?.value },
            redirectUri: `${stackOf().variable('POSTERN_URL')}/api/getoauthtoken`,
          },
        },
      },
    },
  });
  expect(answer, JSON.stringify(answer.json)).toMatchObject({ status: 200 });
};

const generate = async () => {
  const { json } = await stackOf().ask('POST', '/api/oauth/token', { as });
  const back = await signIn(json.authorizationUrl, { as: 'files@example.com' });
  return stackOf().ask('GET', `${back.pathname}${back.search}`, { as, headers: { accept: 'text/html' } });
};

const mailTo = async (address: string) => {
  const answer = await stackOf().ask('POST', '/api/messages', {
    as: 'SERVICE_TOKEN',
    body: { v: 1, mail: { kind: 'share', to: [{ address }], subject: 'Plans', text: 'See the plans.' } },
  });
  expect(answer.status, JSON.stringify(answer.json)).toBeLessThan(300);
};

/** The state in which a mail comes to rest. */
const stateOf = (address: string): Promise<string> =>
  vi.waitFor(
    async () => {
      const path = `/api/messages?to=${encodeURIComponent(address)}`;
      const { json } = await stackOf().ask('GET', path, { as: 'ADMIN_TOKEN' });
      const state = json.items?.[0]?.state;
      if (!['sent', 'parked', 'failed'].includes(state)) throw new Error(`not at rest: ${state}`);
      return state;
    },
    { timeout: 10_000, interval: 100 },
  );

test('law 4: mail waits while nobody is connected, and the queue drains by itself when somebody is', async () => {
  await fillIn();
  const parked = await vi.waitFor(
    async () => {
      // A host works by the settings from before for some seconds; then its mail needs no token.
      const address = `${randomUUID()}@example.com`;
      await mailTo(address);
      expect(await stateOf(address)).toBe('parked');
      return address;
    },
    { timeout: 60_000 },
  );
  expect(await generate()).toMatchObject({ status: 200 });
  await stackOf().settled(parked, 'sent');
}, 90_000);

test('on the local stack: fill in, generate, sign in, XML on the screen, and the mail arrives over XOAUTH2', async () => {
  await fillIn();
  const screen = await generate();
  expect(screen).toMatchObject({ status: 200 });
  expect(screen.headers.get('content-type')).toBe('application/xml; charset=utf-8');
  expect(screen.json).toContain('<result>1</result>');
  await mailTo('ana@example.com');
  await stackOf().settled('ana@example.com', 'sent');
  expect(await stackOf().inbox('ana@example.com')).toMatchObject([{ subject: 'Plans' }]);
  const check = await stackOf().ask('GET', '/api/oauth/token', { as: 'ADMIN_TOKEN' });
  expect(check.json).toMatchObject({ state: 'connected', account: { username: 'files@example.com' } });
});
