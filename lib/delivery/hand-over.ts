import { type Clock, minutes } from '../clock.ts';
import type { Log } from '../log.ts';
import type { KindClass } from '../message/kinds.ts';
import type { Submission } from '../message/submission.ts';
import { beforeMail, type Outcome } from '../relay/outcome.ts';
import type { Settings } from '../settings/schema.ts';
import { leaseEndOf, slackOf } from './claim.ts';
import { classOf, type Delivery } from './delivery.ts';

/** What the desk needs of the relay. */
export interface DeskRelay {
  /** Waits for one of the connections of this process, priority first. */
  slot(kindClass: KindClass, connections: number, signal?: AbortSignal): Promise<() => void>;
  /** Never rejects for a fault of the relay. */
  submit(mail: Submission, settings: Settings, options?: { signal?: AbortSignal }): Promise<Outcome>;
}

/** The longest wait for a connection, well below the host's time-out for a function; then the job goes back in line. */
const slotPatience = minutes(4);

/** @returns what gives the connection back; `undefined` where none became free in time */
export const slotFor = async (
  relay: Pick<DeskRelay, 'slot'>,
  delivery: Delivery,
  connections: number,
): Promise<(() => void) | undefined> => {
  const patience = AbortSignal.timeout(slotPatience);
  try {
    return await relay.slot(classOf(delivery), connections, patience);
  } catch (error) {
    if (patience.aborted) return undefined;
    throw error;
  }
};

interface Parts {
  relay: Pick<DeskRelay, 'submit'>;
  submitTimeout: number;
  clock: Clock;
  log: Log;
}

/**
 * Hands a claimed delivery to the relay. Never rejects: what keeps the mail from being handed over at all, such as a
 * vault without an answer, is no unknown outcome.
 */
export const handingOver =
  ({ relay, submitTimeout, clock, log }: Parts) =>
  async (mail: Submission, settings: Settings, claimed: Delivery): Promise<Outcome> => {
    const start = clock.now();
    // The claim may have been slow to write: the hand-over ends while nobody can take it for dead.
    const left = leaseEndOf(claimed) - start - slackOf(submitTimeout) / 2;
    try {
      const signal = AbortSignal.timeout(Math.max(1, Math.round(left)));
      return beforeTheMail(await relay.submit(mail, settings, { signal }));
    } catch (error) {
      log.error('postern.relay.unreached', { error: String(error).slice(0, 300) });
      const reply = 'What the login needs could not be had; the mail was not handed over.';
      const milliseconds = clock.now() - start;
      return { class: 'connection', phase: 'token', rule: 'login-data-unavailable', reply, milliseconds };
    }
  };

/** What is refused for the time being before the relay hears of any mail is a fault of the connection (law 4). */
const beforeTheMail = (outcome: Outcome): Outcome =>
  outcome.class === 'temporary' && beforeMail.has(outcome.phase) ? { ...outcome, class: 'connection' } : outcome;
