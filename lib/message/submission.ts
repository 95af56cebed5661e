import type { Attachment, Mailbox } from './contract.ts';

/** One mail to one recipient, complete: what the relay is handed. Nothing in it is looked up or decided any more. */
export interface Submission {
  /** With angle brackets, e.g. `<01J…@files.example.com>`. The same for every attempt, so that a copy is recognised. */
  messageId: string;
  from: Mailbox;
  replyTo?: Mailbox | undefined;
  to: Mailbox;
  /** The envelope sender (MAIL FROM, RFC 5321 section 4.1.1.2), where bounces go. */
  envelopeFrom: string;
  subject: string;
  text?: string | undefined;
  html?: string | undefined;
  attachments: readonly Attachment[];
  /** Further header fields by name. */
  headers: Readonly<Record<string, string>>;
}
