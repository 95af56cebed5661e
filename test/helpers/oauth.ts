import { randomBytes } from 'node:crypto';
import { onTestFinished } from 'vitest';
import { ensureCertificates } from '../../dev/certificates.ts';
import { localDirectory } from '../../dev/entra/directory.ts';
import { type Entra, startEntra } from '../../dev/entra/server.ts';
import { startIdentity } from '../../dev/identity/server.ts';
import { startSmtp } from '../../dev/smtp/server.ts';
import { checkRoutes } from '../../functions/http/check.ts';
import { oauthRoutes } from '../../functions/http/oauth.ts';
import { settingsRoutes } from '../../functions/http/settings.ts';
import { auditLog } from '../../lib/audit/audit.ts';
import type { AnyRoute } from '../../lib/http/route.ts';
import { oauthRoom } from '../../lib/oauth/room.ts';
import { relayRoom } from '../../lib/relay/relay.ts';
import { settingsRoom } from '../../lib/settings/room.ts';
import { ask, principalHeader } from './http.ts';
import { memoryLog } from './log.ts';
import { submission } from './relay.ts';
import { ownStorage } from './storage.ts';
import { ownVault } from './vault.ts';

export const redirectUri = 'https://postern.example.com/api/getoauthtoken';
export const master = { id: 'master-1', name: 'master@example.com' };
const certificates = `${import.meta.dirname}/../../.dev/test-certs`;

/** A clock that a test moves on, from the present on: the managed identity stand-in lives by the system's time. */
const movedClock = () => {
  let ahead = 0;
  return {
    now: () => Date.now() + ahead,
    pass: (milliseconds: number) => {
      ahead += milliseconds;
    },
  };
};

/** What a browser does at the fake Entra: opens the page, picks an account or declines. @returns where it is sent back to */
export const signIn = async (authorizationUrl: string, choice: { as: string } | 'decline'): Promise<URL> => {
  const page = await fetch(authorizationUrl);
  const html = await page.text();
  const hidden = html.matchAll(/<input type="hidden" name="([^"]*)" value="([^"]*)">/g);
  const form = new URLSearchParams();
  for (const [, name = '', value = ''] of hidden) form.set(plain(name), plain(value));
  if (choice === 'decline') form.set('decline', 'yes');
  else form.set('account', choice.as);
  const url = new URL(authorizationUrl);
  const answer = await fetch(`${url.origin}${url.pathname}`, { method: 'POST', body: form, redirect: 'manual' });
  return new URL(answer.headers.get('location') ?? `invalid: ${answer.status} ${await answer.text()}`);
};

const plain = (html: string) => html.replace(/&#(\d+);/g, (_, code: string) => String.fromCharCode(Number(code)));

/** The OAuth room with everything real around it: MSAL, a fake Entra, a vault, tables, and an SMTP server as Exchange. */
export const oauthStack = async () => {
  const clock = movedClock();
  const log = memoryLog();
  const { cert, key } = await ensureCertificates(certificates);
  const directory = localDirectory([redirectUri]);
  const identity = await startIdentity({ header: 'identity-header' });
  const [entra, { azure }, { secrets, vault, client }] = await Promise.all([
    startEntra({ cert, key, directory, now: clock.now }),
    ownStorage(),
    ownVault(),
  ]);
  const smtp = await startSmtp({
    ...{ cert, key, checkToken: entra.checkToken },
    listeners: { exchange: { security: 'starttls', profile: 'exchange' } },
  });
  onTestFinished(async () => {
    await Promise.all([entra.close(), smtp.close(), identity.close()]);
  });

  /** As App Service's identity endpoint answers; asked over HTTP, since DefaultAzureCredential reads the process's own environment. */
  const credential = () => ({
    getToken: async (scopes: string | string[]) => {
      const resource = [scopes].flat()[0]?.replace(/\/\.default$/, '') ?? '';
      const { IDENTITY_ENDPOINT, IDENTITY_HEADER } = identity.environment;
      const url = `${IDENTITY_ENDPOINT}?api-version=2019-08-01&resource=${encodeURIComponent(resource)}`;
      const answer = await fetch(url, { headers: { 'x-identity-header': IDENTITY_HEADER } });
      const { access_token: token } = (await answer.json()) as { access_token: string };
      return { token, expiresOnTimestamp: Date.now() + 3_600_000 };
    },
  });

  /** Another process on the same state: nothing in memory yet. */
  const start = () => {
    const told = { connected: 0 };
    const audit = auditLog({ table: azure.table('audit'), clock });
    const settings = settingsRoom({ table: azure.table('settings'), secrets, clock, log, audit });
    const oauth = oauthRoom({
      ...{ table: azure.table('oauth'), secrets, settings, credential, authorityHost: entra.url, audit, clock, log },
      secretText: () => randomBytes(32).toString('base64url'),
      connected: async () => {
        told.connected++;
      },
    });
    const relay = relayRoom({ settings, tokens: oauth.tokens, submitTimeout: 20_000, clock, log });
    onTestFinished(() => relay.close());
    const check = checkRoutes({ settings, tokens: oauth.tokens, clock, timeout: 20_000 });
    const routes = [...settingsRoutes({ settings, oauth }), ...oauthRoutes(oauth), ...check];
    return {
      ...{ settings, oauth, relay, routes, told },
      send: async () => relay.submit(submission(), await settings.refresh()),
      ask: (name: string, asked: Parameters<typeof ask>[1], who = master) => {
        const route = routes.find((it) => it.name === name) as AnyRoute;
        const headers = { 'x-ms-client-principal': principalHeader(['MasterAdmin'], who), ...asked.headers };
        return ask(route, { ...asked, headers }, { log });
      },
    };
  };

  const [registration] = directory.registrations;
  const draft = (own: { auth?: object; oauth?: object; smtp?: object } = {}) => ({
    from: { address: 'files@example.com', name: 'Files' },
    smtp: {
      ...{ host: 'localhost', port: smtp.ports.exchange, security: 'tls', ...own.smtp },
      auth: {
        ...{ enabled: true, type: 'xoauth2', user: 'files@example.com', ...own.auth },
        oauth: {
          tenantId: directory.tenantId,
          clientId: registration?.clientId,
          clientSecret: registration?.secrets[0]?.value,
          redirectUri,
          ...own.oauth,
        },
      },
    },
  });

  const first = start();
  const save = async (body: object = draft()) => {
    const answer = await first.ask('putSettings', { path: '/api/settings', body, headers: { 'if-match': '*' } });
    if (answer.status !== 200) throw new Error(JSON.stringify(answer.json));
    return answer;
  };
  const generate = async (host = first): Promise<string> => {
    const answer = await host.ask('generateToken', { path: '/api/oauth/token' });
    if (answer.status !== 200) throw new Error(JSON.stringify(answer.json));
    return (answer.json as { authorizationUrl: string }).authorizationUrl;
  };
  const callback = (url: URL, { who = master, accept = 'application/json' } = {}) =>
    first.ask('getOAuthToken', { path: `${url.pathname}${url.search}`, headers: { accept } }, who);
  const connect = async (as = 'files@example.com') => callback(await signIn(await generate(), { as }));

  return {
    ...{ clock, log, entra: entra as Entra, vault, vaultClient: client, secrets, azure, smtp, identity, directory },
    ...{ first, start, draft, save, generate, callback, connect },
    refreshes: () => entra.requests.filter(({ grant }) => grant === 'refresh_token').length,
  };
};

export type OAuthStack = Awaited<ReturnType<typeof oauthStack>>;
