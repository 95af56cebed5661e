import type { HttpRequest } from '@azure/functions';
import { PosternError } from '../errors.ts';
import { check } from '../faults.ts';
import { parseJson } from '../json.ts';
import type { AnyRoute } from './route.ts';

export const defaultMaxBody = 64 * 1024;

/** The media types that a route takes, in lower case; `*` takes any. */
export const bodyTypes = (route: Pick<AnyRoute, 'bodyType'>): readonly string[] =>
  [route.bodyType ?? 'application/json'].flat();

export const takesBody = (route: Pick<AnyRoute, 'body' | 'bodyType'>): boolean =>
  route.body !== undefined || route.bodyType !== undefined;

/**
 * Reads and validates the body that a route declares; `undefined` where it declares none.
 *
 * The Functions host hands over no body without Content-Length (a chunked one is dropped before the app sees it), so
 * such a request is refused instead of taken for an empty one.
 * @throws PosternError `length-required`, `body-too-large`, `unsupported-media-type`, `invalid-json`,
 * `invalid-request` with faults by field. None quotes the body.
 */
export const readBody = async (route: AnyRoute, request: HttpRequest): Promise<unknown> => {
  if (!takesBody(route)) return undefined;
  const limit = route.maxBody ?? defaultMaxBody;
  const tooLarge = () => new PosternError('body-too-large', `At most ${limit} bytes are taken here.`);
  if (Number(request.headers.get('content-length') ?? 0) > limit) throw tooLarge();
  const bytes = new Uint8Array(await request.arrayBuffer());
  if (bytes.length > limit) throw tooLarge();
  if (bytes.length === 0) return absent(route, request.headers);
  refuseOtherType(route, request.headers);
  const text = decoded(bytes);
  if (route.bodyType !== undefined) return route.body ? validated(route, text) : text;
  const json = parseJson(text);
  if ('fault' in json) throw new PosternError('invalid-json', json.fault);
  return validated(route, json.value);
};

function absent(route: AnyRoute, headers: Headers): undefined {
  const announced = headers.has('content-length') && !headers.has('transfer-encoding');
  const optional = route.body?.safeParse(undefined).success === true;
  if (optional && !headers.has('transfer-encoding')) return route.body?.parse(undefined) as undefined;
  if (!announced) {
    throw new PosternError('length-required', 'Send the body with a Content-Length; chunked bodies do not get here.');
  }
  if (route.body && route.bodyType === undefined) throw new PosternError('invalid-json', 'The body is empty.');
  throw new PosternError('invalid-request', 'The body is empty.');
}

function refuseOtherType(route: AnyRoute, headers: Headers): void {
  const types = bodyTypes(route);
  const [type = '', ...parameters] = (headers.get('content-type') ?? '').toLowerCase().split(';');
  const charset = parameters.map((it) => /^\s*charset\s*=\s*"?([\w-]+)"?\s*$/.exec(it)?.[1]).find(Boolean);
  const known = types.includes('*') || types.includes(type.trim());
  if (known && (charset === undefined || charset === 'utf-8' || charset === 'utf8')) return;
  throw new PosternError('unsupported-media-type', `Send the body as ${types.join(' or ')} in UTF-8.`);
}

function decoded(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw new PosternError('invalid-request', 'The body is not UTF-8.');
  }
}

function validated(route: AnyRoute, value: unknown): unknown {
  if (!route.body) return value;
  const read = check(route.body, value);
  if ('value' in read) return read.value;
  throw new PosternError('invalid-request', 'The body is not as this route wants it.', { faults: read.faults });
}
