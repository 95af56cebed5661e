import type { Settings } from '../settings/schema.ts';
import { canonicalAddress } from './address.ts';
import type { Mailbox } from './contract.ts';
import { type Kind, traitsOf } from './kinds.ts';

/** Why the sender fields are as they are: key and sentence for the history, the dry run and the page. */
export const senderReasons = {
  'from-user': 'From is the user who shared.',
  'from-settings-system': 'From is the settings’ address, as for all mail that is not a user’s share mail.',
  'from-settings-missing': 'From is the settings’ address, since the message names no sender.',
  'from-settings-concealed': 'From is the settings’ address, since “Use From name and email” conceals the user.',
  'from-settings-own-account':
    'From is the settings’ address with the user’s name, since the relay only accepts its own account.',
  'reply-user': 'Reply-To is the one that the message gives.',
  'reply-user-moved': 'Reply-To is the user, who could not be shown as From.',
  'reply-settings': 'Reply-To is the settings’ address.',
  'reply-settings-concealed':
    'Reply-To is the settings’ address, since “Use Reply-To name and email” conceals the user’s.',
  'reply-from-concealed':
    'Reply-To is the settings’ From address: the user’s is concealed and the settings have no Reply-To address.',
  'reply-none': 'There is no Reply-To; replies go to From.',
} as const;

export type SenderReason = keyof typeof senderReasons;

export interface EffectiveSender {
  from: Mailbox;
  replyTo?: Mailbox | undefined;
  envelopeFrom: string;
  why: readonly SenderReason[];
}

/** The part of the settings that decides who a mail comes from. */
export type SenderSettings = Pick<Settings, 'from' | 'replyTo' | 'type' | 'smtp'>;

interface Asked {
  kind: Kind;
  from?: Mailbox | undefined;
  replyTo?: Mailbox | undefined;
  settings: SenderSettings;
}

/**
 * Who a mail comes from, by the kind, what the message gives, and the settings. `settings.from.address` must not be
 * empty: without it nothing can be sent, see `hasSender`.
 *
 * - **From**: the user's, for share mail with `from.always` off; the settings' else. A user without a name gets the
 *   settings' name.
 * - **Reply-To**: the user's, for share mail with `replyTo.always` off; the settings' else; none where neither has one.
 * - **A relay that only accepts its own account** (XOAUTH2 without send-as) refuses another From (Exchange: 5.7.60
 *   SendAsDenied). Then From is the settings' address with the name `Bo (via Files)`, and the user becomes Reply-To,
 *   unless the message gives another or Reply-To is concealed.
 * - **Envelope sender**: always the settings' address. The relay is allowed to send for that domain (SPF, RFC 7208),
 *   rarely for a user's, and bounces belong to who runs the platform, not to the user. A user's From in another domain
 *   therefore passes DMARC (RFC 7489) only where the relay signs for that domain; conceal the sender where it does not.
 */
export const effectiveSender = ({ kind, from, replyTo, settings }: Asked): EffectiveSender => {
  const user = traitsOf(kind).shareMail ? { from, replyTo } : {};
  const house = named(settings.from.address, settings.from.name);
  const envelopeFrom = settings.from.address;
  const shown = fromOf();
  const reply = replyToOf();
  return { from: shown.from, replyTo: reply.replyTo, envelopeFrom, why: [shown.why, reply.why] };

  function fromOf(): { from: Mailbox; why: SenderReason; moved?: Mailbox } {
    if (!traitsOf(kind).shareMail) return { from: house, why: 'from-settings-system' };
    if (!user.from) return { from: house, why: 'from-settings-missing' };
    if (settings.from.always) return { from: house, why: 'from-settings-concealed' };
    if (!onlyOwnAccount(settings) || sameMailbox(user.from.address, house.address)) {
      return { from: named(user.from.address, user.from.name || settings.from.name), why: 'from-user' };
    }
    const from = named(house.address, viaName(user.from, house));
    return { from, why: 'from-settings-own-account', moved: user.from };
  }

  function replyToOf(): { replyTo?: Mailbox; why: SenderReason } {
    const own = settings.replyTo.address ? named(settings.replyTo.address, settings.replyTo.name) : undefined;
    const concealed = traitsOf(kind).shareMail && settings.replyTo.always && (user.from ?? user.replyTo) !== undefined;
    if (concealed && own) return { replyTo: own, why: 'reply-settings-concealed' };
    if (concealed && !sameMailbox(shown.from.address, house.address))
      return { replyTo: house, why: 'reply-from-concealed' };
    if (concealed) return { why: 'reply-none' };
    if (user.replyTo) {
      return { replyTo: named(user.replyTo.address, user.replyTo.name || settings.replyTo.name), why: 'reply-user' };
    }
    if (shown.moved) return { replyTo: shown.moved, why: 'reply-user-moved' };
    if (own) return { replyTo: own, why: 'reply-settings' };
    return { why: 'reply-none' };
  }
};

/** Whether the settings name an address to send from. Where not, mail waits: it is the settings' fault, not the mail's. */
export const hasSender = (settings: Pick<SenderSettings, 'from'>): boolean => settings.from.address !== '';

/** Whether the relay takes no other From than its account's: Exchange with XOAUTH2, unless send-as is granted. */
export const onlyOwnAccount = ({ type, smtp }: Pick<SenderSettings, 'type' | 'smtp'>): boolean =>
  type === 'smtp' && smtp.auth.enabled && smtp.auth.type === 'xoauth2' && !smtp.auth.sendAs;

const named = (address: string, name: string | undefined): Mailbox => (name ? { address, name } : { address });

const sameMailbox = (one: string, other: string): boolean => canonicalAddress(one) === canonicalAddress(other);

/** `Bo (via Files)`: says both who shared and who sent. The user's address stays out of the name: filters take that for a forgery. */
const viaName = (user: Mailbox, house: Mailbox): string | undefined => {
  if (!user.name) return house.name;
  const via = house.name ?? house.address.slice(house.address.lastIndexOf('@') + 1);
  return `${user.name} (via ${via})`;
};
