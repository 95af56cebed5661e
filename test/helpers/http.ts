import { HttpRequest, type HttpResponseInit, InvocationContext } from '@azure/functions';
import { appRoles } from '../../lib/http/principal.ts';
import type { AnyRoute, Role } from '../../lib/http/route.ts';
import { type Edge, serve } from '../../lib/http/serve.ts';
import { type Log, logTo } from '../../lib/log.ts';

export const publicUrl = 'https://postern.example.com';

/** The header that Easy Auth sets for a signed-in user with these roles. */
export const principalHeader = (roles: readonly Role[], { id = 'u-1', name = 'ana@example.com' } = {}): string =>
  headerOf([
    { typ: 'http://schemas.microsoft.com/identity/claims/objectidentifier', val: id },
    { typ: 'preferred_username', val: name },
    ...roles.map((role) => ({ typ: 'roles', val: appRoles[role] })),
  ]);

export const headerOf = (claims: { typ: string; val: string }[], roleType = 'roles'): string =>
  Buffer.from(JSON.stringify({ auth_typ: 'aad', name_typ: 'name', role_typ: roleType, claims })).toString('base64');

interface Asked {
  /** Below the public address, e.g. `/api/audit?limit=1`. */
  path: string;
  params?: Record<string, string>;
  as?: readonly Role[];
  headers?: Record<string, string>;
  /** An object goes as JSON with its length; a text goes as it is, without any header but those given. */
  body?: unknown;
}

/** Asks one route through the real edge. @returns the answer with the body as JSON where it is that. */
export const ask = async (
  route: AnyRoute,
  { path, params = {}, as, headers = {}, body }: Asked,
  edge: Partial<Edge> = {},
): Promise<HttpResponseInit & { headers: Record<string, string>; json: unknown }> => {
  const text = body === undefined || typeof body === 'string' ? body : JSON.stringify(body);
  const json = body !== undefined && typeof body !== 'string';
  const request = new HttpRequest({
    method: route.method,
    url: `${publicUrl}${path}`,
    params,
    headers: {
      ...(as && { 'x-ms-client-principal': principalHeader(as) }),
      ...(json && { 'content-type': 'application/json', 'content-length': String(Buffer.byteLength(text ?? '')) }),
      ...headers,
    },
    ...(text && { body: { string: text } }),
  });
  const context = new InvocationContext({ functionName: route.name, invocationId: 'incident-1' });
  const answer = (await serve(route, { easyAuth: true, publicUrl, log: logLines().log, ...edge })(
    request,
    context,
  )) as HttpResponseInit;
  const type = (answer.headers as Record<string, string>)['content-type'] ?? '';
  return {
    ...answer,
    headers: answer.headers as Record<string, string>,
    json: type.includes('json') ? JSON.parse(String(answer.body)) : undefined,
  };
};

/** A log that a test can read. */
export const logLines = (): { log: Log; lines: string[] } => {
  const lines: string[] = [];
  const write = (line: string) => void lines.push(line);
  return { lines, log: logTo({ info: write, warn: write, error: write }) };
};
