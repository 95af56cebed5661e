import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseJson } from '../../lib/json.ts';

test.each([
  ['', 'The text is empty; JSON was expected.'],
  [' \n', 'The text is empty; JSON was expected.'],
  ['{"a":1', 'The text ends too early at line 1, column 7.'],
  ['{"a":"b', 'The text is not valid JSON at line 1, column 6.'],
  ['[1,]', 'The text is not valid JSON at line 1, column 4.'],
  ['{"a" 1}', 'The text is not valid JSON at line 1, column 6.'],
  ["{'a':1}", 'The text is not valid JSON at line 1, column 2.'],
  ['{"a":1}\n\n}', 'The text is not valid JSON at line 3, column 1.'],
  ['[01]', 'The text is not valid JSON at line 1, column 3.'],
  ['["\t"]', 'The text is not valid JSON at line 1, column 2.'],
  ['[}', 'The text is not valid JSON at line 1, column 2.'],
])('%j is told where it breaks', (text, fault) => {
  expect(parseJson(text)).toEqual({ fault });
});

test('what is JSON is read, and what is cut from it is refused where it was cut or before', () => {
  fc.assert(
    fc.property(fc.json(), fc.nat(), (text, at) => {
      expect(parseJson(text)).toEqual({ value: JSON.parse(text) });
      const cut = text.slice(0, at % text.length);
      const read = parseJson(cut);
      if ('value' in read) return;
      const column = Number(/column (\d+)/.exec(read.fault)?.[1] ?? 1);
      expect(column).toBeLessThanOrEqual(cut.length + 1);
    }),
  );
});

test('a long text that breaks is told where, too', () => {
  expect(parseJson(`["${'x'.repeat(12_000_000)}",]`)).toEqual({
    fault: 'The text is not valid JSON at line 1, column 12000005.',
  });
  expect(parseJson('['.repeat(1_000_000))).toEqual({ fault: 'The text ends too early at line 1, column 1000001.' });
});
