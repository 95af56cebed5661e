import { createHmac, timingSafeEqual } from 'node:crypto';
import { z } from 'zod';
import { type Clock, days, iso } from '../clock.ts';
import { type Kind, kindNames } from '../message/kinds.ts';
import type { SigningKeys } from './signing-keys.ts';

/** What an unsubscribe link names: one recipient and what it stops, and nothing about the mail it stands in. */
export interface UnsubscribeLink {
  recipient: string;
  scope: 'all' | Kind;
}

/** What an undo link names: the entry that the recipient made, by address and time. */
export interface UndoLink {
  recipient: string;
  time: string;
}

/** How long after unsubscribing "that wasn't me" can be said. */
export const undoable = days(30);

export interface UnsubscribeTokens {
  /** The same link gives the same token as long as the key is the same. No expiry. @throws where there is no key. */
  sign(link: UnsubscribeLink): Promise<string>;
  /** @returns `undefined` where the token was not signed here for this purpose. @throws where the key cannot be read. */
  read(token: string): Promise<UnsubscribeLink | undefined>;
  signUndo(link: UndoLink): Promise<string>;
  /** @returns `undefined` also where the unsubscribing is longer ago than `undoable`. */
  readUndo(token: string): Promise<UndoLink | undefined>;
}

const unsubscribe = z.strictObject({
  p: z.literal('unsubscribe'),
  k: z.string(),
  r: z.string(),
  s: z.enum(['all', ...kindNames]),
});
const undo = z.strictObject({ p: z.literal('undo'), k: z.string(), r: z.string(), t: z.iso.datetime() });

/**
 * Tokens `base64url(payload).base64url(HMAC-SHA-256)`. The payload is JSON with its purpose (`p`, so that one kind of
 * token is never taken for another), the version of the key (`k`), the recipient (`r`) and the scope (`s`) or the time
 * (`t`). It is signed, not encrypted: who sees the link can read the address in it, which is the address of the mailbox
 * that the mail lies in. Logs of a proxy in front of the app therefore hold addresses; Postern's own log never has a
 * token. An unsubscribe link grants nothing but stopping mail to that one address.
 */
export const unsubscribeTokens = ({ keys, clock }: { keys: SigningKeys; clock: Clock }): UnsubscribeTokens => {
  const signed = async (claims: Record<string, string>): Promise<string> => {
    const { version, key } = await keys.newest();
    const payload = Buffer.from(JSON.stringify({ ...claims, k: version })).toString('base64url');
    return `${payload}.${macOf(key, payload).toString('base64url')}`;
  };

  const verified = async <T extends { k: string }>(schema: z.ZodType<T>, token: string): Promise<T | undefined> => {
    const [payload = '', mac = '', ...rest] = token.split('.');
    if (rest.length > 0 || token.length > 2048) return undefined;
    const claims = schema.safeParse(parsed(payload));
    if (!claims.success) return undefined;
    const key = await keys.byVersion(claims.data.k);
    return key && equal(macOf(key, payload), Buffer.from(mac, 'base64url')) ? claims.data : undefined;
  };

  return {
    sign: ({ recipient, scope }) => signed({ p: 'unsubscribe', r: recipient, s: scope }),
    read: async (token) => {
      const claims = await verified(unsubscribe, token);
      return claims && { recipient: claims.r, scope: claims.s };
    },
    signUndo: ({ recipient, time }) => signed({ p: 'undo', r: recipient, t: time }),
    readUndo: async (token) => {
      const claims = await verified(undo, token);
      return claims && iso(clock.now() - undoable) < claims.t ? { recipient: claims.r, time: claims.t } : undefined;
    },
  };
};

const macOf = (key: Buffer, payload: string) =>
  createHmac('sha256', key).update('postern link\n').update(payload).digest();

/** Takes as long for a nearly right signature as for a wrong one. */
const equal = (one: Buffer, other: Buffer) => one.length === other.length && timingSafeEqual(one, other);

const parsed = (payload: string): unknown => {
  try {
    return JSON.parse(Buffer.from(payload, 'base64url').toString('utf8'));
  } catch {
    return undefined;
  }
};
