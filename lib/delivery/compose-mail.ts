import type { Linked } from '../do-not-email/link.ts';
import { compose } from '../message/compose.ts';
import type { Content, Mail } from '../message/contract.ts';
import type { Kind } from '../message/kinds.ts';
import { effectiveSender } from '../message/sender.ts';
import type { Submission } from '../message/submission.ts';
import type { Settings } from '../settings/schema.ts';
import type { Delivery } from './delivery.ts';

/** Gives a mail its unsubscribe link, where its kind carries one. */
export type Links = (kind: Kind, recipient: string, body: { text?: string; html?: string }) => Promise<Linked>;

/**
 * The complete mail for one recipient. The Message-ID follows from the delivery, so that each attempt bears the same
 * and a copy is recognised; its domain is the sender's, as RFC 5322 section 3.6.4 advises.
 */
export const composeMail =
  (links: Links) =>
  async (mail: Mail, delivery: Delivery, content: Content, settings: Settings): Promise<Submission> => {
    const sender = effectiveSender({ kind: mail.kind, from: mail.from, replyTo: mail.replyTo, settings });
    const { body, headers } = await links(mail.kind, delivery.to.address, content);
    const domain = sender.envelopeFrom.slice(sender.envelopeFrom.lastIndexOf('@') + 1) || 'postern.invalid';
    return compose({
      mail,
      content: { ...content, ...body },
      recipient: delivery.to,
      sender,
      messageId: delivery.messageIdHeader ?? `<${delivery.id}@${domain}>`,
      headers,
    });
  };
