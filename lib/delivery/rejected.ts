import { iso } from '../clock.ts';
import type { FieldFault } from '../errors.ts';
import { parseJson } from '../json.ts';
import { type Mail, mail as mailSchema, maxRecipients } from '../message/contract.ts';
import { traitsOf } from '../message/kinds.ts';
import { type BadBody, printable } from '../message/queue-body.ts';
import { type Delivery, notKept, type Reason } from './delivery.ts';
import { deliveryIdOf } from './id.ts';

export interface Rejection {
  bad: BadBody;
  messageId: string;
  /** The first recipient's place, behind those who were accepted. */
  firstN: number;
  /** Stable reason code. */
  code: string;
  /** For each recipient its own faults, where nothing else is wrong. */
  each?: readonly (readonly FieldFault[])[] | undefined;
  at: number;
}

/**
 * The visible rows of a message that is not by the contract: one for each recipient that it names, or one in all where
 * it names none. Born `failed`, with every fault's field path.
 */
export const rejected = ({ bad, messageId, firstN, code, each, at }: Rejection): Delivery[] => {
  const addresses = bad.to.length > 0 ? bad.to : [''];
  // A thousand addresses under one fault of the message is one row, not a thousand.
  const shown = addresses.length > 100 && !each ? [''] : addresses;
  const standsFor = shown.length < addresses.length ? allOf(addresses.length) : '';
  const hidden = bad.kind !== undefined && traitsOf(bad.kind).confidential;
  return shown.map((address, i) => {
    const reason: Reason = { code, detail: `${told(each?.[i] ?? bad.faults)}${standsFor}` };
    return {
      id: deliveryIdOf(messageId, Math.min(firstN + i, 999)),
      messageId,
      state: 'failed',
      kind: bad.kind ?? 'unknown',
      to: { address },
      subject: hidden ? notKept : (bad.subject ?? ''),
      key: bad.key,
      acceptedAt: iso(at),
      changedAt: iso(at),
      expiresAt: iso(at),
      reason,
      attempt: 0,
      tries: 0,
      attempts: [],
      trail: [{ at: iso(at), to: 'failed', reason, by: 'accept' }],
    };
  });
};

/**
 * The text of a refused message as its row keeps it: without what the recipient was to read where that is a code or a
 * link to an account, which nobody may read afterwards or send again.
 */
export const keptOriginal = (text: string, kind: Delivery['kind'] | undefined): string => {
  if (kind === undefined || kind === 'unknown' || !traitsOf(kind).confidential) return text;
  const json = parseJson(text);
  if (!('value' in json)) return '';
  return JSON.stringify(json.value, (name, value: unknown) => (secret.has(name) ? undefined : value));
};

const secret = new Set(['text', 'html', 'attachments', 'subject']);

/** Where nothing but single addresses is wrong, the others still get their mail. */
export const goodRecipients = (
  value: unknown,
  faults: readonly FieldFault[],
): { mail: Mail; bad: string[]; faults: FieldFault[][] } | undefined => {
  const places = Map.groupBy(faults, ({ path }) => /^mail\.to\.(\d+)\./.exec(path)?.[1]);
  if (places.has(undefined)) return undefined;
  const wrong = new Set([...places.keys()].map(Number));
  const body = value as { mail: { to: { address?: unknown }[] } };
  const good = body.mail.to.filter((_, i) => !wrong.has(i));
  const read = mailSchema.safeParse({ ...body.mail, to: good });
  if (!read.success) return undefined;
  const bad = [...wrong].map((i) => printable(body.mail.to[i]?.address, 320));
  return { mail: read.data, bad, faults: [...places.values()] };
};

/** What was read of a message's recipients ends at the most that a message may have. */
const allOf = (recipients: number): string =>
  `; refused for all of its ${recipients} recipients${recipients < maxRecipients ? '' : ' or more'}`;

const told = (faults: readonly FieldFault[]): string =>
  faults
    .slice(0, 20)
    .map(({ path, reason }) => (path ? `${path}: ${reason}` : reason))
    .join('; ')
    .slice(0, 2000);
