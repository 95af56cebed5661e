import { days, hours, minutes } from '../clock.ts';

/** `priority` mail has its own lane, goes first, and may be allowed past the Do Not Email list by setting. */
export type KindClass = 'ordinary' | 'priority';

export interface KindTraits {
  class: KindClass;
  /** Sent on behalf of a user: shows the user's From and Reply-To unless a conceal switch is on. */
  shareMail: boolean;
  /** Holds a code or a link that opens an account: its subject is not shown, its content is not kept once it is final. */
  confidential: boolean;
  /** Default time to live in milliseconds, from acceptance; a mail that is older is `expired`, never sent. */
  timeToLive: number;
  /** One sentence for the API's and the page's reader. */
  about: string;
}

/**
 * Every kind of mail. An enumeration in code: what may pass the Do Not Email list or use the reserve cannot be forged
 * by a subject line or a flag in the message.
 */
export const kinds = {
  share: {
    class: 'ordinary',
    shareMail: true,
    confidential: false,
    timeToLive: days(3),
    about: 'A user shared a file or folder.',
  },
  'file-change': {
    class: 'ordinary',
    shareMail: false,
    confidential: false,
    timeToLive: days(2),
    about: 'Something changed in a folder that the recipient watches.',
  },
  error: {
    class: 'ordinary',
    shareMail: false,
    confidential: false,
    timeToLive: days(3),
    about: 'The platform reports a fault.',
  },
  notice: {
    class: 'ordinary',
    shareMail: false,
    confidential: false,
    timeToLive: days(3),
    about: 'Any other news from the platform.',
  },
  'password-recovery': {
    class: 'priority',
    shareMail: false,
    confidential: true,
    timeToLive: hours(1),
    about: 'A link to set a new password.',
  },
  'two-factor': {
    class: 'priority',
    shareMail: false,
    confidential: true,
    timeToLive: minutes(10),
    about: 'A one-time sign-in code.',
  },
  test: {
    class: 'priority',
    shareMail: false,
    confidential: false,
    timeToLive: hours(1),
    about: 'A test of the settings by an admin.',
  },
} as const satisfies Record<string, KindTraits>;

export type Kind = keyof typeof kinds;

export const kindNames = Object.keys(kinds) as [Kind, ...Kind[]];

export const traitsOf = (kind: Kind): KindTraits => kinds[kind];

/** The queue of a class (design: lane). The trigger, Bicep and the producers' samples use these names. */
export const lanes = { ordinary: 'mail', priority: 'mail-priority' } as const satisfies Record<KindClass, string>;

export type Lane = (typeof lanes)[KindClass];

export const laneOf = (kind: Kind): Lane => lanes[traitsOf(kind).class];
