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

const token =
  /[\t\n\r ]*(?:([{}[\],:])|("(?:[^"\\\p{Cc}]|[\x7f-\x9f]|\\(?:["\\/bfnrt]|u[\da-fA-F]{4}))*")|(-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null))/uy;

type Wanted = 'value' | 'value or ]' | 'name' | 'name or }' | ':' | ', or end' | 'end';

/** Offset of the first token that RFC 8259 does not allow there; the length of the text where it ends too early. */
function faultAt(text: string): number {
  const open: ('{' | '[')[] = [];
  let wanted: Wanted = 'value';
  let at = 0;
  const afterValue = (): Wanted => (open.length === 0 ? 'end' : ', or end');
  while (true) {
    token.lastIndex = at;
    const found = token.exec(text);
    const begin = at + (/^[\t\n\r ]*/.exec(text.slice(at, at + 10_000))?.[0].length ?? 0);
    if (!found) return begin;
    const [all, sign, string] = found;
    if (sign === undefined) {
      if (string !== undefined && (wanted === 'name' || wanted === 'name or }')) wanted = ':';
      else if (wanted === 'value' || wanted === 'value or ]') wanted = afterValue();
      else return begin;
    } else if ((sign === '{' || sign === '[') && (wanted === 'value' || wanted === 'value or ]')) {
      open.push(sign);
      wanted = sign === '{' ? 'name or }' : 'value or ]';
    } else if (sign === ':' && wanted === ':') wanted = 'value';
    else if (sign === ',' && wanted === ', or end') wanted = open.at(-1) === '{' ? 'name' : 'value';
    else if (closes(sign, wanted, open.at(-1))) {
      open.pop();
      wanted = afterValue();
    } else return begin;
    at += all.length;
  }
}

const closes = (sign: string, wanted: Wanted, open: '{' | '[' | undefined): boolean =>
  (sign === '}' && open === '{' && (wanted === ', or end' || wanted === 'name or }')) ||
  (sign === ']' && open === '[' && (wanted === ', or end' || wanted === 'value or ]'));
