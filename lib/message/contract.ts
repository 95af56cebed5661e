import { createHash } from 'node:crypto';
import { z } from 'zod';
import { canonicalAddress, emailAddress } from './address.ts';
import { kindNames } from './kinds.ts';
import { singleLine } from './text.ts';

/** Content of one mail in all, in bytes: text, HTML and the decoded attachments. Exchange takes 25 MB, others less. */
export const maxContentBytes = 10_000_000;

export const maxRecipients = 1000;

/** An address with an optional display name. The name is free text: it is encoded, never trusted as a header. */
export const mailbox = z
  .strictObject({
    address: emailAddress,
    name: singleLine(256).optional(),
  })
  .meta({ id: 'Mailbox' });
export type Mailbox = z.output<typeof mailbox>;

/** A file as content: Postern never reads a path or fetches a URL on behalf of a producer. */
export const attachment = z
  .strictObject({
    name: singleLine(255)
      .min(1)
      .regex(/^[^/\\]*$/, 'give a file name without a path'),
    contentType: z
      .string()
      .max(127)
      .regex(/^[\w.+-]+\/[\w.+-]+$/, 'give a media type such as application/pdf')
      .default('application/octet-stream'),
    content: z.base64().meta({ description: 'The bytes in Base64.' }),
    contentId: z
      .string()
      .regex(/^[\w.@+-]+$/, 'give letters, digits and . _ @ + - only')
      .max(128)
      .optional()
      .meta({ description: 'Content-ID of an image that the HTML shows by cid:' }),
  })
  .meta({ id: 'Attachment' });
export type Attachment = z.output<typeof attachment>;

const contentFields = {
  text: z.string().optional(),
  html: z.string().optional(),
  attachments: z.array(attachment).max(50).optional(),
};

/** What the recipient reads; kept in a blob where it does not fit a queue message. */
export const content = z
  .strictObject(contentFields)
  .refine((it) => contentBytes(it) <= maxContentBytes, tooBig())
  .meta({ id: 'Content' });
export type Content = z.output<z.ZodObject<typeof contentFields>>;

/** Bytes of the text, the HTML and the decoded attachments together. */
export const contentBytes = ({ text = '', html = '', attachments = [] }: Content): number =>
  attachments.reduce(
    (sum, file) => sum + Buffer.byteLength(file.content, 'base64'),
    Buffer.byteLength(text) + Buffer.byteLength(html),
  );

const mailFields = {
  kind: z.enum(kindNames).meta({ description: 'Decides lane, time to live, and what the Do Not Email settings mean.' }),
  key: singleLine(256)
    .min(1)
    .optional()
    .meta({ description: 'Idempotency key of the producer: a second message with this key sends nothing.' }),
  to: z
    .array(mailbox)
    .min(1)
    .max(maxRecipients, `must have at most ${maxRecipients} recipients; split the message`)
    .overwrite((all) => withoutRepeats(all)),
  from: mailbox.optional().meta({ description: 'The user on whose behalf it is sent. Only share mail shows it.' }),
  replyTo: mailbox.optional(),
  subject: singleLine(998),
  ...contentFields,
  expiresAt: z.iso
    .datetime({ offset: true })
    .optional()
    .meta({ description: 'Not sent after this time; without it the kind has a time to live.' }),
  notBefore: z.iso.datetime({ offset: true }).optional().meta({ description: 'Not sent before this time.' }),
  ref: z
    .record(singleLine(64), singleLine(256))
    .refine((it) => Object.keys(it).length <= 20, 'must have at most 20 entries')
    .optional()
    .meta({ description: 'The producer’s own references, kept with the history.' }),
};

const needsBody = { path: ['text'], message: 'is required where there is no html' };

/** A mail whose content is inline: what HTTP callers send. */
export const inlineMail = z
  .strictObject(mailFields)
  .refine((it) => (it.text ?? it.html) !== undefined, needsBody)
  .refine((it) => contentBytes(it) <= maxContentBytes, tooBig())
  .meta({ id: 'InlineMail', anyOf: [{ required: ['text'] }, { required: ['html'] }] });

/** Claim check: a blob of the container `content`, holding the JSON of text, html and attachments. */
const claimCheck = z.strictObject({
  blob: z
    .string()
    .max(512)
    .regex(/^[A-Za-z0-9][A-Za-z0-9._/-]*$/, 'give a blob name of letters, digits and . _ / -')
    // A `..` would be resolved in the blob's address and lead to another container.
    .refine((name) => !name.split('/').some((part) => /^\.*$/.test(part)), 'must not have empty or dot-only parts'),
});

/** One request of a platform service. */
export const mail = z
  .strictObject({ ...mailFields, content: claimCheck.optional() })
  .refine((it) => (it.text ?? it.html ?? it.content) !== undefined, {
    path: ['text'],
    message: 'is required where there is neither html nor content',
  })
  .refine((it) => it.content === undefined || (it.text ?? it.html ?? it.attachments) === undefined, {
    path: ['content'],
    message: 'must stand alone: give content by blob or inline, not both',
  })
  .refine((it) => contentBytes(it) <= maxContentBytes, tooBig())
  .meta({ id: 'Mail', anyOf: [{ required: ['text'] }, { required: ['html'] }, { required: ['content'] }] });
export type Mail = z.output<typeof mail>;

/**
 * The body of a queue message. Everything sits under `mail`, since the Functions host lets other top-level properties
 * overwrite the trigger's metadata.
 */
export const queueBody = z.strictObject({ v: z.literal(1), mail });
export type QueueBody = z.output<typeof queueBody>;

/** The contract of both queues as JSON Schema (draft 2020-12): what a producer may write. */
export const queueSchema = (): Record<string, unknown> => ({
  $id: 'urn:postern:queue-message:1',
  title: 'A message on the queues mail and mail-priority, before its Base64',
  ...z.toJSONSchema(queueBody, { io: 'input' }),
});

/**
 * What tells whether two requests with one idempotency key are the same: SHA-256, in base64url, over everything but
 * the key, with the fields in a fixed order.
 */
export const bodyHash = ({ key: _, ...rest }: Mail): string =>
  createHash('sha256').update(canonicalJson(rest)).digest('base64url');

const canonicalJson = (value: unknown): string =>
  JSON.stringify(value, (_, it: unknown) =>
    typeof it === 'object' && it !== null && !Array.isArray(it)
      ? Object.fromEntries(Object.entries(it).sort(([one], [other]) => (one < other ? -1 : 1)))
      : it,
  );

/** One delivery a mailbox: of two spellings of an address the first stays. */
function withoutRepeats(all: Mailbox[]): Mailbox[] {
  const seen = new Set<string>();
  return all.filter(({ address }) => {
    const known = seen.has(canonicalAddress(address));
    seen.add(canonicalAddress(address));
    return !known;
  });
}

function tooBig(): { path: string[]; message: string } {
  return { path: ['content'], message: `must be at most ${maxContentBytes} bytes, attachments included` };
}
