import { iso } from '../clock.ts';
import type { OverrideName } from '../do-not-email/gate.ts';
import { PosternError } from '../errors.ts';
import type { Mail, Mailbox } from '../message/contract.ts';
import { type Kind, type KindClass, type Lane, lanes, traitsOf } from '../message/kinds.ts';
import type { FaultClass, Phase } from '../relay/outcome.ts';
import { deliveryIdOf } from './id.ts';
import { isFinal, mayMove, type State, type Verb } from './states.ts';

/** Why a delivery is where it is. `code` is stable and searchable, `detail` a sentence for people. */
export interface Reason {
  code: string;
  detail: string;
  /** The gate that stopped it. */
  gate?: string | undefined;
  /** The row that decided, e.g. of the Do Not Email list. */
  row?: string | undefined;
  /** Key of the remedy text. */
  remedy?: string | undefined;
}

/** One try to hand the delivery to the relay. */
export interface Attempt {
  n: number;
  at: string;
  /** Milliseconds of the hand-over; absent while it runs, or where the process died in it. */
  milliseconds?: number;
  class?: FaultClass | 'accepted' | undefined;
  phase?: Phase | undefined;
  code?: number | undefined;
  enhanced?: string | undefined;
  reply?: string | undefined;
  relayId?: string | undefined;
  tls?: string | undefined;
  /** Whether it used up one of the schedule's tries; faults of the connection do not. */
  counted?: boolean;
}

export interface Transition {
  at: string;
  to: State;
  reason: Reason;
  /** An admin's id, or what in the engine caused it. */
  by: string;
}

/** One message to one recipient, as its row in the table `deliveries` holds it. Times are ISO 8601 in UTC. */
export interface Delivery {
  id: string;
  messageId: string;
  state: State;
  /** `unknown` only for what was refused because it names no kind of ours. */
  kind: Kind | 'unknown';
  to: Mailbox;
  subject: string;
  key?: string | undefined;
  /** The service that posted it; absent for what came by the queue, which does not say who put it there. */
  owner?: string | undefined;
  ref?: Record<string, string> | undefined;
  acceptedAt: string;
  changedAt: string;
  expiresAt: string;
  reason: Reason;
  /** Number of the newest attempt; a carrier for attempt n+1 is legal only while this is n. */
  attempt: number;
  /** Tries used of the retry schedule's budget. */
  tries: number;
  attempts: Attempt[];
  trail: Transition[];
  /** While `submitting`: until when the claim is alive. */
  leaseUntil?: string | undefined;
  /** While `deferred` or `parked` until a time. */
  due?: string | undefined;
  /** While `parked`: what it waits for. */
  waitsFor?: string | undefined;
  /** The Message-ID header, the same for every attempt. */
  messageIdHeader?: string | undefined;
  from?: Mailbox | undefined;
  /** An earlier attempt ended without a reply: the mail may have arrived, whatever later attempts say. */
  mayHaveArrived?: boolean | undefined;
  /** How often it was set aside. Each time makes an entry of its own in the parking. */
  parkings?: number | undefined;
  /** How often it was sent again after an unknown outcome without a person asking. */
  resends?: number | undefined;
  /** Blob of the container `content` that holds what the recipient reads; deleted when the row ages out. */
  blob?: string | undefined;
  notBefore?: string | undefined;
  /** Overrides and other remarks of gates that let it pass. */
  notes?: string[] | undefined;
  /** The setting that let it pass although its recipient is on the Do Not Email list. */
  override?: OverrideName | undefined;
}

export interface Newcomer {
  messageId: string;
  n: number;
  /** When the message was accepted, in milliseconds. */
  at: number;
  /** The message as the producer gave it; its other recipients do not matter here. */
  mail: Mail;
  to: Mailbox;
  owner?: string | undefined;
}

/** Stands for the subject of a mail that holds a code or a link to an account. */
export const notKept = '(not kept)';

/** Transitions and attempts that a row keeps, so that it stays far below the size that the table service takes. */
const most = 60;

/** A mail that waits for days among probes and parkings keeps its first steps and its newest ones. */
const kept = <T>(all: T[]): T[] => (all.length <= most ? all : [...all.slice(0, 10), ...all.slice(-(most - 10))]);

/** A delivery before its first row. */
export const newDelivery = ({ messageId, n, at, mail, to, owner }: Newcomer): Delivery => {
  const traits = traitsOf(mail.kind);
  return {
    id: deliveryIdOf(messageId, n),
    messageId,
    state: 'queued',
    kind: mail.kind,
    to,
    subject: traits.confidential ? notKept : mail.subject,
    key: mail.key,
    owner,
    ref: mail.ref,
    acceptedAt: iso(at),
    changedAt: iso(at),
    expiresAt: iso(mail.expiresAt ? Date.parse(mail.expiresAt) : at + traits.timeToLive),
    notBefore: mail.notBefore,
    blob: mail.content?.blob,
    reason: { code: 'accepted', detail: 'Accepted; waits in the queue.' },
    attempt: 0,
    tries: 0,
    attempts: [],
    trail: [],
  };
};

export interface Move {
  to: State;
  at: number;
  by: string;
  reason: Reason;
  /** Set where an admin's verb asks for the move. */
  verb?: Verb;
  /** Other fields that change with the state. */
  set?: Partial<Delivery>;
}

/**
 * The delivery after a transition; the one given stays as it is.
 * @param from `new` where there is no row yet
 * @throws PosternError `illegal-state` where the machine does not allow it
 */
export const moved = (delivery: Delivery, from: State | 'new', move: Move): Delivery => {
  if (!mayMove(from, move.to, move.verb)) {
    throw new PosternError(
      'illegal-state',
      `A delivery that is ${from} cannot become ${move.to}${move.verb ? ` by ${move.verb}` : ''}.`,
    );
  }
  const at = iso(move.at);
  const trail = [...delivery.trail, { at, to: move.to, reason: move.reason, by: move.by }];
  return {
    ...delivery,
    leaseUntil: undefined,
    due: undefined,
    waitsFor: undefined,
    ...(move.to === 'parked' ? { parkings: (delivery.parkings ?? 0) + 1 } : {}),
    ...move.set,
    state: move.to,
    changedAt: at,
    reason: move.reason,
    attempts: kept(move.set?.attempts ?? delivery.attempts),
    trail: kept(trail),
  };
};

export const classOf = ({ kind }: Delivery): KindClass => (kind === 'unknown' ? 'ordinary' : traitsOf(kind).class);

export const laneOfDelivery = (delivery: Delivery): Lane => lanes[classOf(delivery)];

/**
 * Whether the row of a delivery in this state keeps the mail itself: as long as it may still be handed over, if only by
 * an admin's wish. What holds a code or a link to an account goes as soon as it is settled, or too late for a person to
 * decide about.
 */
export const keepsMail = ({ kind, state, expiresAt, changedAt }: Delivery): boolean => {
  if (state === 'sent') return false;
  if (kind === 'unknown' || !traitsOf(kind).confidential) return true;
  return !isFinal(state) && !(state === 'uncertain' && changedAt >= expiresAt);
};
