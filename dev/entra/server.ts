import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import {
  authorizePage,
  backTo,
  type Code,
  decide,
  directoryPage,
  readAuthorize,
  refusalFor,
  refusalPage,
} from './authorize.ts';
import { type Directory, findAccount, localDirectory } from './directory.ts';
import { EntraRefusal, errorBody, statusOf } from './errors.ts';
import { exchangeDoor, type Switch } from './exchange.ts';
import { type EntraFault, type EntraFaults, entraFaults } from './faults.ts';
import { mint } from './mint.ts';
import { grantToken } from './token.ts';

export interface EntraOptions {
  /** 0 or left out: any free one. */
  port?: number;
  host?: string;
  /** PEM files: MSAL speaks to https only. */
  cert: string;
  key: string;
  directory?: Directory;
  /** For the local directory: where its application may be sent back to. */
  redirectUris?: string[];
  /** Milliseconds since 1970; left out: the system's. */
  now?: () => number;
  /** Seconds that access tokens live; 3600 where left out. */
  lifetime?: number;
  /** Keeps the signing key over a restart, so that tokens stay good; left out: in memory. */
  stateFile?: string;
}

export interface TokenRequest {
  grant: string;
  /** 0: the connection was dropped. */
  status: number;
  scope: string;
  /** `client_secret` or `client_assertion`. */
  by: string;
  at: number;
}

export interface Entra {
  /** `https://localhost:port`, for ENTRA_AUTHORITY_HOST. */
  url: string;
  directory: Directory;
  faults: EntraFaults;
  /** Requests of the token endpoint so far. */
  requests: TokenRequest[];
  /** Every token and code that was handed out, so that a test can look for them where they must not be. */
  issued: string[];
  /** For the SMTP server, see its `CheckToken`. */
  checkToken(user: string, token: string): 'ok' | string;
  throwSwitch(which: Switch | undefined): void;
  /** Ends all sessions of an account: refresh tokens handed out so far are refused with AADSTS50173. */
  revoke(username: string): void;
  close(): Promise<void>;
}

/** A stand-in for Microsoft Entra over TLS, close enough for MSAL, that refuses as it is told to. */
export const startEntra = async (options: EntraOptions): Promise<Entra> => {
  const { host = '127.0.0.1', now = Date.now } = options;
  const directory = options.directory ?? localDirectory(options.redirectUris ?? []);
  const faults = entraFaults();
  const codes = new Map<string, Code>();
  const revoked = new Map<string, number>();
  const requests: TokenRequest[] = [];
  const issued: string[] = [];
  const minted = mint(keptKey(options.stateFile));
  const door = exchangeDoor({ directory, mint: minted, now });
  let url = '';
  const issuer = () => `${url}/${directory.tenantId}/v2.0`;

  const discovery = () => ({
    issuer: issuer(),
    authorization_endpoint: `${url}/${directory.tenantId}/oauth2/v2.0/authorize`,
    token_endpoint: `${url}/${directory.tenantId}/oauth2/v2.0/token`,
    end_session_endpoint: `${url}/${directory.tenantId}/oauth2/v2.0/logout`,
    jwks_uri: `${url}/${directory.tenantId}/discovery/v2.0/keys`,
    response_types_supported: ['code'],
    response_modes_supported: ['query'],
    subject_types_supported: ['pairwise'],
    id_token_signing_alg_values_supported: ['RS256'],
    scopes_supported: ['openid', 'profile', 'email', 'offline_access'],
    token_endpoint_auth_methods_supported: ['client_secret_post', 'private_key_jwt'],
  });

  const authorize = async (call: Call): Promise<Answer> => {
    const form = call.method === 'POST' ? await formOf(call.request) : undefined;
    const query = form ?? call.url.searchParams;
    const request = readAuthorize(query, directory);
    const fault = faults.next('authorize');
    if (fault?.code === 50011 || fault?.code === 700016) throw new EntraRefusal(fault.code);
    if (fault?.code) return redirect(backTo(request, refusalFor(fault.code)));
    if (!form) return { status: 200, html: authorizePage(request, directory, query) };
    if (form.has('decline')) return redirect(backTo(request, refusalFor(65004)));
    const answer = decide(request, form.get('account') ?? '', { directory, codes, now: now() });
    if (answer.code) issued.push(answer.code);
    return redirect(backTo(request, answer));
  };

  const token = async (call: Call): Promise<Answer> => {
    const form = await formOf(call.request);
    const grant = form.get('grant_type') ?? '';
    const by = form.has('client_assertion') ? 'client_assertion' : 'client_secret';
    const noted: TokenRequest = { grant, status: 0, scope: form.get('scope') ?? '', by, at: now() };
    requests.push(noted);
    const answer = tokenAnswer(form, faults.next('token', grant));
    noted.status = answer.status;
    return answer;
  };

  const tokenAnswer = (form: URLSearchParams, fault: EntraFault | undefined): Answer => {
    if (fault?.drop) return { status: 0 };
    const headers = { ...(fault?.retryAfter !== undefined && { 'retry-after': String(fault.retryAfter) }) };
    if (fault && fault.code === undefined)
      return { status: fault.status ?? 503, html: '<h1>Service unavailable</h1>', headers };
    try {
      if (fault?.code) throw new EntraRefusal(fault.code);
      const tokens = grantToken(form, desk());
      issued.push(
        ...['access_token', 'refresh_token', 'id_token'].flatMap((it) => (tokens[it] ? [String(tokens[it])] : [])),
      );
      return { status: 200, json: tokens };
    } catch (error) {
      if (!(error instanceof EntraRefusal)) throw error;
      return { status: fault?.status ?? statusOf(error.code), json: errorBody(error.code, now()), headers };
    }
  };

  const desk = () => ({
    ...{ directory, codes, mint: minted, issuer: issuer(), revoked, lifetime: options.lifetime, now },
  });

  const respond = async (call: Call): Promise<Answer> => {
    const { pathname } = call.url;
    if (pathname === '/') return { status: 200, html: directoryPage(directory) };
    if (pathname.startsWith('/api/')) return manage(call);
    const [, tenant = '', rest = ''] = /^\/([^/]+)\/(.*)$/.exec(pathname) ?? [];
    const inTenant = [directory.tenantId, ...directory.domains].includes(tenant.toLowerCase());
    const routes: Record<string, () => Answer | Promise<Answer>> = {
      'GET v2.0/.well-known/openid-configuration': () => {
        const fault = faults.next('discovery');
        if (fault?.drop) return { status: 0 };
        if (fault) return { status: fault.status ?? 503, html: '<h1>Service unavailable</h1>' };
        return inTenant ? { status: 200, json: discovery() } : { status: 400, json: errorBody(90002, now()) };
      },
      'GET oauth2/v2.0/authorize': () => authorize(call),
      'POST oauth2/v2.0/authorize': () => authorize(call),
      'POST oauth2/v2.0/token': () => token(call),
    };
    const route = routes[`${call.method} ${rest}`];
    if (!route) return { status: 404, html: '<h1>Not found</h1>' };
    if (!inTenant && !rest.startsWith('v2.0/')) throw new EntraRefusal(90002);
    return route();
  };

  /** For the other processes of the local stack and for tests from outside. */
  const manage = async ({ method, url: { pathname }, request }: Call): Promise<Answer> => {
    const routes: Record<string, () => Promise<Answer> | Answer> = {
      'GET /api/faults': () => ({ status: 200, json: faults.list() }),
      'PUT /api/faults': async () => {
        faults.set(JSON.parse(await textOf(request)) as EntraFault[]);
        return { status: 200, json: faults.list() };
      },
      'DELETE /api/faults': () => {
        faults.clear();
        return { status: 204 };
      },
      'GET /api/requests': () => ({ status: 200, json: requests }),
      'POST /api/check-token': async () => {
        const { user, token: given } = JSON.parse(await textOf(request)) as { user: string; token: string };
        return { status: 200, json: { answer: door.checkToken(user, given) } };
      },
      'PUT /api/switch': async () => {
        door.throwSwitch((JSON.parse(await textOf(request)) as { is?: Switch }).is);
        return { status: 204 };
      },
      'POST /api/revoke': async () => {
        revoke((JSON.parse(await textOf(request)) as { username: string }).username);
        return { status: 204 };
      },
    };
    return routes[`${method} ${pathname}`]?.() ?? { status: 404, json: { error: 'There is no such route.' } };
  };

  const revoke = (username: string) => {
    const account = findAccount(directory, username);
    if (account) revoked.set(account.oid, now() + 1);
  };

  const server = createServer(
    { cert: readFileSync(options.cert), key: readFileSync(options.key) },
    (request, response) => {
      const call = { request, method: request.method ?? '', url: new URL(request.url ?? '/', url) };
      respond(call)
        .catch((error: unknown): Answer => {
          if (error instanceof EntraRefusal) return { status: 400, html: refusalPage(error) };
          console.error('entra:', error);
          return { status: 500, html: '<h1>Something went wrong in the fake Entra</h1>' };
        })
        .then((answer) => send(response, answer));
    },
  );
  server.listen(options.port ?? 0, host);
  await once(server, 'listening');
  url = `https://localhost:${(server.address() as AddressInfo).port}`;
  return {
    ...{ url, directory, faults, requests, issued, revoke },
    checkToken: door.checkToken,
    throwSwitch: door.throwSwitch,
    close: async () => {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
};

interface Call {
  request: IncomingMessage;
  method: string;
  url: URL;
}

interface Answer {
  /** 0: the connection is closed without one. */
  status: number;
  json?: unknown;
  html?: string;
  headers?: Record<string, string>;
}

const redirect = (location: string): Answer => ({ status: 302, headers: { location } });

const send = (response: ServerResponse, { status, json, html, headers = {} }: Answer): void => {
  if (status === 0) {
    response.destroy();
    return;
  }
  const type = json === undefined ? 'text/html; charset=utf-8' : 'application/json; charset=utf-8';
  response.writeHead(status, { 'content-type': type, 'cache-control': 'no-store', ...headers });
  response.end(json === undefined ? html : JSON.stringify(json));
};

const textOf = async (request: IncomingMessage): Promise<string> => {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString('utf8');
};

const formOf = async (request: IncomingMessage) => new URLSearchParams(await textOf(request));

const keptKey = (stateFile: string | undefined): string => {
  const fresh = randomBytes(32).toString('base64url');
  if (stateFile === undefined) return fresh;
  try {
    return readFileSync(stateFile, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    writeFileSync(stateFile, fresh, { mode: 0o600 });
    return fresh;
  }
};
