import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  adds,
  covers,
  type Entry,
  merged,
  parseScope,
  parseTarget,
  scopeText,
  union,
} from '../../lib/do-not-email/entry.ts';
import { keyOf } from '../../lib/do-not-email/rows.ts';
import { kindNames } from '../../lib/message/kinds.ts';

const scopes = fc.oneof(
  fc.constant('all' as const),
  fc.subarray(kindNames, { minLength: 1 }).map((list) => kindNames.filter((kind) => list.includes(kind))),
);

describe('whom an entry covers', () => {
  test.each([
    ['  Ana@Example.COM ', 'ana@example.com'],
    ['ana@Bücher.example', 'ana@xn--bcher-kva.example'],
    ['JÖRG@example.com', 'jörg@example.com'],
    ['jo\u0308rg@example.com', 'jörg@example.com'],
    ['@Example.com', '@example.com'],
    ['@bücher.example', '@xn--bcher-kva.example'],
  ])('%s is %s', (given, address) => expect(parseTarget(given)).toEqual({ address }));

  test.each([
    '',
    'ana',
    'ana@',
    '@',
    'a@b@c',
    'a b@example.com',
    'ana@example.com\r\nBcc: x@y.z',
    'a\u037eb@example.com',
  ])('%j is neither an address nor a domain', (given) => expect(parseTarget(given)).toHaveProperty('reason'));

  test('normalising twice is normalising once, whatever the spelling', () => {
    const local = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 12 });
    fc.assert(
      fc.property(local, fc.domain(), (name, domain) => {
        const once = parseTarget(`${name}@${domain}`);
        if ('address' in once) expect(parseTarget(once.address)).toEqual(once);
      }),
      { numRuns: 2000 },
    );
  });

  test('upper case, white space and Unicode form do not tell two spellings of an address apart', () => {
    fc.assert(
      fc.property(fc.emailAddress(), (address) => {
        const parsed = parseTarget(address);
        fc.pre('address' in parsed);
        expect(parseTarget(` ${address.toUpperCase().normalize('NFD')}  `)).toEqual(parsed);
      }),
    );
  });

  test('a key holds no character of the address as it was', () => {
    const { partitionKey, rowKey } = keyOf('ana/#?\\@example.com');
    expect(`${partitionKey} ${rowKey}`).toMatch(/^address-[0-9a-f] [0-9a-f]+$/);
  });
});

describe('scope', () => {
  test('its text reads back', () => {
    fc.assert(
      fc.property(scopes, (scope) => {
        expect(parseScope(scopeText(scope))).toEqual({ scope });
      }),
    );
  });

  test('a union covers both and nothing that neither covers', () => {
    fc.assert(
      fc.property(scopes, scopes, fc.constantFrom(...kindNames), (one, other, kind) => {
        const both = union(one, other);
        expect(covers(both, one) && covers(both, other)).toBe(true);
        expect(covers(both, kind)).toBe(covers(one, kind) || covers(other, kind));
      }),
    );
  });

  test('an unknown kind is refused with its name', () => {
    expect(parseScope('share;newsletter')).toEqual({ reason: expect.stringContaining('"newsletter"') });
  });
});

describe('two entries of one address', () => {
  const entry = (over: Partial<Entry>): Entry => ({
    ...{ address: 'ana@example.com', scope: 'all', reason: 'unsubscribed', source: 'one-click', actor: 'recipient' },
    ...{ time: '2026-11-22T00:00:00.000Z', note: '' },
    ...over,
  });

  test('never stop less than each of them', () => {
    fc.assert(
      fc.property(scopes, scopes, (one, other) => {
        const both = merged(entry({ scope: one }), entry({ scope: other, reason: 'imported' }));
        expect(covers(both.scope, one) && covers(both.scope, other)).toBe(true);
      }),
    );
  });

  test('stay a complaint where one of them is', () => {
    expect(merged(entry({ reason: 'complaint', scope: ['share'] }), entry({})).reason).toBe('complaint');
    expect(merged(entry({}), entry({ reason: 'complaint', scope: ['share'] })).reason).toBe('complaint');
  });

  test('tell what a person said rather than what a relay did', () => {
    const bounced = entry({ reason: 'bounced', source: 'bounce', actor: 'relay' });
    expect(merged(bounced, entry({ scope: ['share'] }))).toMatchObject({ reason: 'unsubscribed', scope: 'all' });
    expect(adds(bounced, merged(bounced, entry({})))).toBe(true);
    expect(merged(entry({}), bounced)).toMatchObject({ reason: 'unsubscribed' });
    const heard = entry({ reason: 'bounced', source: 'api', actor: 'Bo' });
    expect(adds(bounced, merged(bounced, heard))).toBe(true);
    expect(merged(bounced, heard)).toMatchObject({ source: 'api', actor: 'Bo' });
    expect(adds(heard, merged(heard, bounced))).toBe(false);
  });

  test('keep the first reason where the second brings nothing new', () => {
    expect(merged(entry({}), entry({ reason: 'imported', scope: ['share'] })).reason).toBe('unsubscribed');
  });
});
