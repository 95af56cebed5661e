import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { RpcCookie, RpcData } from './core-types.ts';
import type { Match } from './routes.ts';

export interface HttpOptions {
  find(method: string, path: string): Match | undefined;
  /** @throws what the handler throws: answered by an empty 500, as the host does. */
  invoke(name: string, request: RpcData): Promise<RpcData | null | undefined>;
  /** The host's own pages under `/admin`. @returns `undefined` for a path that it does not know. */
  admin(method: string, path: string, body: Buffer): Promise<{ status: number; body?: unknown } | undefined>;
  /** Whether the function needs a key, and this request has none that fits. */
  keyMissing(name: string, key: string | undefined): boolean;
  /** `FUNCTIONS_REQUEST_BODY_SIZE_LIMIT`, in bytes. */
  maxBody: number;
  log(message: string): void;
}

/** Kestrel and the host's script routes in front of the worker, as far as a function can tell them apart. */
export const httpListener = (options: HttpOptions): Server =>
  createServer((request, response) => {
    answer(request, response, options).catch((error: unknown) => {
      options.log(`HTTP ${request.method} ${request.url}: ${String(error)}`);
      if (!response.headersSent) response.writeHead(500);
      response.end();
    });
  });

async function answer(request: IncomingMessage, response: ServerResponse, options: HttpOptions): Promise<void> {
  const method = (request.method ?? 'GET').toUpperCase();
  const url = new URL(request.url ?? '/', `http://${request.headers.host ?? 'localhost'}`);
  const body = await bodyOf(request, options.maxBody);
  if (body === 'too large') {
    response.writeHead(413, { connection: 'close' }).end();
    return;
  }
  if (/^\/admin(\/|$)/i.test(url.pathname)) {
    const own = await options.admin(method, url.pathname.toLowerCase(), body);
    response.writeHead(own?.status ?? 404, { 'content-type': 'application/json' });
    response.end(own?.body === undefined ? '' : JSON.stringify(own.body));
    return;
  }
  const match = options.find(method, url.pathname);
  if (!match) {
    response.writeHead(404).end();
    return;
  }
  const key = url.searchParams.get('code') ?? request.headers['x-functions-key']?.toString();
  if (options.keyMissing(match.route.name, key)) {
    response.writeHead(401).end();
    return;
  }
  const result = await options.invoke(match.route.name, { http: rpcRequest(method, url, request, match.params, body) });
  send(response, result);
}

/**
 * The body as the host passes it on. It looks at Content-Length only: a chunked request arrives with no body (seen
 * under Microsoft's worker with HTTP streaming off).
 */
async function bodyOf(request: IncomingMessage, maxBody: number): Promise<Buffer | 'too large'> {
  const length = Number(request.headers['content-length'] ?? 0);
  if (length > maxBody) return 'too large';
  const chunks: Buffer[] = [];
  for await (const chunk of request) if (length > 0) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

function rpcRequest(method: string, url: URL, request: IncomingMessage, params: Record<string, string>, body: Buffer) {
  const query: Record<string, string> = {};
  // A name given twice arrives as one value, joined with a comma.
  for (const [name, value] of url.searchParams) query[name] = name in query ? `${query[name]},${value}` : value;
  const headers = Object.entries(request.headers).map(([name, value]) => [name, String(value)] as const);
  return {
    url: url.href,
    method,
    nullableHeaders: nullable(Object.fromEntries(headers)),
    nullableQuery: nullable(query),
    nullableParams: nullable(params),
    body: body.length > 0 ? { bytes: body } : null,
  };
}

const nullable = (values: Record<string, string>) =>
  Object.fromEntries(Object.entries(values).map(([name, value]) => [name, { value }]));

function send(response: ServerResponse, result: RpcData | null | undefined): void {
  const http = result?.http;
  if (!http) {
    response.writeHead(204).end();
    return;
  }
  response.statusCode = Number(http.statusCode ?? 200);
  for (const [name, value] of Object.entries(http.headers ?? {})) response.setHeader(name, value);
  if (http.cookies?.length) response.appendHeader('set-cookie', http.cookies.map(cookie));
  const body = http.body?.bytes ?? http.body?.string ?? '';
  response.end(typeof body === 'string' ? body : Buffer.from(body));
}

function cookie(one: RpcCookie): string {
  const sameSite = one.sameSite === 'explicitNone' ? 'none' : one.sameSite === 'none' ? undefined : one.sameSite;
  return [
    `${one.name}=${encodeURIComponent(one.value)}`,
    one.domain && `Domain=${one.domain.value}`,
    one.path && `Path=${one.path.value}`,
    one.maxAge && `Max-Age=${one.maxAge.value}`,
    one.expires && `Expires=${new Date(one.expires.value.seconds * 1000).toUTCString()}`,
    one.secure?.value && 'Secure',
    one.httpOnly?.value && 'HttpOnly',
    sameSite && `SameSite=${sameSite}`,
  ]
    .filter(Boolean)
    .join('; ');
}
