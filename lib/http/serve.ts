import type { HttpHandler, HttpRequest, HttpResponseInit } from '@azure/functions';
import { PosternError } from '../errors.ts';
import type { Log } from '../log.ts';
import { bodyTypes, readBody } from './body.ts';
import { refuseCrossSite } from './cross-site.ts';
import { guard, principalOf } from './principal.ts';
import { incidentOf, problemOf } from './problem.ts';
import { readParams, readQuery } from './query.ts';
import type { AnyRoute, Reply } from './route.ts';

export interface Edge {
  /** Whether the platform says that Easy Auth is on. Only then is the principal header believed. */
  easyAuth: boolean;
  /** Where people reach this app from outside, without a slash at the end. */
  publicUrl: string;
  log: Log;
}

/**
 * The handler of one route as the Functions library wants it: who calls, may they, is what they send valid; then the
 * route's own `handle`. What a route or a check throws as `PosternError` becomes a problem (RFC 9457). Anything else is
 * a 500 whose incident is the invocation's id: the log gets the error under it, and never the body or the headers.
 * A handler must not throw on: the host would answer an empty 500.
 */
export const serve =
  (route: AnyRoute, edge: Edge): HttpHandler =>
  async (request, context) => {
    try {
      return answer(request, await handled(route, edge, request), edge);
    } catch (error) {
      if (error instanceof PosternError) return answer(request, problemOf(error, hints(route, error)), edge);
      edge.log.error('http.failed', { route: route.name, incident: context.invocationId, ...told(error) });
      return answer(request, incidentOf(context.invocationId), edge);
    }
  };

async function handled(route: AnyRoute, edge: Edge, request: HttpRequest): Promise<Reply> {
  const url = new URL(request.url);
  const principal = edge.easyAuth ? principalOf(request.headers) : undefined;
  guard(route.access, principal);
  refuseCrossSite(route, { headers: request.headers, url, publicUrl: edge.publicUrl });
  const params = readParams(route, request.params);
  const query = readQuery(route, url);
  const body = await readBody(route, request);
  return route.handle({ params, query, body, headers: request.headers, principal, url });
}

/** Header fields that the status calls for: RFC 9110 sections 11.6.1 and 12.5.1. */
const hints = (route: AnyRoute, error: PosternError): Record<string, string> => {
  if (error.code === 'not-signed-in') return { 'www-authenticate': 'Bearer' };
  if (error.code === 'unsupported-media-type') return { accept: bodyTypes(route).join(', ').replace('*', '*/*') };
  return {};
};

const told = (error: unknown) =>
  error instanceof Error
    ? { error: error.name, message: error.message, stack: error.stack }
    : { error: typeof error, message: String(error) };

/**
 * Adds what every answer carries; a reply's own headers win. Exported for answers that no route gives.
 *
 * HEAD gets what GET would, without the body (RFC 9110 section 9.3.2). Its Content-Length stays out, as that section
 * allows: the host adds one only for a body that it sends.
 */
export const answer = (
  { method }: Pick<HttpRequest, 'method'>,
  { status, headers, body }: Reply,
  { publicUrl }: Pick<Edge, 'publicUrl'>,
): HttpResponseInit => {
  const json = typeof body !== 'string' && !(body instanceof Uint8Array);
  const own = new Headers(headers);
  const all = new Headers(
    body === undefined ? {} : { 'content-type': json ? 'application/json' : 'text/plain; charset=utf-8' },
  );
  const html = (own.get('content-type') ?? '').startsWith('text/html');
  for (const [name, value] of Object.entries(safe)) all.set(name, value);
  if (html) all.set('content-security-policy', pagePolicy);
  if (publicUrl.startsWith('https:')) all.set('strict-transport-security', 'max-age=31536000');
  for (const [name, value] of own) all.set(name, value);
  return {
    status,
    headers: Object.fromEntries(all),
    ...(body !== undefined &&
      method !== 'HEAD' && { body: json ? JSON.stringify(body) : (body as string | Uint8Array) }),
  };
};

const safe = {
  'cache-control': 'no-store',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
};

/** A page loads nothing and is framed by nobody; its forms come back here. A page that needs more says so itself. */
const pagePolicy = "default-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";
