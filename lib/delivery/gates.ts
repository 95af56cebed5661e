import { iso } from '../clock.ts';
import type { OverrideName } from '../do-not-email/gate.ts';
import type { Outcome } from '../relay/outcome.ts';
import type { Settings } from '../settings/schema.ts';
import type { Delivery, Reason } from './delivery.ts';
import type { State } from './states.ts';

/** What a parked delivery may wait for: an event of the relay or the limit, or just a time. */
export const waits = ['time', 'pause', 'relay', 'limit', 'pace'] as const;
export type WaitsFor = (typeof waits)[number];

/** What a gate gave a mail for its hand-over, such as a unit of the limit or the right to probe. */
export interface Hold {
  /** The mail is not handed over after all. */
  release(): Promise<void>;
  /** What came of the hand-over. */
  settle(outcome: Outcome, delivery: Delivery, settings: Settings): Promise<void>;
}

export type Verdict =
  /** `note` is a remark for people and `override` the switch that let it pass; both are kept with the delivery. */
  | { pass: true; note?: string; override?: OverrideName; hold?: Hold }
  | { stop: Extract<State, 'suppressed' | 'expired' | 'failed'>; reason: Reason }
  | { park: WaitsFor; until?: number; reason: Reason };

export interface GateContext {
  settings: Settings;
  now: number;
  /** A look ahead: nothing may be counted, held, waited for or stored. */
  dryRun?: boolean;
}

/**
 * One named check that may stop a delivery. It rejects when it cannot know, and then the delivery waits: a failing
 * look-up never sends.
 */
export interface Gate {
  name: string;
  /** Costs no storage operation as a rule, so it is also looked at before a connection is waited for. */
  free: boolean;
  check(delivery: Delivery, context: GateContext): Promise<Verdict>;
}

export const pass: Verdict = { pass: true };

/** Stops mail that nobody needs any more: a code that has run out, a note of last week. */
export const expired: Gate = {
  name: 'expired',
  free: true,
  check: async (delivery, { now }) =>
    now < Date.parse(delivery.expiresAt)
      ? pass
      : {
          stop: 'expired',
          reason: { code: 'expired', gate: 'expired', detail: `Not handed over before ${delivery.expiresAt}.` },
        },
};

/** Holds mail that the producer asked to send later. */
export const notBefore: Gate = {
  name: 'not-before',
  free: true,
  check: async ({ notBefore: start }, { now }) => {
    if (start === undefined || Date.parse(start) <= now) return pass;
    return {
      park: 'time',
      until: Date.parse(start),
      reason: {
        code: 'not-before',
        gate: 'not-before',
        detail: `The producer asked to send it at ${iso(Date.parse(start))}.`,
      },
    };
  },
};

/** What gates that let a delivery pass want to be remembered of it. */
export type Marks = Pick<Delivery, 'notes' | 'override'>;

/**
 * Asks the gates in order until one does not let the delivery pass; what earlier ones gave is then released.
 * @returns the verdict that stopped it, or what the delivery's row is to say of them and all that it now holds
 */
export const askGates = async (
  gates: readonly Gate[],
  delivery: Delivery,
  context: GateContext,
): Promise<{ stopped: Exclude<Verdict, { pass: true }> } | { marks: Marks; holds: Hold[] }> => {
  const marks: Marks = {};
  const holds: Hold[] = [];
  try {
    for (const gate of gates) {
      const verdict = await gate.check(delivery, context);
      if (!('pass' in verdict)) {
        await releaseAll(holds);
        return { stopped: verdict };
      }
      if (verdict.note) marks.notes = [...(marks.notes ?? []), verdict.note];
      if (verdict.override) marks.override = verdict.override;
      if (verdict.hold) holds.push(verdict.hold);
    }
  } catch (error) {
    await releaseAll(holds);
    throw error;
  }
  return { marks, holds };
};

/** Releases each, also where another one fails: a unit of the limit must not leak because the breaker's row is out of reach. */
export const releaseAll = async (holds: readonly Hold[]): Promise<void> => {
  const ends = await Promise.allSettled(holds.map((hold) => hold.release()));
  const failed = ends.find((end) => end.status === 'rejected');
  if (failed) throw failed.reason;
};
