import type { z } from 'zod';
import type { FieldFault } from './errors.ts';

/**
 * Holds a value against a schema. Faults carry the field's path and a sentence that says what to do; the value itself
 * is never quoted, since it may be a secret. A schema's own message wins over the general sentence.
 */
export const check = <T extends z.ZodType>(
  schema: T,
  value: unknown,
): { value: z.output<T> } | { faults: FieldFault[] } => {
  const read = schema.safeParse(value, { error: (issue) => sentenceFor(issue) });
  return read.success ? { value: read.data } : { faults: read.error.issues.flatMap((issue) => faultsOf(issue, [])) };
};

type Path = readonly PropertyKey[];

const faultsOf = (issue: z.core.$ZodIssue, above: Path): FieldFault[] => {
  const path = [...above, ...issue.path];
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => ({ path: joined([...path, key]), reason: 'is not a known field' }));
  }
  if (issue.code === 'invalid_union' && issue.errors.length > 0) return closest(issue.errors, path);
  return [{ path: joined(path), reason: issue.message }];
};

type Branch = readonly z.core.$ZodIssue[];

/**
 * Of a union's branches the one that the value was meant for: one of the value's own type, that knows the most of its
 * keys; of those the one that came nearest, whose faults lie deepest and are more than a wrong type; then the one with
 * fewer faults. Where the value is of no branch's type, all that it may be is told.
 */
const closest = (branches: readonly Branch[], path: Path): FieldFault[] => {
  const fitting = branches.filter((branch) => !branch.some(isOtherThing));
  if (fitting.length === 0) {
    const wanted = [
      ...new Set(branches.flatMap((branch) => branch.filter(isOtherThing).map(({ message }) => message))),
    ];
    return [{ path: joined(path), reason: alternatives(wanted) }];
  }
  const faults = (branch: Branch) => branch.flatMap((issue) => faultsOf(issue, path));
  const order = (one: Branch, other: Branch) =>
    strangers(one) - strangers(other) || depth(other) - depth(one) || faults(one).length - faults(other).length;
  return faults([...fitting].sort(order)[0] ?? []);
};

/** The value itself, not a part of it, is of another type, or none of the values that it may be. */
const isOtherThing = ({ path, code }: z.core.$ZodIssue): boolean =>
  path.length === 0 && (code === 'invalid_type' || code === 'invalid_value');

const strangers = (branch: Branch): number =>
  branch.reduce((n, it) => n + (it.path.length === 0 && it.code === 'unrecognized_keys' ? it.keys.length : 0), 0);

const depth = (branch: Branch): number =>
  Math.max(...branch.map((it) => 2 * it.path.length + (['invalid_type', 'invalid_value'].includes(it.code) ? 0 : 1)));

/** `must be all`, `must be null`, `must be an array`: `must be all, null or an array`. */
const alternatives = (sentences: readonly string[]): string => {
  const [first = 'is not valid', ...others] = sentences.map((it, at) => (at === 0 ? it : it.replace(/^must be /, '')));
  const last = others.pop();
  return last === undefined ? first : `${[first, ...others].join(', ')} or ${last}`;
};

const joined = (path: Path): string => path.map(String).join('.');

function sentenceFor(issue: z.core.$ZodRawIssue): string {
  switch (issue.code) {
    case 'invalid_type':
      return issue.input === undefined ? 'is required' : `must be ${article(issue.expected)}`;
    case 'invalid_value':
      if (issue.input === undefined) return 'is required';
      return issue.values.length === 1
        ? `must be ${String(issue.values[0])}`
        : `must be one of ${issue.values.map(String).join(', ')}`;
    case 'too_small':
      return `must ${sized(issue.origin, 'at least', Number(issue.minimum))}`;
    case 'too_big':
      return `must ${sized(issue.origin, 'at most', Number(issue.maximum))}`;
    case 'invalid_format':
      return `must be ${formats[issue.format] ?? `a valid ${issue.format}`}`;
    case 'not_multiple_of':
      return `must be a multiple of ${issue.divisor}`;
    case 'unrecognized_keys':
      return 'has unknown fields';
    default:
      return 'is not valid';
  }
}

const formats: Record<string, string> = {
  base64: 'Base64',
  date: 'a date such as 2026-11-30',
  datetime: 'a time with its zone, such as 2026-11-30T12:00:00Z',
  url: 'an address such as https://example.com/',
  uuid: 'a UUID',
  regex: 'of the right form',
};

const article = (type: string): string => {
  if (type === 'int') return 'a whole number';
  if (type === 'record') return 'an object';
  if (type === 'null') return type;
  return `${/^[aeiou]/.test(type) ? 'an' : 'a'} ${type}`;
};

const sized = (origin: string, bound: string, n: number): string => {
  if (origin === 'string') return n === 1 && bound === 'at least' ? 'not be empty' : `have ${bound} ${n} characters`;
  if (origin === 'array' || origin === 'set') return `have ${bound} ${n} ${n === 1 ? 'entry' : 'entries'}`;
  return `be ${bound} ${n}`;
};
