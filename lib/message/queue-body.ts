import type { FieldFault } from '../errors.ts';
import { check } from '../faults.ts';
import { parseJson } from '../json.ts';
import { maxRecipients, type QueueBody, queueBody } from './contract.ts';
import { type Kind, kindNames } from './kinds.ts';

/** A queue message that is not by the contract, with what can still be said about it for its visible `failed` row. */
export interface BadBody {
  faults: FieldFault[];
  kind?: Kind | undefined;
  key?: string | undefined;
  subject?: string | undefined;
  /** What stands where addresses belong: printable, at most 320 characters each. For show only, never for sending. */
  to: string[];
}

/**
 * Reads the body of a queue message.
 * @param body the text; or what the Functions library has made of it, which parses JSON texts by itself.
 * @returns the valid body, normalised, or every fault with its path (`mail.to.0.address`; empty: the whole body).
 */
export const parseQueueBody = (body: unknown): { body: QueueBody } | BadBody => {
  const json = typeof body === 'string' ? parseJson(body) : { value: body };
  if ('fault' in json) return { faults: [{ path: '', reason: json.fault }], to: [] };
  const read = check(queueBody, json.value);
  return 'value' in read ? { body: read.value } : { faults: read.faults, ...gist(json.value) };
};

function gist(value: unknown): Omit<BadBody, 'faults'> {
  const mail = field(value, 'mail');
  const kind = kindNames.find((name) => name === field(mail, 'kind'));
  const key = shown(field(mail, 'key'), 256);
  const subject = shown(field(mail, 'subject'), 998);
  const to = field(mail, 'to');
  return {
    ...(kind && { kind }),
    ...(key && { key }),
    ...(subject && { subject }),
    to: (Array.isArray(to) ? to : [])
      .slice(0, maxRecipients)
      .flatMap((one) => shown(field(one, 'address') ?? one, 320) ?? []),
  };
}

const field = (value: unknown, name: string): unknown =>
  typeof value === 'object' && value !== null && Object.hasOwn(value, name)
    ? (value as Record<string, unknown>)[name]
    : undefined;

const shown = (value: unknown, most: number): string | undefined =>
  typeof value === 'string' ? printable(value, most) : undefined;

/** What came from outside, on one line and cut, for people to read. */
export const printable = (value: unknown, most: number): string =>
  String(value ?? '')
    .replaceAll(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, ' ')
    .slice(0, most);
