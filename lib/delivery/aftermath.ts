import { iso, minutes } from '../clock.ts';
import type { Fault, Outcome } from '../relay/outcome.ts';
import { sentence } from '../sentence.ts';
import type { Settings } from '../settings/schema.ts';
import type { Attempt, Delivery, Move, Reason } from './delivery.ts';
import type { WaitsFor } from './gates.ts';
import { nextWait, parseSchedule } from './schedule.ts';

/** What follows from an outcome: the move of the delivery, and what has to be arranged beside it. */
export interface Aftermath {
  move: Move;
  /** Bring it back to the desk for the next attempt after so many milliseconds. */
  again?: number;
  /** Set it aside until the event. */
  park?: { waitsFor: WaitsFor; until?: number };
}

interface Circumstances {
  settings: Settings;
  now: number;
  random: () => number;
}

/** An unknown outcome is settled soon, but not before a late reply of the relay would have been recorded. */
const beforeResend = minutes(1);

/**
 * Decides what an outcome means for the delivery. Pure; the delivery is the one claimed for this attempt.
 *
 * A delivery that may have arrived by an earlier attempt never becomes `failed`: what the relay says now does not tell
 * what happened then.
 */
export const aftermathOf = (delivery: Delivery, outcome: Outcome, circumstances: Circumstances): Aftermath => {
  const { now } = circumstances;
  const by = 'relay';
  if (outcome.class === 'accepted') {
    const reason = { code: 'sent', detail: 'The relay took it.' };
    return { move: { to: 'sent', at: now, by, reason, set: settled(delivery, outcome, true) } };
  }
  const cls = outcome.class;
  if (cls === 'sender' && isOwnSenderOnly(delivery, outcome, circumstances)) {
    const reason = reasonOf(outcome, 'sender-refused');
    return { move: { ...refusal(delivery, reason), at: now, by, set: settled(delivery, outcome, true) } };
  }
  if (cls === 'unknown') return unknown(delivery, outcome, circumstances);
  if (cls === 'temporary') return retry(delivery, outcome, circumstances);
  if (cls === 'recipient' || cls === 'message') {
    const reason = reasonOf(outcome, cls === 'recipient' ? 'recipient-refused' : 'message-refused');
    return { move: { ...refusal(delivery, reason), at: now, by, set: settled(delivery, outcome, true) } };
  }
  const waitsFor = cls === 'quota' ? 'limit' : 'relay';
  const until = outcome.retryAfter === undefined ? undefined : now + outcome.retryAfter;
  const due = until === undefined ? undefined : iso(until);
  return {
    move: {
      to: 'parked',
      at: now,
      by,
      reason: reasonOf(outcome, `relay-${cls}`),
      set: { ...settled(delivery, outcome, false), waitsFor, due },
    },
    park: until === undefined ? { waitsFor } : { waitsFor, until },
  };
};

/** Whether the relay refuses just this mail's From, a user's, while mail in the settings' own name goes on. */
export const isOwnSenderOnly = (delivery: Delivery, fault: Fault, { settings }: { settings: Settings }): boolean =>
  fault.scope === 'from' && delivery.from !== undefined && delivery.from.address !== settings.from.address;

/** `failed`, unless an earlier attempt may have brought the mail there. */
export const refusal = (delivery: Delivery, reason: Reason): { to: 'failed' | 'uncertain'; reason: Reason } =>
  delivery.mayHaveArrived
    ? {
        to: 'uncertain',
        reason: {
          ...reason,
          detail: `${sentence(reason.detail)} An earlier attempt ended without a reply, so it may have arrived.`,
        },
      }
    : { to: 'failed', reason };

/** Whether an uncertain delivery is sent once more without a person asking. */
export const resendsByItself = (delivery: Delivery, settings: Settings): boolean =>
  settings.delivery.afterCrash === 'resend' && (delivery.resends ?? 0) === 0;

const unknown = (delivery: Delivery, outcome: Fault & Outcome, { settings, now }: Circumstances): Aftermath => {
  const again = resendsByItself(delivery, settings);
  return {
    move: {
      to: 'uncertain',
      at: now,
      by: 'relay',
      reason: reasonOf(outcome, 'no-reply'),
      set: { ...settled(delivery, outcome, true), mayHaveArrived: true },
    },
    ...(again ? { again: beforeResend } : {}),
  };
};

const retry = (delivery: Delivery, outcome: Fault & Outcome, { settings, now, random }: Circumstances): Aftermath => {
  const tries = delivery.tries + 1;
  const scheduled = nextWait(parseSchedule(settings.delivery.retry), tries, random);
  const at = now;
  const by = 'relay';
  if (scheduled === undefined) {
    const reason = reasonOf(outcome, 'retries-used-up', `Refused for the time being ${tries} times; given up.`);
    return { move: { ...refusal(delivery, reason), at, by, set: { ...settled(delivery, outcome, true), tries } } };
  }
  const wait = Math.max(scheduled, outcome.retryAfter ?? 0);
  const due = Math.min(now + wait, Math.max(now, Date.parse(delivery.expiresAt)));
  return {
    move: {
      to: 'deferred',
      at,
      by,
      reason: reasonOf(outcome, 'relay-temporary'),
      set: { ...settled(delivery, outcome, true), tries, due: iso(due) },
    },
    again: due - now,
  };
};

/**
 * Some faults look temporary and are not for long: after a few alike of one delivery they count as what they are, for
 * the delivery as for the breaker.
 * @param delivery as claimed for the attempt that came to this outcome
 */
export const judged = (delivery: Delivery, outcome: Outcome): Outcome => {
  if (outcome.class === 'accepted' || !outcome.cap) return outcome;
  const { code, enhanced, cap } = outcome;
  const alike = delivery.attempts.filter((it) => it.code === code && it.enhanced === enhanced).length;
  return alike + 1 >= cap.attempts ? { ...outcome, class: cap.to } : outcome;
};

const reasonOf = (fault: Fault, code: string, words?: string): Reason => ({
  code,
  detail: words ? `${words} Last reply: ${fault.reply}` : fault.reply,
  ...(fault.remedy ? { remedy: fault.remedy } : {}),
});

/** The attempt that just ended, with its result. */
const settled = (delivery: Delivery, outcome: Outcome, counted: boolean): { attempts: Attempt[] } => {
  const { milliseconds, reply } = outcome;
  const result: Partial<Attempt> =
    outcome.class === 'accepted'
      ? { class: 'accepted', relayId: outcome.relayId, tls: outcome.tls }
      : { class: outcome.class, phase: outcome.phase, code: outcome.code, enhanced: outcome.enhanced };
  const attempts = delivery.attempts.map((it) =>
    it.n === delivery.attempt ? { ...it, milliseconds, reply: reply.slice(0, 1000), counted, ...result } : it,
  );
  return { attempts };
};
