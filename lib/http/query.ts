import { z } from 'zod';
import { type FieldFault, PosternError } from '../errors.ts';
import { check } from '../faults.ts';
import type { AnyRoute } from './route.ts';

/**
 * The query as the route's schema wants it. A key given more than once is an array, and refused where the schema has
 * none; a single value becomes an array where the schema has one. A key that a closed route does not know is refused:
 * a misspelt filter must not answer with everything. A public route passes over it, since mail gateways and browsers
 * add their own to the links that people click.
 *
 * Read from the address itself: the host merges `?q=1&q=2` into one value `1,2`.
 * @throws PosternError `invalid-request` with faults by key.
 */
export const readQuery = (route: Pick<AnyRoute, 'query' | 'access'>, url: URL): unknown => {
  const schema = route.query;
  const shape = schema instanceof z.ZodObject ? (schema.shape as Record<string, z.ZodType>) : {};
  const open = schema instanceof z.ZodObject && schema.def.catchall !== undefined && !isNever(schema.def.catchall);
  const faults: FieldFault[] = [];
  const given: Record<string, string | string[]> = {};
  for (const key of new Set(url.searchParams.keys())) {
    const values = url.searchParams.getAll(key);
    if (!Object.hasOwn(shape, key) && !open) {
      if (route.access !== 'public') faults.push({ path: key, reason: unknownKey(Object.keys(shape)) });
    } else if (shape[key] && takesArray(shape[key])) given[key] = values;
    else if (values.length > 1) faults.push({ path: key, reason: 'is given more than once' });
    else given[key] = values[0] ?? '';
  }
  if (faults.length > 0) throw new PosternError('invalid-request', 'The query is not valid.', { faults });
  return schema ? validated(schema, given, 'query') : {};
};

/** @throws PosternError `invalid-request` with faults by name. */
export const readParams = (route: Pick<AnyRoute, 'params'>, params: Record<string, string>): unknown =>
  route.params ? validated(route.params, params, 'path') : params;

function validated(schema: z.ZodType, value: unknown, what: string): unknown {
  const read = check(schema, value);
  if ('value' in read) return read.value;
  throw new PosternError('invalid-request', `The ${what} is not valid.`, { faults: read.faults });
}

const unknownKey = (known: string[]): string =>
  known.length === 0 ? 'is not known; this route takes no query' : `is not known; known are ${known.join(', ')}`;

const isNever = (schema: unknown): boolean => schema instanceof z.ZodNever;

/** Whether an array lies under `optional`, `default` and the like. */
function takesArray(schema: z.ZodType): boolean {
  if (schema instanceof z.ZodArray) return true;
  const inner = schema instanceof z.ZodPipe ? schema.def.in : (schema.def as { innerType?: z.ZodType }).innerType;
  return inner instanceof z.ZodType && takesArray(inner);
}
