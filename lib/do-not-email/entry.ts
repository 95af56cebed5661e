import { domainToASCII } from 'node:url';
import { z } from 'zod';
import { canonicalAddress, parseAddress } from '../message/address.ts';
import { type Kind, kindNames } from '../message/kinds.ts';
import { singleLine } from '../message/text.ts';

/** Why somebody is on the list. A complaint ("this is spam") is the strongest: see the overrides in `gate.ts`. */
export const reasons = ['unsubscribed', 'complaint', 'bounced', 'admin', 'imported'] as const;
export type Reason = (typeof reasons)[number];

/** By which way an entry came. */
export const sources = ['unsubscribe-page', 'one-click', 'api', 'import', 'bounce', 'complaint'] as const;
export type Source = (typeof sources)[number];

/**
 * Whom an entry covers, in the one form in which two spellings are equal: an address (trimmed, lower case, NFC, ASCII
 * domain), or a whole domain written `@example.com`, which covers its addresses and not those of its subdomains.
 * @returns the reason where it is neither.
 */
export const parseTarget = (text: string): { address: string } | { reason: string } => {
  const trimmed = text.trim();
  if (!trimmed.startsWith('@')) {
    const parsed = parseAddress(text);
    return 'address' in parsed ? { address: canonicalAddress(parsed.address) } : parsed;
  }
  const parsed = parseAddress(`any${trimmed}`);
  return 'address' in parsed ? { address: canonicalAddress(parsed.address).slice('any'.length) } : parsed;
};

export const isDomain = (address: string): boolean => address.startsWith('@');

/** The domain of a canonical address or whole-domain entry. */
export const domainOf = (address: string): string => address.slice(address.lastIndexOf('@') + 1);

/** zod: an address or `@domain`, normalised. */
export const target = z
  .string()
  .max(512)
  .transform((text, context) => {
    const parsed = parseTarget(text);
    if ('address' in parsed) return parsed.address;
    context.addIssue({ code: 'custom', message: parsed.reason });
    return z.NEVER;
  })
  .meta({ description: 'An address, or a whole domain written @example.com.' });

/** zod: which mail an entry stops: all, or the listed kinds. */
export const scope = z.union([
  z.literal('all'),
  z
    .array(z.enum(kindNames))
    .min(1)
    .transform((list) => sorted(list)),
]);
export type Scope = 'all' | Kind[];

export const entry = z.object({
  address: z.string(),
  scope,
  reason: z.enum(reasons),
  source: z.enum(sources),
  /** Who did it: the admin's name, or `recipient`. */
  actor: z.string(),
  /** When it last changed. */
  time: z.iso.datetime(),
  note: singleLine(500).default(''),
});
export type Entry = z.output<typeof entry>;

/** What a caller gives; the list adds the time. */
export type Request = Omit<Entry, 'time'>;

const sorted = (list: readonly Kind[]): Kind[] => kindNames.filter((kind) => list.includes(kind));

export const covers = (outer: Scope, inner: Scope | Kind): boolean => {
  if (outer === 'all') return true;
  if (inner === 'all') return false;
  return (Array.isArray(inner) ? inner : [inner]).every((kind) => outer.includes(kind));
};

export const union = (one: Scope, other: Scope): Scope =>
  one === 'all' || other === 'all' ? 'all' : sorted([...one, ...other]);

/** `all`, or kinds joined by `;`: the form of table columns and of CSV. */
export const scopeText = (value: Scope): string => (value === 'all' ? 'all' : value.join(';'));

/** Reads `scopeText` and, for people, also spaces and an empty cell (= all). @returns the reason where it cannot be read. */
export const parseScope = (text: string): { scope: Scope } | { reason: string } => {
  const words = text
    .toLowerCase()
    .split(/[;\s]+/)
    .filter(Boolean);
  if (words.length === 0 || (words.length === 1 && words[0] === 'all')) return { scope: 'all' };
  const unknown = words.find((word) => !kindNames.includes(word as Kind));
  if (unknown) return { reason: `"${unknown}" is not a kind of mail; use all, or kinds joined by semicolons` };
  return { scope: sorted(words as Kind[]) };
};

/**
 * One entry where two meet: the wider scope, the first entry's story. A complaint stays one whatever follows, and an
 * entry that meets a complaint becomes one, since its overrides are narrower. What a relay's refusal said gives way to
 * what a person says: the one may be taken back, the other must not be with it.
 */
export const merged = (known: Entry, more: Entry): Entry => {
  const complaint = more.reason === 'complaint' && known.reason !== 'complaint';
  const byPerson = isByRelay(known) && !isByRelay(more);
  const story = complaint || byPerson || !covers(known.scope, more.scope) ? more : known;
  const reason = known.reason === 'complaint' || complaint ? 'complaint' : story.reason;
  return {
    ...story,
    address: known.address,
    scope: union(known.scope, more.scope),
    reason,
    note: story.note || known.note,
  };
};

/** Whether a merged entry says more than the known one. */
export const adds = (known: Entry, entry: Entry): boolean =>
  !covers(known.scope, entry.scope) || entry.reason !== known.reason || isByRelay(entry) !== isByRelay(known);

const isByRelay = ({ source }: Entry): boolean => source === 'bounce';

/** A domain as keys have it; empty where the text is none. */
export const asciiDomain = (text: string): string => domainToASCII(text.trim().replace(/^@/, '')).toLowerCase();
