import { type Clock, iso } from '../clock.ts';
import type { Mail, Mailbox } from '../message/contract.ts';
import { effectiveSender } from '../message/sender.ts';
import type { Settings } from '../settings/schema.ts';
import { inSteps } from '../steps.ts';
import { laneOfDelivery, newDelivery, type Reason } from './delivery.ts';
import type { Gate } from './gates.ts';
import { newMessageId } from './id.ts';

/** What would become of a mail if it were sent now. */
export interface Explanation {
  to: string;
  lane: string;
  from: Mailbox;
  replyTo?: Mailbox | undefined;
  envelopeFrom: string;
  /** Why the sender fields are as they are. */
  sender: readonly string[];
  gates: GateReport[];
  /** The state that it would reach at once: `submitting` if nothing stops it. */
  outcome: 'submitting' | 'parked' | 'suppressed' | 'failed' | 'expired';
  /** When it would be handed over, as far as anybody knows; absent where it never would. */
  goesAt?: string | undefined;
}

export interface GateReport {
  gate: string;
  /** The final state that it would end in; `unknown`: the look-up failed, so the mail would wait. */
  verdict: 'pass' | 'suppressed' | 'failed' | 'expired' | 'park' | 'unknown';
  note?: string | undefined;
  reason?: Reason | undefined;
  until?: string | undefined;
}

interface Parts {
  gates: readonly Gate[];
  settings: { refresh(): Promise<Settings> };
  clock: Clock;
}

/**
 * Asks every gate about a mail that is not sent, counted or stored. Gates behind the one that stops it are asked too, so
 * that an admin sees all that stands in the way.
 */
export const explainer = ({ gates, settings: room, clock }: Parts) => {
  return async (mail: Mail): Promise<Explanation[]> => {
    const settings = await room.refresh();
    return await inSteps(mail.to, (to, n) => explainOne(mail, to, n, settings));
  };

  async function explainOne(mail: Mail, to: Mailbox, n: number, settings: Settings): Promise<Explanation> {
    const now = clock.now();
    const delivery = newDelivery({ messageId: newMessageId(now), n, at: now, mail, to });
    const sender = effectiveSender({ kind: mail.kind, from: mail.from, replyTo: mail.replyTo, settings });
    const reports: GateReport[] = [];
    for (const gate of gates) reports.push(await reportOf(gate));
    const stopping = reports.find(({ verdict }) => verdict !== 'pass');
    return {
      to: to.address,
      lane: laneOfDelivery(delivery),
      from: sender.from,
      replyTo: sender.replyTo,
      envelopeFrom: sender.envelopeFrom,
      sender: sender.why,
      gates: reports,
      outcome: stopping ? outcomeOf(stopping) : 'submitting',
      goesAt: goesAt(reports, now),
    };

    async function reportOf(gate: Gate): Promise<GateReport> {
      try {
        const verdict = await gate.check(delivery, { settings, now, dryRun: true });
        if ('pass' in verdict) return { gate: gate.name, verdict: 'pass', note: verdict.note };
        if ('stop' in verdict) return { gate: gate.name, verdict: verdict.stop, reason: verdict.reason };
        const until = verdict.until === undefined ? undefined : iso(verdict.until);
        return { gate: gate.name, verdict: 'park', reason: verdict.reason, until };
      } catch (error) {
        const detail = `The look-up failed, so the mail would wait: ${error instanceof Error ? error.message : 'no reason given'}`;
        return { gate: gate.name, verdict: 'unknown', reason: { code: 'look-up-failed', gate: gate.name, detail } };
      }
    }
  }
};

const outcomeOf = ({ verdict }: GateReport): Explanation['outcome'] => {
  if (verdict === 'pass') return 'submitting';
  return verdict === 'park' || verdict === 'unknown' ? 'parked' : verdict;
};

/** When the last of the gates that hold it opens; nobody knows where one of them names no time or stops it for good. */
const goesAt = (reports: readonly GateReport[], now: number): string | undefined => {
  const holding = reports.filter(({ verdict }) => verdict !== 'pass');
  const times = holding.map(({ verdict, until }) => (verdict === 'park' ? until : undefined));
  if (times.includes(undefined)) return undefined;
  return [iso(now), ...times].toSorted().at(-1);
};
