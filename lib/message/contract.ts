import { z } from 'zod';
import { emailAddress } from './address.ts';
import { kindNames } from './kinds.ts';
import { singleLine } from './text.ts';

/** An address with an optional display name. The name is free text: it is encoded, never trusted as a header. */
export const mailbox = z.strictObject({
  address: emailAddress,
  name: singleLine(256).optional(),
});
export type Mailbox = z.output<typeof mailbox>;

/** A file as content: Postern never reads a path or fetches a URL on behalf of a producer. */
export const attachment = z.strictObject({
  name: singleLine(255).min(1),
  contentType: z
    .string()
    .regex(/^[\w.+-]+\/[\w.+-]+$/, 'give a media type such as application/pdf')
    .default('application/octet-stream'),
  /** Base64 of the bytes. */
  content: z.base64(),
  /** Content-ID for an image that the HTML shows by `cid:`. */
  contentId: z
    .string()
    .regex(/^[\w.@+-]+$/)
    .max(128)
    .optional(),
});
export type Attachment = z.output<typeof attachment>;

/** What the recipient reads. 10 MB in all; kept in a blob where it does not fit a queue message. */
export const content = z.strictObject({
  text: z.string().optional(),
  html: z.string().optional(),
  attachments: z.array(attachment).max(50).optional(),
});
export type Content = z.output<typeof content>;

export const maxRecipients = 1000;

const mailFields = z.strictObject({
  kind: z.enum(kindNames),
  key: singleLine(256).min(1).optional(),
  to: z.array(mailbox).min(1).max(maxRecipients, `at most ${maxRecipients} recipients; split the message`),
  from: mailbox.optional(),
  replyTo: mailbox.optional(),
  subject: singleLine(998),
  ...content.shape,
  /** Claim check: the name of a blob in the container `content`, holding the JSON of text, html and attachments. */
  content: z
    .strictObject({
      blob: z
        .string()
        .max(512)
        .regex(/^[A-Za-z0-9][A-Za-z0-9._/-]*$/),
    })
    .optional(),
  expiresAt: z.iso.datetime({ offset: true }).optional(),
  notBefore: z.iso.datetime({ offset: true }).optional(),
  ref: z.record(z.string().max(64), z.string().max(256)).optional(),
});

/** One request of a platform service. */
export const mail = mailFields
  .refine((it) => it.text !== undefined || it.html !== undefined || it.content !== undefined, {
    path: ['text'],
    message: 'a mail needs text, html or content',
  })
  .refine((it) => it.content === undefined || (it.text ?? it.html ?? it.attachments) === undefined, {
    path: ['content'],
    message: 'give content by blob or inline, not both',
  });
export type Mail = z.output<typeof mail>;

/**
 * The body of a queue message. Everything sits under `mail`, since the Functions host lets other top-level properties
 * overwrite the trigger's metadata.
 */
export const queueBody = z.strictObject({ v: z.literal(1), mail });
export type QueueBody = z.output<typeof queueBody>;
