import { iso, seconds } from '../clock.ts';
import type { Mail } from '../message/contract.ts';
import type { Lane } from '../message/kinds.ts';
import type { Submission } from '../message/submission.ts';
import { type Carrier, carrierOf } from './carrier.ts';
import { type Delivery, laneOfDelivery, moved } from './delivery.ts';
import type { Marks } from './gates.ts';
import type { State } from './states.ts';

/**
 * A claim lives longer than any hand-over can take: by enough for the record to be written, and for two clocks that
 * differ by a minute where the time-out is the usual two.
 */
export const leaseOf = (submitTimeout: number): number => submitTimeout + slackOf(submitTimeout);

export const slackOf = (submitTimeout: number): number => Math.max(seconds(2), submitTimeout / 2);

/** Until when a claim is alive, in milliseconds. */
export const leaseEndOf = ({ leaseUntil, changedAt }: Delivery): number => Date.parse(leaseUntil ?? changedAt);

interface Claim {
  mail: Submission;
  /** What gates want to be remembered. */
  marks: Marks;
  now: number;
  submitTimeout: number;
}

/** The delivery as claimed for its next attempt. @throws PosternError `illegal-state` */
export const claimedFor = (
  delivery: Delivery,
  from: State | 'new',
  { mail, marks, now, submitTimeout }: Claim,
): Delivery => {
  const n = delivery.attempt + 1;
  return moved(delivery, from, {
    to: 'submitting',
    at: now,
    by: 'engine',
    reason: { code: 'submitting', detail: `Attempt ${n}.` },
    set: {
      attempt: n,
      attempts: [...delivery.attempts, { n, at: iso(now) }],
      leaseUntil: iso(now + leaseOf(submitTimeout)),
      messageIdHeader: mail.messageId,
      from: mail.from,
      ...marksOf(delivery, marks),
      ...(delivery.mayHaveArrived ? { resends: (delivery.resends ?? 0) + 1 } : {}),
    },
  });
};

/**
 * Marks are of the hand-over that they let pass: those of an earlier one, which the relay did not take, go. Where it may
 * have taken that one, they stay, unless this one has its own.
 */
const marksOf = (delivery: Delivery, marks: Marks): Marks => {
  const before = delivery.mayHaveArrived ? delivery : undefined;
  return { notes: marks.notes ?? before?.notes, override: marks.override ?? before?.override };
};

/** What goes on the lane in the place of a job that came too early, visible after so many seconds. */
export interface Later {
  lane: Lane;
  carrier: Carrier;
  after: number;
}

/**
 * What is left to do later, where nothing can be done for a delivery now.
 * - A live claim: somebody hands it over. When the lease has ended, the row tells whether that one died.
 * - A wait that an earlier attempt recorded: its process may have died before it enqueued the next carrier, or this is
 *   an old copy.
 * @param job the attempt that it was for, and the mail where it came along
 * @returns `undefined` where the time has come
 */
export const tooEarly = (
  delivery: Delivery,
  { attempt, mail }: { attempt: number; mail: Mail | undefined },
  now: number,
): Later | undefined => {
  const lane = laneOfDelivery(delivery);
  if (delivery.state === 'submitting') {
    const left = leaseEndOf(delivery) - now;
    return left > 0
      ? { lane, carrier: carrierOf(delivery.id, delivery.attempt, mail), after: left / 1000 + 1 }
      : undefined;
  }
  if (delivery.state === 'deferred' && attempt <= delivery.attempt) {
    const left = Math.max(0, Date.parse(delivery.due ?? delivery.changedAt) - now);
    return { lane, carrier: carrierOf(delivery.id, delivery.attempt + 1), after: left / 1000 };
  }
  return undefined;
};
