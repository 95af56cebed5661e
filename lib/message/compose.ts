import type { Content, Mail, Mailbox } from './contract.ts';
import type { EffectiveSender } from './sender.ts';
import type { Submission } from './submission.ts';

/**
 * - `Auto-Submitted: auto-generated` (RFC 3834 section 5): no vacation responder answers.
 * - `X-Auto-Response-Suppress: All` (MS-OXCMAIL 2.2.3.2.14): the same for Exchange, which ignores the former.
 */
const automatic = { 'Auto-Submitted': 'auto-generated', 'X-Auto-Response-Suppress': 'All' } as const;

interface Parts {
  mail: Pick<Mail, 'subject'>;
  /** The mail's own text, html and attachments, or what its blob holds. */
  content: Content;
  recipient: Mailbox;
  sender: EffectiveSender;
  messageId: string;
  /** Further header fields, e.g. `List-Unsubscribe`. They cannot replace the automatic ones. */
  headers?: Readonly<Record<string, string>>;
}

/** The mail to one recipient as the relay is handed it. */
export const compose = ({ mail, content, recipient, sender, messageId, headers }: Parts): Submission => ({
  messageId,
  from: sender.from,
  ...(sender.replyTo && { replyTo: sender.replyTo }),
  to: recipient,
  envelopeFrom: sender.envelopeFrom,
  subject: mail.subject,
  ...(content.text !== undefined && { text: content.text }),
  ...(content.html !== undefined && { html: content.html }),
  attachments: content.attachments ?? [],
  headers: { ...headers, ...automatic },
});
