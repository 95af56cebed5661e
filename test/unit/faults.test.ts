import { expect, test } from 'vitest';
import { z } from 'zod';
import { posted } from '../../functions/http/messages.ts';
import { scope } from '../../lib/do-not-email/entry.ts';
import { check } from '../../lib/faults.ts';
import { kindNames } from '../../lib/message/kinds.ts';

const faultsOf = (schema: z.ZodType, value: unknown) => {
  const read = check(schema, value);
  return 'faults' in read ? Object.fromEntries(read.faults.map(({ path, reason }) => [path, reason])) : {};
};

test.each([
  [['shares'], { 'scope.0': `must be one of ${kindNames.join(', ')}` }],
  [['share', 5], { 'scope.1': `must be one of ${kindNames.join(', ')}` }],
  [[], { scope: 'must have at least 1 entry' }],
  ['shares', { scope: 'must be all or an array' }],
  [5, { scope: 'must be all or an array' }],
  [null, { scope: 'must be all or an array' }],
  [{}, { scope: 'must be all or an array' }],
  [undefined, { scope: 'is required' }],
])('of "all" or a list, %j is told what is wrong with it', (value, told) => {
  expect(faultsOf(z.strictObject({ scope }), { scope: value })).toEqual(told);
});

const text = z.strictObject({ text: z.string().min(1), size: z.int().optional() });
const either = z.union([z.string().max(3), z.null(), text, z.strictObject({ at: z.int(), of: z.int() })]);

test.each([
  ['abcd', { '': 'must have at most 3 characters' }],
  [7, { '': 'must be a string, null or an object' }],
  [{ text: '' }, { text: 'must not be empty' }],
  [
    { text: 'a', size: 'b', colour: 'c' },
    { size: 'must be a number', colour: 'is not a known field' },
  ],
  [{ at: 1 }, { of: 'is required' }],
])('of several shapes, %j is told by the one that it was meant for', (value, told) => {
  expect(faultsOf(either, value)).toEqual(told);
});

test('a message that lacks fields is told which, with or without what the queue wraps around it', () => {
  const bare = faultsOf(posted, { kind: 'share' });
  expect(Object.keys(bare)).toEqual(expect.arrayContaining(['to', 'subject']));
  expect(bare).not.toHaveProperty('v');
  const wrapped = faultsOf(posted, { v: 1, mail: { kind: 'share' } });
  expect(Object.keys(wrapped)).toEqual(expect.arrayContaining(['mail.to', 'mail.subject']));
  expect(faultsOf(posted, { v: 2, mail: { kind: 'share' } })).toHaveProperty('v', 'must be 1');
});
