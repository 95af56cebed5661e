import { alerts } from '../alerts.ts';
import type { Clock, Random } from '../clock.ts';
import { iso, minutes, seconds } from '../clock.ts';
import type { Log } from '../log.ts';
import type { Content, Mail } from '../message/contract.ts';
import type { KindClass } from '../message/kinds.ts';
import type { Submission } from '../message/submission.ts';
import { beforeMail, type Outcome } from '../relay/outcome.ts';
import type { SettingsRoom } from '../settings/room.ts';
import type { Settings } from '../settings/schema.ts';
import { type Aftermath, aftermathOf, judged, refusal, resendsByItself } from './aftermath.ts';
import { type Carrier, carrierOf, type Lanes, mostPostponed, putBackFor } from './carrier.ts';
import { type ContentStore, MissingContent } from './content.ts';
import { classOf, type Delivery, keepsMail, laneOfDelivery, type Move, moved, type Reason } from './delivery.ts';
import { askGates, type Gate, type Hold, type Marks, releaseAll, type Verdict } from './gates.ts';
import { freshWork, idOf, type Job, mailOf, type Work } from './job.ts';
import type { Ledger, Stored } from './ledger.ts';
import type { Parking } from './parking.ts';
import { isFinal, type State } from './states.ts';

/** What the desk needs of the relay. */
export interface DeskRelay {
  /** Waits for one of the connections of this process, priority first. */
  slot(kindClass: KindClass, connections: number, signal?: AbortSignal): Promise<() => void>;
  /** Never rejects for a fault of the relay. */
  submit(mail: Submission, settings: Settings, options?: { signal?: AbortSignal }): Promise<Outcome>;
}

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

/**
 * A claim lives longer than any hand-over can take: by enough for the record to be written, and for two clocks that
 * differ by a minute where the time-out is the usual two.
 */
export const leaseOf = (submitTimeout: number): number => submitTimeout + slackOf(submitTimeout);

const slackOf = (submitTimeout: number): number => Math.max(seconds(2), submitTimeout / 2);

/** An `uncertain` delivery that a gate has stopped, or whose mail is gone, is not sent again without a person asking. */
const forAPerson = { resends: 1 };

/** The longest wait for a connection, well below the host's time-out for a function; then the job goes back in line. */
const slotPatience = minutes(4);

/** Waits before a result that could not be recorded is tried again, in milliseconds. */
const recordAgain = [seconds(1), seconds(2), seconds(4), seconds(8)];

export const deliveryDesk = (parts: DeskParts): Desk => {
  const { ledger, lanes, parking, content, relay, gates, clock, random, log } = parts;
  const freeGates = gates.filter((gate) => gate.free);

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
    if (delivery.state === 'submitting') {
      const left = Date.parse(delivery.leaseUntil ?? delivery.changedAt) - clock.now();
      if (left > 0) {
        await lanes.send(laneOfDelivery(delivery), carrierOf(delivery.id, delivery.attempt, mail), left / 1000 + 1);
        return 'nothing-to-do';
      }
      const dead = await declareDead(known, mail, writer);
      return dead ? settle(dead, job, writer) : 'nothing-to-do';
    }
    if (!mail) {
      const reason = { code: 'content-missing', detail: 'Neither the row nor the queue message holds the mail.' };
      const stored = await write(known, { ...refusal(delivery, reason), set: forAPerson }, writer);
      if (stored) announce(stored.delivery, await parts.settings.current());
      return 'nothing-to-do';
    }
    if (delivery.state === 'uncertain' && !resendsByItself(delivery, await parts.settings.current())) {
      await ledger.index(delivery);
      return 'nothing-to-do';
    }
    const carried = 'carrier' in job ? job.carrier.carrier.attempt : 1;
    if (delivery.state === 'deferred' && carried <= delivery.attempt) {
      // Its process died after recording the wait and before enqueuing the next carrier, or this is an old copy.
      const wait = Math.max(0, Date.parse(delivery.due ?? delivery.changedAt) - clock.now());
      await lanes.send(laneOfDelivery(delivery), carrierOf(delivery.id, delivery.attempt + 1), wait / 1000);
      return 'nothing-to-do';
    }
    return { delivery, from: delivery.state, stored: known, mail };
  };

  const slotFor = async (delivery: Delivery, connections: number): Promise<(() => void) | undefined> => {
    const patience = AbortSignal.timeout(slotPatience);
    try {
      return await relay.slot(classOf(delivery), connections, patience);
    } catch (error) {
      if (patience.aborted) return undefined;
      throw error;
    }
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
    const stored = await write(known, { to: 'uncertain', reason, set: { mayHaveArrived: true } }, writer, mail);
    if (stored) announce(stored.delivery, await parts.settings.current());
    return stored;
  };

  /** Gates, a connection, the gates again, claim, hand-over, record. */
  const attempt = async (work: Work, writer: string): Promise<Delivery | 'somebody-else' | 'no-connection'> => {
    const before = await settingsFor(work.delivery);
    const early = await askGates(freeGates, work.delivery, { settings: before, now: clock.now(), dryRun: true });
    if ('stopped' in early) return await stop(work, early.stopped, writer);

    let text: Content;
    try {
      text = await content.of(work.mail);
    } catch (error) {
      if (!(error instanceof MissingContent)) throw error;
      const reason = { code: 'content-missing', detail: error.message };
      return await stop(work, { stop: 'failed', reason }, writer);
    }

    const release = await slotFor(work.delivery, before.limit.connections);
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
      if ('stopped' in asked) return await stop(work, asked.stopped, writer);
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
      return await recordSurely(claimed, outcome, settings, work.mail, writer);
    } finally {
      await tell(holds, outcome, claimed.delivery, settings);
    }
  };

  /** What the relay said is known only here: storage gets some time to come back before it is lost to `uncertain`. */
  const recordSurely = async (...what: Parameters<typeof record>): Promise<Delivery> => {
    const [{ delivery }] = what;
    for (const wait of recordAgain) {
      try {
        return await record(...what);
      } catch (error) {
        if (clock.now() + wait > Date.parse(delivery.leaseUntil ?? delivery.changedAt)) throw error;
        log.warn('postern.delivery.unrecorded', { delivery: delivery.id, error: String(error).slice(0, 300) });
        await parts.wait(wait);
      }
    }
    return await record(...what);
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

  /** What keeps the mail from being handed over at all, such as a vault without an answer, is no unknown outcome. */
  const handOver = async (mail: Submission, settings: Settings, { leaseUntil }: Delivery): Promise<Outcome> => {
    const start = clock.now();
    // The claim may have been slow to write: the hand-over ends while nobody can take it for dead.
    const left = Date.parse(leaseUntil ?? iso(start)) - start - slackOf(parts.submitTimeout) / 2;
    try {
      const signal = AbortSignal.timeout(Math.max(1, Math.round(left)));
      return beforeTheMail(await relay.submit(mail, settings, { signal }));
    } catch (error) {
      log.error('postern.relay.unreached', { error: String(error).slice(0, 300) });
      const reply = 'What the login needs could not be had; the mail was not handed over.';
      return {
        class: 'connection',
        phase: 'token',
        rule: 'login-data-unavailable',
        reply,
        milliseconds: clock.now() - start,
      };
    }
  };

  const claim = (work: Work, mail: Submission, marks: Marks, writer: string): Promise<Stored | undefined> => {
    const { delivery, from } = work;
    const now = clock.now();
    const n = delivery.attempt + 1;
    const next = moved(delivery, from, {
      to: 'submitting',
      at: now,
      by: 'engine',
      reason: { code: 'submitting', detail: `Attempt ${n}.` },
      set: {
        attempt: n,
        attempts: [...delivery.attempts, { n, at: iso(now) }],
        leaseUntil: iso(now + leaseOf(parts.submitTimeout)),
        messageIdHeader: mail.messageId,
        from: mail.from,
        ...marks,
        ...(delivery.mayHaveArrived ? { resends: (delivery.resends ?? 0) + 1 } : {}),
      },
    });
    // A first attempt's mail is still in its queue message; only a row that held it before has to go on holding it.
    return work.stored ? ledger.move(work.stored, next, writer, work.mail) : ledger.open(next, writer);
  };

  const record = async (claimed: Stored, outcome: Outcome, settings: Settings, mail: Mail, writer: string) => {
    let standing = claimed;
    for (let round = 0; round < 3; round++) {
      const aftermath = aftermathOf(standing.delivery, outcome, { settings, now: clock.now(), random });
      const done = await carryOut(standing, aftermath, settings, mail, writer);
      if (done) return done;
      // The lease ran out and somebody declared this attempt dead. Its result is still news, unless another attempt began.
      const present = await ledger.read(claimed.delivery.id);
      if (present?.delivery.state !== 'uncertain' || present.delivery.attempt !== claimed.delivery.attempt) break;
      standing = present;
    }
    log.warn('postern.delivery.late', { delivery: claimed.delivery.id, attempt: claimed.delivery.attempt });
    return (await ledger.read(claimed.delivery.id))?.delivery ?? claimed.delivery;
  };

  const carryOut = async (standing: Stored, aftermath: Aftermath, settings: Settings, mail: Mail, writer: string) => {
    const { move, again, park } = aftermath;
    const stored = await write(standing, move, writer, mail);
    if (!stored) return undefined;
    const { delivery } = stored;
    if (park) await parking.park(delivery, park.waitsFor, park.until);
    if (again !== undefined) {
      await lanes.send(laneOfDelivery(delivery), carrierOf(delivery.id, delivery.attempt + 1), again / 1000);
    }
    announce(delivery, settings);
    return delivery;
  };

  /** A gate's verdict becomes the row. */
  const stop = async (work: Work, verdict: Exclude<Verdict, { pass: true }>, writer: string) => {
    const { delivery, from, stored, mail } = work;
    let move: Omit<Move, 'at' | 'by'>;
    if ('park' in verdict) {
      const due = verdict.until === undefined ? undefined : iso(verdict.until);
      move = { to: 'parked', reason: verdict.reason, set: { waitsFor: verdict.park, due } };
    } else if (delivery.mayHaveArrived) {
      move = { to: 'uncertain', reason: refusal(delivery, verdict.reason).reason, set: forAPerson };
    } else {
      move = { to: verdict.stop, reason: verdict.reason };
    }
    const done = stored ? await write(stored, move, writer, mail) : await openWith(delivery, from, move, writer, mail);
    if (!done) return 'somebody-else' as const;
    // Only now: an entry that is released before the row holds the mail would bring a carrier with nothing to carry. A
    // crash in between is mended by the queue message that came with this job, since it is delivered again.
    if ('park' in verdict) await parking.park(done.delivery, verdict.park, verdict.until);
    announce(done.delivery, await parts.settings.current());
    return done.delivery;
  };

  type Step = Omit<Move, 'at' | 'by'> & Partial<Pick<Move, 'at' | 'by'>>;

  const write = async (standing: Stored, step: Step, writer: string, mail?: Mail) => {
    const next = moved(standing.delivery, standing.delivery.state, { at: clock.now(), by: 'engine', ...step });
    const stored = await ledger.move(standing, next, writer, keepsMail(next) ? (mail ?? standing.mail) : undefined);
    if (stored) await ledger.index(next);
    return stored;
  };

  const openWith = async (delivery: Delivery, from: State | 'new', step: Step, writer: string, mail: Mail) => {
    const next = moved(delivery, from, { at: clock.now(), by: 'engine', ...step });
    const stored = await ledger.open(next, writer, keepsMail(next) ? mail : undefined);
    if (stored) await ledger.index(next);
    return stored;
  };

  const announce = (delivery: Delivery, settings: Settings) => {
    const fields = { delivery: delivery.id, kind: delivery.kind, state: delivery.state, code: delivery.reason.code };
    log.info('postern.delivery', fields);
    if (delivery.state === 'failed') log.alert(alerts.deliveryFailed, fields);
    if (delivery.state === 'uncertain' && !resendsByItself(delivery, settings)) {
      log.alert(alerts.deliveryUncertain, fields);
    }
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

/** What is refused for the time being before the relay hears of any mail is a fault of the connection (law 4). */
const beforeTheMail = (outcome: Outcome): Outcome =>
  outcome.class === 'temporary' && beforeMail.has(outcome.phase) ? { ...outcome, class: 'connection' } : outcome;
