import type { Clock, Random } from '../clock.ts';
import type { Log } from '../log.ts';
import type { Content, Mail } from '../message/contract.ts';
import type { Submission } from '../message/submission.ts';
import type { Outcome } from '../relay/outcome.ts';
import type { SettingsRoom } from '../settings/room.ts';
import type { Settings } from '../settings/schema.ts';
import { judged, refusal, resendsByItself } from './aftermath.ts';
import { type Carrier, carrierOf, type Lanes, mostPostponed, putBackFor } from './carrier.ts';
import { claimedFor, tooEarly } from './claim.ts';
import { type ContentStore, MissingContent } from './content.ts';
import type { Delivery, Reason } from './delivery.ts';
import { askGates, type Gate, type Hold, type Marks, releaseAll } from './gates.ts';
import { type DeskRelay, handingOver, slotFor } from './hand-over.ts';
import { freshWork, idOf, type Job, mailOf, type Work } from './job.ts';
import type { Ledger, Stored } from './ledger.ts';
import type { Parking } from './parking.ts';
import { recording } from './record.ts';
import { isFinal } from './states.ts';
import { forAPerson, stopping } from './stop.ts';
import { transitions } from './transition.ts';

export interface DeskParts {
  ledger: Ledger;
  lanes: Lanes;
  parking: Parking;
  content: ContentStore;
  settings: Pick<SettingsRoom, 'current' | 'refresh'>;
  relay: DeskRelay;
  gates: readonly Gate[];
  /** Makes the complete mail out of its parts; rejects only where a service that it needs does not answer. */
  compose(mail: Mail, delivery: Delivery, content: Content, settings: Settings): Promise<Submission>;
  clock: Clock;
  random: Random;
  /** Unique per call; tells one writer from another. */
  newWriter(): string;
  submitTimeout: number;
  /** Waits so many milliseconds. */
  wait(milliseconds: number): Promise<unknown>;
  log: Log;
}

export interface Desk {
  /**
   * Takes one delivery as far as it goes now: gates, claim, hand-over, record.
   * @returns the delivery as recorded; `undefined` where this job had nothing to do (a duplicate, or not yet)
   * @throws what storage throws, when not even putting the job back was possible
   */
  deliver(job: Job): Promise<Delivery | undefined>;
}

export const deliveryDesk = (parts: DeskParts): Desk => {
  const { ledger, lanes, content, relay, gates, clock, random, log } = parts;
  const freeGates = gates.filter((gate) => gate.free);
  const steps = transitions(parts);
  const record = recording({ ...parts, transitions: steps });
  const stop = stopping({ ...parts, transitions: steps });
  const handOver = handingOver(parts);

  const deliver = async (job: Job): Promise<Delivery | undefined> => {
    const writer = parts.newWriter();
    let known = 'fresh' in job ? undefined : await ledger.read(job.carrier.carrier.id);
    for (let round = 0; round < 4; round++) {
      const standing = known ? await settle(known, job, writer) : undefined;
      if (standing === 'nothing-to-do') return undefined;
      const work = standing ?? freshWork(job);
      if (!work) {
        log.warn('postern.delivery.rowless', { delivery: idOf(job) });
        return undefined;
      }
      const done = await attempt(work, writer);
      if (done === 'no-connection') return await backInLine(job);
      if (done !== 'somebody-else') return done;
      known = await ledger.read(work.delivery.id);
    }
    throw new Error('the delivery kept changing hands');
  };

  /** Reads what a row says of this job: a duplicate, a peer at work, a dead one, or work to do. */
  const settle = async (known: Stored, job: Job, writer: string): Promise<Work | 'nothing-to-do'> => {
    const { delivery } = known;
    const mail = mailOf(job) ?? known.mail;
    if (isFinal(delivery.state)) {
      // The one who recorded it may have died before it was findable by recipient.
      await ledger.index(delivery);
      return 'nothing-to-do';
    }
    const carried = 'carrier' in job ? job.carrier.carrier.attempt : 1;
    const later = tooEarly(delivery, { attempt: carried, mail }, clock.now());
    if (later) {
      await lanes.send(later.lane, later.carrier, later.after);
      return 'nothing-to-do';
    }
    if (delivery.state === 'submitting') {
      const dead = await declareDead(known, mail, writer);
      return dead ? settle(dead, job, writer) : 'nothing-to-do';
    }
    if (!mail) {
      const reason = { code: 'content-missing', detail: 'Neither the row nor the queue message holds the mail.' };
      const stored = await steps.write(known, { ...refusal(delivery, reason), set: forAPerson }, writer);
      if (stored) steps.announce(stored.delivery, await parts.settings.current());
      return 'nothing-to-do';
    }
    if (delivery.state === 'uncertain' && !resendsByItself(delivery, await parts.settings.current())) {
      await ledger.index(delivery);
      return 'nothing-to-do';
    }
    return { delivery, from: delivery.state, stored: known, mail };
  };

  const backInLine = async (job: Job): Promise<undefined> => {
    await lanes.send(job.lane, 'carrier' in job ? job.carrier : carrierOf(job.fresh.id, 1, job.mail), 5);
  };

  /** A test mail tests what was saved last, not what this process remembers. */
  const settingsFor = ({ kind }: Delivery): Promise<Settings> =>
    kind === 'test' ? parts.settings.refresh() : parts.settings.current();

  const declareDead = async (known: Stored, mail: Mail | undefined, writer: string): Promise<Stored | undefined> => {
    const { delivery } = known;
    const reason: Reason = {
      code: 'sender-died',
      detail: `The process that handed it over in attempt ${delivery.attempt} ended before it recorded a result.`,
    };
    const stored = await steps.write(known, { to: 'uncertain', reason, set: { mayHaveArrived: true } }, writer, mail);
    if (stored) steps.announce(stored.delivery, await parts.settings.current());
    return stored;
  };

  /** Gates, a connection, the gates again, claim, hand-over, record. */
  const attempt = async (work: Work, writer: string): Promise<Delivery | 'somebody-else' | 'no-connection'> => {
    const before = await settingsFor(work.delivery);
    const early = await askGates(freeGates, work.delivery, { settings: before, now: clock.now(), dryRun: true });
    if ('stopped' in early) return (await stop(work, early.stopped, writer)) ?? 'somebody-else';

    let text: Content;
    try {
      text = await content.of(work.mail);
    } catch (error) {
      if (!(error instanceof MissingContent)) throw error;
      const reason = { code: 'content-missing', detail: error.message };
      return (await stop(work, { stop: 'failed', reason }, writer)) ?? 'somebody-else';
    }

    const release = await slotFor(relay, work.delivery, before.limit.connections);
    if (!release) return 'no-connection';
    try {
      return await attemptOn(release, work, text, writer);
    } finally {
      release();
    }
  };

  /** @param release of the connection, free again as soon as the relay took the mail */
  const attemptOn = async (release: () => void, work: Work, text: Content, writer: string) => {
    // The wait for a connection may have been long: nothing that an admin changed meanwhile may be missed.
    const settings = await settingsFor(work.delivery);
    let claimed: Stored | undefined;
    let outcome: Outcome;
    let holds: Hold[] = [];
    try {
      const asked = await askGates(gates, work.delivery, { settings, now: clock.now() });
      if ('stopped' in asked) return (await stop(work, asked.stopped, writer)) ?? 'somebody-else';
      holds = asked.holds;
      const mail = await parts.compose(work.mail, work.delivery, text, settings);
      claimed = await claim(work, mail, asked.marks, writer);
      if (!claimed) {
        await releaseAll(holds);
        return 'somebody-else';
      }
      outcome = judged(claimed.delivery, await handOver(mail, settings, claimed.delivery));
    } catch (error) {
      await releaseAll(holds);
      throw error;
    }
    // After a fault the next mail waits until the breaker has heard of it: otherwise it would log in with the same bad
    // password meanwhile, and so would the one after it.
    if (outcome.class === 'accepted') release();
    try {
      return await record({ claimed, outcome, settings, mail: work.mail, writer });
    } finally {
      await tell(holds, outcome, claimed.delivery, settings);
    }
  };

  /** The delivery's own outcome stays what it is if somebody cannot take note of it. */
  const tell = async (holds: Hold[], outcome: Outcome, delivery: Delivery, settings: Settings): Promise<void> => {
    for (const hold of holds) {
      try {
        await hold.settle(outcome, delivery, settings);
      } catch (error) {
        log.warn('postern.delivery.untold', { delivery: delivery.id, error: String(error).slice(0, 300) });
      }
    }
  };

  const claim = (work: Work, mail: Submission, marks: Marks, writer: string): Promise<Stored | undefined> => {
    const { submitTimeout } = parts;
    const next = claimedFor(work.delivery, work.from, { mail, marks, now: clock.now(), submitTimeout });
    // A first attempt's mail is still in its queue message; only a row that held it before has to go on holding it.
    return work.stored ? ledger.move(work.stored, next, writer, work.mail) : ledger.open(next, writer);
  };

  const postpone = async (job: Job, error: unknown): Promise<void> => {
    const before = 'carrier' in job ? (job.carrier.carrier.postponed ?? 0) : 0;
    if (before >= mostPostponed) throw error;
    log.warn('postern.delivery.postponed', {
      delivery: idOf(job),
      times: before + 1,
      error: String(error).slice(0, 300),
    });
    const carrier: Carrier =
      'carrier' in job
        ? { ...job.carrier, carrier: { ...job.carrier.carrier, postponed: before + 1 } }
        : { ...carrierOf(job.fresh.id, 1, job.mail), carrier: { id: job.fresh.id, attempt: 1, postponed: 1 } };
    await lanes.send(job.lane, carrier, putBackFor(before, random) / 1000);
  };

  return {
    deliver: async (job) => {
      try {
        return await deliver(job);
      } catch (error) {
        // Storage or the vault does not answer, so nothing can be known or recorded now: the job waits, unspent.
        await postpone(job, error);
        return undefined;
      }
    },
  };
};
