import { iso } from '../clock.ts';
import type { Settings } from '../settings/schema.ts';
import { refusal } from './aftermath.ts';
import type { Delivery } from './delivery.ts';
import type { Marks, Verdict } from './gates.ts';
import type { Work } from './job.ts';
import type { Parking } from './parking.ts';
import type { Step, Transitions } from './transition.ts';

interface Parts {
  transitions: Transitions;
  parking: Pick<Parking, 'park'>;
  settings: { current(): Promise<Settings> };
}

/** A verdict that does not let the delivery pass. */
export type Stop = Exclude<Verdict, { pass: true }>;

/** An `uncertain` delivery that a gate has stopped, or whose mail is gone, is not sent again without a person asking. */
export const forAPerson = { resends: 1 };

/** It ends here and was never taken: whatever let an earlier attempt pass let no mail pass. */
const letPassByNothing: Marks = { notes: undefined, override: undefined };

/** A gate's verdict becomes the row. @returns `undefined` where somebody else was first */
export const stopping =
  ({ transitions, parking, settings }: Parts) =>
  async ({ delivery, from, stored, mail }: Work, verdict: Stop, writer: string): Promise<Delivery | undefined> => {
    const step = stepFor(delivery, verdict);
    const done = stored
      ? await transitions.write(stored, step, writer, mail)
      : await transitions.open(delivery, from, step, writer, mail);
    if (!done) return undefined;
    // Only now: an entry that is released before the row holds the mail would bring a carrier with nothing to carry. A
    // crash in between is mended by the queue message that came with this job, since it is delivered again.
    if ('park' in verdict) await parking.park(done.delivery, verdict.park, verdict.until);
    transitions.announce(done.delivery, await settings.current());
    return done.delivery;
  };

const stepFor = (delivery: Delivery, verdict: Stop): Step => {
  const { reason } = verdict;
  if ('park' in verdict) {
    const due = verdict.until === undefined ? undefined : iso(verdict.until);
    return { to: 'parked', reason, set: { waitsFor: verdict.park, due } };
  }
  if (delivery.mayHaveArrived) return { to: 'uncertain', reason: refusal(delivery, reason).reason, set: forAPerson };
  return { to: verdict.stop, reason, set: letPassByNothing };
};
