import { domainToASCII } from 'node:url';
import { z } from 'zod';
import { hasControl } from './text.ts';

/**
 * Checks and normalises one e-mail address: `local@domain`, trimmed. Nothing but a plain addr-spec without comments,
 * quoted local parts, lists, display names or spaces passes, so that no library behind can read two recipients or a
 * command out of it (RFC 5321 section 4.1.2; the quoted form is legal there, and left out on purpose).
 * @returns the address with an ASCII domain in lower case (IDNA), or the reason why it is not one.
 */
export const parseAddress = (text: string): { address: string } | { reason: string } => {
  // Before all checks: some characters become a semicolon, a space or a letter of ASCII by it, e.g. U+037E.
  const trimmed = text.normalize('NFC').trim();
  if (trimmed === '') return { reason: 'is empty' };
  if (hasControl(text)) return { reason: 'has a line break or control character' };
  if (/\s/u.test(trimmed)) return { reason: 'has a space' };
  if (/[,;]/.test(trimmed)) return { reason: 'has a comma or semicolon; give one address each' };
  if (/["<>()[\]\\:]/.test(trimmed)) return { reason: 'has quotes, brackets or a colon; give the bare address' };
  const at = trimmed.lastIndexOf('@');
  if (at < 1 || trimmed.indexOf('@') !== at) return { reason: 'is not of the form name@domain' };
  const local = trimmed.slice(0, at);
  const domain = domainToASCII(trimmed.slice(at + 1)).toLowerCase();
  if (Buffer.byteLength(local) > 64) return { reason: 'has more than 64 bytes before the @' };
  if (local.startsWith('.') || local.endsWith('.') || local.includes('..')) return { reason: 'has a misplaced dot' };
  if (local.startsWith('-')) return { reason: 'begins with a hyphen' };
  if (!/^(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/.test(domain)) {
    return { reason: 'has no valid domain' };
  }
  if (local.length + 1 + domain.length > 254) return { reason: 'is longer than 254 characters' };
  return { address: `${local}@${domain}` };
};

/** zod: an e-mail address in the form that `parseAddress` gives. */
export const emailAddress = z
  .string()
  .max(512)
  .check((payload) => {
    const parsed = parseAddress(payload.value);
    if ('address' in parsed) payload.value = parsed.address;
    else payload.issues.push({ code: 'custom', input: payload.value, message: parsed.reason });
  })
  .meta({ format: 'idn-email' });

/**
 * The form in which two spellings of one mailbox are equal: lower case, NFC, ASCII domain. For look-ups and hashes
 * only; mail is sent to the address as given, since a local part may be case-sensitive (RFC 5321 section 2.4).
 */
export const canonicalAddress = (address: string): string =>
  address.trim().normalize('NFC').toLowerCase().normalize('NFC');
