import type { HttpHandler, HttpMethod, HttpTriggerOptions } from '@azure/functions';
import { PosternError } from '../errors.ts';
import { problemOf } from './problem.ts';
import type { AnyRoute } from './route.ts';
import { answer, type Edge, serve } from './serve.ts';

export interface Registration {
  name: string;
  options: Required<HttpTriggerOptions> & { handler: HttpHandler };
}

/**
 * What to register with `app.http`, for every route and for what no route serves below `api/`. The guard is the
 * route's own, hence `anonymous` for the host (the library's default too, but said on purpose); methods are always
 * named, since the library's default is GET and POST.
 * @throws Error for two routes of one name, or of one method and path: the host would drop one silently.
 */
export const registrations = (routes: readonly AnyRoute[], edge: Edge): Registration[] => {
  refuseTwice(routes.map(({ name }) => name));
  refuseTwice(routes.map(({ method, path }) => `${method} ${path.toLowerCase().replaceAll(/\{[^}]*\}/g, '{}')}`));
  const declared = routes.map((route) => ({
    name: route.name,
    options: {
      methods: methodsOf(route),
      authLevel: 'anonymous' as const,
      route: route.path,
      handler: serve(route, edge),
    },
  }));
  const rest = {
    name: 'unknownRoute',
    options: {
      methods: everyMethod,
      authLevel: 'anonymous' as const,
      route: 'api/{*rest}',
      handler: unknown(routes, edge),
    },
  };
  return [...declared, rest];
};

/** HEAD is served where GET is (RFC 9110 section 9.1); the host does not do it by itself. */
const methodsOf = ({ method, leavesTrace }: AnyRoute): HttpMethod[] =>
  method === 'GET' && !leavesTrace ? ['GET', 'HEAD'] : [method];

const everyMethod: HttpMethod[] = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'];

/** 405 with `Allow` (RFC 9110 section 15.5.6) where the path is known with other methods, 404 else. Does nothing else. */
const unknown =
  (routes: readonly AnyRoute[], edge: Edge): HttpHandler =>
  async (request) => {
    const { pathname } = new URL(request.url);
    const allowed = routes.filter(({ path }) => matches(path, pathname)).flatMap(methodsOf);
    if (allowed.length === 0) {
      const nothing = new PosternError('not-found', 'No route of this name; see /api/openapi.json.');
      return answer(request, problemOf(nothing), edge);
    }
    const allow = [...new Set(allowed)].sort().join(', ');
    const refused = new PosternError('method-not-allowed', `${request.method} is not served here, but ${allow}.`);
    return answer(request, problemOf(refused, { allow }), edge);
  };

/** Whether an address's path falls under a route's, as the host matches: without regard to case. */
const matches = (path: string, pathname: string): boolean => {
  const pattern = path
    .split(/(\{[^}]*\})/)
    .map((part) =>
      part.startsWith('{*') ? '.*' : part.startsWith('{') ? '[^/]+' : part.replaceAll(/[^\w/-]/g, '\\$&'),
    )
    .join('');
  return new RegExp(`^/${pattern}/?$`, 'i').test(pathname);
};

const refuseTwice = (things: string[]): void => {
  const twice = things.find((thing, n) => things.indexOf(thing) !== n);
  if (twice !== undefined) throw new Error(`Declared twice: ${twice}`);
};
