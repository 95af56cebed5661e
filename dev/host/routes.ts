/** Route templates of the Functions host: `files/{id}`, `{id:int}`, `{name?}`, `{*rest}` (ASP.NET Core routing). */
export interface Route {
  name: string;
  /** Upper case. */
  methods: string[];
  /** Without the route prefix and without slashes at the ends. */
  template: string;
}

export interface Match {
  route: Route;
  params: Record<string, string>;
}

/** First segments of routes that the host keeps for itself; `ScriptHost.ValidateHttpFunction` compares by prefix. */
const reserved = ['admin', 'runtime'];

/**
 * What the host would say against these routes. The functions named here are in error, all others run on.
 * @returns function name → the sentence.
 */
export const routeErrors = (routes: readonly Route[]): Map<string, string> => {
  const errors = new Map<string, string>();
  const seen: Route[] = [];
  for (const route of routes) {
    const lower = route.template.toLowerCase();
    const word = reserved.find((one) => lower.startsWith(one));
    if (word) {
      errors.set(route.name, `The route "${route.template}" conflicts with the host's own routes under "${word}".`);
      continue;
    }
    const other = seen.find(
      ({ template, methods }) => template.toLowerCase() === lower && methods.some((one) => route.methods.includes(one)),
    );
    if (other) {
      errors.set(route.name, `The route "${route.template}" conflicts with the route of the function "${other.name}".`);
      continue;
    }
    seen.push(route);
  }
  return errors;
};

/**
 * A function that finds the route of a request.
 * @param prefix route prefix of host.json.
 * @returns `undefined` where no route takes this path and method; the host then answers 404, for a method too.
 */
export const routeTable = (prefix: string, routes: readonly Route[]) => {
  const table = routes
    .map((route) => ({ route, ...compile(join(prefix, route.template)) }))
    .sort((a, b) => (a.precedence < b.precedence ? -1 : 1));
  return (method: string, path: string): Match | undefined => {
    for (const { route, pattern, names } of table) {
      const found = pattern.exec(path);
      if (!found || !route.methods.includes(method)) continue;
      const params: Record<string, string> = {};
      names.forEach((name, n) => {
        const value = found[n + 1];
        if (value !== undefined) params[name] = decode(value);
      });
      return { route, params };
    }
    return undefined;
  };
};

const join = (...parts: string[]) => parts.map(trim).filter(Boolean).join('/');

export const trim = (path: string): string => path.replace(/^\/+|\/+$/g, '');

interface Segment {
  /** Literal before constrained before plain before catch-all, compared segment by segment, as ASP.NET Core does. */
  rank: string;
  pattern: string;
  name?: string;
}

const constraints: Record<string, string> = {
  int: '-?\\d+',
  long: '-?\\d+',
  alpha: '[A-Za-z]+',
  guid: '[0-9a-fA-F-]{36}',
};

function compile(template: string) {
  const segments = template === '' ? [] : template.split('/').map(segmentOf);
  return {
    pattern: new RegExp(`^${segments.map(({ pattern }) => pattern).join('')}/?$`, 'i'),
    names: segments.flatMap(({ name }) => (name ? [name] : [])),
    precedence: segments.map(({ rank }) => rank).join(''),
  };
}

function segmentOf(text: string): Segment {
  const parameter = /^\{(\*{0,2})(\w+)(?::(\w+))?(\?)?\}$/.exec(text);
  if (!parameter) return { rank: '1', pattern: `/${text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')}` };
  const [, star, name = '', constraint, optional] = parameter;
  if (star) return { rank: '5', pattern: '(?:/(.*))?', name };
  const value = constraint ? constraints[constraint] : '[^/]+';
  if (!value) throw new Error(`The route constraint "${constraint}" is not known to the local host.`);
  return { rank: constraint ? '2' : '3', pattern: optional ? `(?:/(${value}))?` : `/(${value})`, name };
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
