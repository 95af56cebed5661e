import { isIP } from 'node:net';
import { z } from 'zod';
import { parseAddress } from '../message/address.ts';
import { singleLine } from '../message/text.ts';

const guid = /^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/i;
const domainName = /^(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]{0,61}[a-z0-9]$/i;
const hostName = /^(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)*[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/;

export const isRedirect = (text: string): boolean => {
  if (!URL.canParse(text)) return false;
  const url = new URL(text);
  if (url.hash !== '' || url.username !== '') return false;
  return url.protocol === 'https:' || (url.protocol === 'http:' && ['localhost', '127.0.0.1'].includes(url.hostname));
};

export const isDay = (text: string): boolean => z.iso.date().safeParse(text).success;
export const isTime = (text: string): boolean => z.iso.datetime({ offset: true }).safeParse(text).success;

/** One line of text that is empty or passes the test; the sentence says what it should be. */
export const emptyOr = (max: number, test: (text: string) => boolean, sentence: string) =>
  singleLine(max)
    .trim()
    .refine((text) => text === '' || test(text), sentence);

/** An e-mail address or nothing. */
export const address = z
  .string()
  .max(512)
  .transform((text, context) => {
    if (text.trim() === '') return '';
    const parsed = parseAddress(text);
    if ('address' in parsed) return parsed.address;
    context.addIssue({ code: 'custom', message: parsed.reason });
    return z.NEVER;
  });

/** A tenant as it may stand in the path of the authority's address: never any other text, since secrets go there. */
export const isTenant = (text: string): boolean => guid.test(text) || domainName.test(text);

export const isClientId = (text: string): boolean => guid.test(text);

/** A host name or IP address, or nothing. */
export const host = z
  .string()
  .max(253)
  .trim()
  .toLowerCase()
  .refine(
    (text) => text === '' || hostName.test(text) || isIP(text) > 0,
    'give a host name such as smtp.example.com, without a scheme, port or path',
  );
