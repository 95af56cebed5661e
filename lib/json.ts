/**
 * JSON text to value. On bad text a sentence says where, as line and column from 1, and never quotes the text: it may
 * hold a password. (The runtime's own message quotes, and names no place for short texts.)
 */
export const parseJson = (text: string): { value: unknown } | { fault: string } => {
  try {
    return { value: JSON.parse(text) };
  } catch {
    return { fault: sentence(text, faultAt(text)) };
  }
};

const sentence = (text: string, at: number): string => {
  if (text.trim() === '') return 'The text is empty; JSON was expected.';
  const before = text.slice(0, at);
  const line = before.split('\n').length;
  const column = at - before.lastIndexOf('\n');
  const what = at >= text.length ? 'ends too early' : 'is not valid JSON';
  return `The text ${what} at line ${line}, column ${column}.`;
};

const space = /[\t\n\r ]*/y;
const sign = /[{}[\],:]/y;
const literal = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null/y;
const escaped = /\\(?:["\\/bfnrt]|u[\da-fA-F]{4})/y;

type Wanted = 'value' | 'value or ]' | 'name' | 'name or }' | ':' | ', or end' | 'end';

/** Offset of the first token that RFC 8259 does not allow there; the length of the text where it ends too early. */
function faultAt(text: string): number {
  const open: ('{' | '[')[] = [];
  let wanted: Wanted = 'value';
  let at = 0;
  const afterValue = (): Wanted => (open.length === 0 ? 'end' : ', or end');
  while (true) {
    at = endOf(space, text, at) ?? at;
    const isString = text[at] === '"';
    const end = isString ? endOfString(text, at) : (endOf(sign, text, at) ?? endOf(literal, text, at));
    if (end === undefined) return at;
    const token = text.slice(at, at + 1);
    const takesValue = wanted === 'value' || wanted === 'value or ]';
    if (isString && (wanted === 'name' || wanted === 'name or }')) wanted = ':';
    else if (isString || !'{}[],:'.includes(token)) {
      if (!takesValue) return at;
      wanted = afterValue();
    } else if ((token === '{' || token === '[') && takesValue) {
      open.push(token);
      wanted = token === '{' ? 'name or }' : 'value or ]';
    } else if (token === ':' && wanted === ':') wanted = 'value';
    else if (token === ',' && wanted === ', or end') wanted = open.at(-1) === '{' ? 'name' : 'value';
    else if (closes(token, wanted, open.at(-1))) {
      open.pop();
      wanted = afterValue();
    } else return at;
    at = end;
  }
}

const endOf = (pattern: RegExp, text: string, at: number): number | undefined => {
  pattern.lastIndex = at;
  return pattern.test(text) ? pattern.lastIndex : undefined;
};

/** By hand, since a pattern would run out of stack on a string of megabytes. */
const endOfString = (text: string, begin: number): number | undefined => {
  let at = begin + 1;
  while (at < text.length) {
    const char = text.charCodeAt(at);
    if (char === 0x22) return at + 1;
    if (char < 0x20) return undefined;
    const end: number | undefined = char === 0x5c ? endOf(escaped, text, at) : at + 1;
    if (end === undefined) return undefined;
    at = end;
  }
  return undefined;
};

const closes = (sign: string, wanted: Wanted, open: '{' | '[' | undefined): boolean =>
  (sign === '}' && open === '{' && (wanted === ', or end' || wanted === 'name or }')) ||
  (sign === ']' && open === '[' && (wanted === ', or end' || wanted === 'value or ]'));
