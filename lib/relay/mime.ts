import MailComposer from 'nodemailer/lib/mail-composer';
import type { Mailbox } from '../message/contract.ts';
import type { Submission } from '../message/submission.ts';

const addressOf = ({ address, name }: Mailbox) => ({ address, name: name ?? '' });

/**
 * The mail as it goes over the wire (RFC 5322, MIME). Addresses are handed over as objects and content as bytes, so
 * that no display name, file name or body can become a second recipient, a file of this machine or a fetched URL.
 * @param at the time of the Date field, in milliseconds since 1970
 * @param newline `win` (CRLF) for SMTP, `unix` (LF) for a sendmail command, which expects the system's own
 * @throws Error where the content cannot be built
 */
export const mimeOf = (mail: Submission, at: number, newline: 'win' | 'unix'): Promise<Buffer> =>
  new MailComposer({
    messageId: mail.messageId,
    date: new Date(at),
    from: addressOf(mail.from),
    ...(mail.replyTo && { replyTo: addressOf(mail.replyTo) }),
    to: addressOf(mail.to),
    subject: mail.subject,
    text: mail.text,
    html: mail.html,
    attachments: mail.attachments.map((it) => ({
      filename: it.name,
      contentType: it.contentType,
      content: Buffer.from(it.content, 'base64'),
      ...(it.contentId && { cid: it.contentId }),
    })),
    headers: { ...mail.headers },
    newline,
    disableFileAccess: true,
    disableUrlAccess: true,
  })
    .compile()
    .build();
