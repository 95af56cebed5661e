import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { secretShelf, VaultRefusal } from './secrets.ts';

export interface VaultOptions {
  /** 0 or left out: any free one. */
  port?: number;
  host?: string;
  /** PEM files. */
  cert: string;
  key: string;
  /** Keeps the secrets over a restart; left out: in memory. */
  stateFile?: string;
  /** The one bearer token that is let in. Left out: any unexpired token for the vault's audience. */
  token?: string;
}

export type VaultOperation =
  | 'set'
  | 'get'
  | 'update'
  | 'delete'
  | 'versions'
  | 'list'
  | 'getDeleted'
  | 'listDeleted'
  | 'recover'
  | 'purge';

/** Answers `status` instead of the operation; without `times` until it is cleared. The SDK itself tries 429 and 500 again. */
export interface VaultFault {
  op: VaultOperation;
  status: 403 | 429 | 500;
  times?: number;
}

export interface Vault {
  /** `https://localhost:port`, for KEY_VAULT_URI (with KEY_VAULT_VERIFY_CHALLENGE=false). */
  url: string;
  faults: { set(list: readonly VaultFault[]): void; clear(): void };
  /** Calls so far by operation, refused ones included; `challenge` counts requests that came without a good token. */
  requests: Record<VaultOperation | 'challenge', number>;
  close(): Promise<void>;
}

const audience = 'https://vault.azure.net';
const pageSize = 25;

/** A stand-in for Key Vault's secrets over TLS, close enough for Azure's own `SecretClient`. */
export const startVault = async (options: VaultOptions): Promise<Vault> => {
  const host = options.host ?? '127.0.0.1';
  let url = '';
  const shelf = secretShelf(() => url, Date.now, options.stateFile);
  let faults: { fault: VaultFault; left: number }[] = [];
  const requests: Vault['requests'] = {
    ...{ set: 0, get: 0, update: 0, delete: 0, versions: 0, list: 0 },
    ...{ getDeleted: 0, listDeleted: 0, recover: 0, purge: 0, challenge: 0 },
  };

  const respond = async (request: IncomingMessage, answer: ServerResponse) => {
    if (!isLetIn(request, options.token)) {
      requests.challenge++;
      request.resume();
      answer.setHeader(
        'www-authenticate',
        `Bearer authorization="https://login.microsoftonline.com/common", resource="${audience}"`,
      );
      throw new VaultRefusal(401, 'Unauthorized', 'AKV10000: Request is missing a Bearer or PoP token.');
    }
    const call = new URL(request.url ?? '/', url);
    const fitting = routeOf(request.method ?? '', call.pathname);
    if (!fitting) throw new VaultRefusal(404, 'NotFound', 'There is no such resource.');
    if (!call.searchParams.has('api-version')) throw new VaultRefusal(400, 'BadParameter', 'api-version is missing');
    const { op, name, version } = fitting;
    requests[op]++;
    const body = await readJson(request);
    const struck = faults.find((one) => one.fault.op === op && one.left > 0);
    if (struck) {
      struck.left--;
      throw refusals[struck.fault.status]();
    }
    const results = {
      set: () => shelf.set(name, body),
      get: () => shelf.get(name, version),
      update: () => shelf.update(name, version, body),
      delete: () => shelf.delete(name),
      versions: () => page(shelf.versions(name), call),
      list: () => page(shelf.list(), call),
      getDeleted: () => shelf.getDeleted(name),
      listDeleted: () => page(shelf.listDeleted(), call),
      recover: () => shelf.recover(name),
      purge: () => shelf.purge(name),
    };
    const result: unknown = results[op]();
    if (result === undefined) answer.writeHead(204).end();
    else send(answer, 200, result);
  };

  const server = createServer(
    { cert: readFileSync(options.cert), key: readFileSync(options.key) },
    (request, answer) => {
      respond(request, answer).catch((error: unknown) => {
        if (error instanceof VaultRefusal) return send(answer, error.status, error.body);
        console.error('vault:', error);
        send(answer, 500, refusals[500]().body);
      });
    },
  );
  server.listen(options.port ?? 0, host);
  await once(server, 'listening');
  url = `https://localhost:${(server.address() as AddressInfo).port}`;
  return {
    url,
    faults: {
      set: (list) => {
        faults = list.map((fault) => ({ fault, left: fault.times ?? Number.POSITIVE_INFINITY }));
      },
      clear: () => {
        faults = [];
      },
    },
    requests,
    close: async () => {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
};

const refusals = {
  403: () =>
    new VaultRefusal(
      403,
      'Forbidden',
      'Caller is not authorized to perform action on resource.\r\nIf role assignments, deny assignments or role definitions were changed recently, please observe propagation time.',
      'ForbiddenByRbac',
    ),
  429: () =>
    new VaultRefusal(
      429,
      'Throttled',
      'Request was not processed because too many requests were received. Reason: VaultRequestTypeLimitReached',
    ),
  500: () => new VaultRefusal(500, 'InternalServerError', 'The server encountered an error processing the request.'),
};

const routes: [method: string, path: RegExp, op: VaultOperation][] = [
  ['PUT', /^\/secrets\/([^/]+)\/?$/, 'set'],
  ['GET', /^\/secrets\/([^/]+)\/versions\/?$/, 'versions'],
  ['GET', /^\/secrets\/([^/]+)(?:\/([^/]*))?$/, 'get'],
  ['PATCH', /^\/secrets\/([^/]+)(?:\/([^/]*))?$/, 'update'],
  ['DELETE', /^\/secrets\/([^/]+)\/?$/, 'delete'],
  ['GET', /^\/secrets\/?$/, 'list'],
  ['GET', /^\/deletedsecrets\/?$/, 'listDeleted'],
  ['GET', /^\/deletedsecrets\/([^/]+)\/?$/, 'getDeleted'],
  ['DELETE', /^\/deletedsecrets\/([^/]+)\/?$/, 'purge'],
  ['POST', /^\/deletedsecrets\/([^/]+)\/recover$/, 'recover'],
];

const routeOf = (method: string, path: string) => {
  for (const [verb, pattern, op] of routes) {
    const match = verb === method && pattern.exec(path);
    if (match) return { op, name: decodeURIComponent(match[1] ?? ''), version: match[2] ?? '' };
  }
  return undefined;
};

/** Signatures are not checked: the stand-in guards against forgotten credentials, not against attackers. */
const isLetIn = (request: IncomingMessage, token: string | undefined): boolean => {
  const bearer = /^Bearer (.+)$/i.exec(request.headers.authorization ?? '')?.[1];
  if (bearer === undefined || token !== undefined) return bearer !== undefined && bearer === token;
  try {
    const claims = JSON.parse(Buffer.from(bearer.split('.')[1] ?? '', 'base64url').toString());
    return claims.aud === audience && claims.exp * 1000 > Date.now();
  } catch {
    return false;
  }
};

const page = <Item>(items: Item[], call: URL) => {
  const from = Number(call.searchParams.get('$skiptoken') ?? 0);
  const size = Math.min(Number(call.searchParams.get('maxresults') ?? pageSize), pageSize);
  const next = new URL(call);
  next.searchParams.set('$skiptoken', String(from + size));
  return { value: items.slice(from, from + size), nextLink: from + size < items.length ? next.href : null };
};

const readJson = async (request: IncomingMessage) => {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk);
  if (chunks.length === 0) return {};
  try {
    return JSON.parse(Buffer.concat(chunks).toString());
  } catch {
    throw new VaultRefusal(400, 'BadParameter', 'The request body is not valid JSON.');
  }
};

const send = (answer: ServerResponse, status: number, value: unknown) => {
  answer.writeHead(status, { 'content-type': 'application/json; charset=utf-8' }).end(JSON.stringify(value));
};
