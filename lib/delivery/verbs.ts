import type { AuditLog } from '../audit/audit.ts';
import { type Clock, iso, seconds } from '../clock.ts';
import { PosternError } from '../errors.ts';
import type { Mail } from '../message/contract.ts';
import { traitsOf } from '../message/kinds.ts';
import { parseQueueBody } from '../message/queue-body.ts';
import type { Page } from '../storage/page.ts';
import { carrierOf, type Lanes } from './carrier.ts';
import { type Delivery, keepsMail, laneOfDelivery, moved } from './delivery.ts';
import { parseId } from './id.ts';
import type { Filter, Ledger, Stored, Summary } from './ledger.ts';
import type { Parking } from './parking.ts';
import { isFinal, type Verb, verbs } from './states.ts';

/** What an admin does to deliveries by hand: audited, and harmless to repeat. */
export interface Verbs {
  /**
   * @returns the delivery, and whether this call changed it; repeating a verb changes nothing
   * @throws PosternError `not-found`; `illegal-state` where the state does not allow it or the mail is not kept
   */
  apply(verb: Verb, deliveryId: string, actor: Actor, note?: string): Promise<Applied>;
  /**
   * Applies a verb to one page of what a filter finds; `next` goes on. Refusals are told, not thrown. Where time runs out
   * within the page, `left` names the rest of it, which the same `after` finds again.
   */
  applyAll(
    verb: Verb,
    filter: Filter & { to?: string | undefined },
    actor: Actor,
    size: number,
    after?: string,
  ): Promise<AppliedAll>;
}

export interface Actor {
  id: string;
  name: string;
}

export interface Applied {
  delivery: Delivery;
  changed: boolean;
}

export interface AppliedAll {
  changed: string[];
  unchanged: string[];
  refused: { id: string; reason: string }[];
  left: string[];
  next?: string | undefined;
}

interface Parts {
  ledger: Ledger;
  lanes: Lanes;
  parking: Pick<Parking, 'leave'>;
  audit: Pick<AuditLog, 'begin'>;
  clock: Clock;
  newWriter(): string;
}

/** A carrier that follows from a resend by hand, should the process die between the row and the queue. */
const safetyNet = 15;

/** The platform's front end ends a request after 230 s, and its caller would not hear what was done. */
const budget = seconds(150);

export const deliveryVerbs = ({ ledger, lanes, parking, audit, clock, newWriter }: Parts): Verbs => {
  const apply = async (verb: Verb, deliveryId: string, actor: Actor, note?: string): Promise<Applied> => {
    for (let round = 0; round < 4; round++) {
      const known = parseId(deliveryId)?.n === undefined ? undefined : await ledger.read(deliveryId);
      if (!known)
        throw new PosternError('not-found', 'There is no such delivery. It may have aged out of the history.');
      if (alreadyDone(verb, known.delivery)) return { delivery: known.delivery, changed: false };
      const next = wanted(verb, known, actor, clock.now());
      // Before the act, so that nothing done can be missing; and only what may be done gets here.
      const entry = await audit.begin({
        actor,
        action: `delivery.${verb}`,
        subject: deliveryId,
        detail: { from: known.delivery.state, ...(note ? { note } : {}) },
      });
      const stored = verb === 'resend' ? await enqueue(known, next) : await write(known, next);
      await entry.end(stored ? 'done' : 'not-done');
      if (!stored) continue;
      await ledger.index(stored.delivery);
      if (known.delivery.state === 'parked') await parking.leave(known.delivery);
      return { delivery: stored.delivery, changed: true };
    }
    throw new PosternError('illegal-state', 'The delivery is changing right now; try again.');
  };

  const write = (known: Stored, { delivery, mail }: Wanted): Promise<Stored | undefined> =>
    ledger.move(known, delivery, newWriter(), keepsMail(delivery) ? mail : undefined);

  const enqueue = async (known: Stored, next: Wanted): Promise<Stored | undefined> => {
    const carrier = carrierOf(known.delivery.id, known.delivery.attempt + 1);
    const lane = laneOfDelivery(next.delivery);
    await lanes.send(lane, carrier, safetyNet);
    const before = clock.now();
    const stored = await write(known, next);
    if (stored || clock.now() - before > seconds(safetyNet)) await lanes.send(lane, carrier);
    return stored;
  };

  return {
    apply,
    applyAll: async (verb, { to, ...filter }, actor, size, after) => {
      const found: Page<Summary> = to
        ? await ledger.byRecipient(to, filter, size, after)
        : await ledger.byTime(filter, size, after);
      const result: AppliedAll = { changed: [], unchanged: [], refused: [], left: [], next: found.next };
      const began = clock.now();
      for (const [i, { id }] of found.items.entries()) {
        if (clock.now() - began > budget) {
          return { ...result, left: found.items.slice(i).map((item) => item.id), next: after };
        }
        try {
          const { changed } = await apply(verb, id, actor);
          (changed ? result.changed : result.unchanged).push(id);
        } catch (error) {
          if (!(error instanceof PosternError)) throw error;
          result.refused.push({ id, reason: error.message });
        }
      }
      return result;
    },
  };
};

/** The delivery as a verb wants it, with the mail that its row then holds as far as it keeps one. */
interface Wanted {
  delivery: Delivery;
  mail: Mail | undefined;
}

/** @throws PosternError `illegal-state` where the state does not allow it or there is nothing to send */
const wanted = (verb: Verb, known: Stored, actor: Actor, now: number): Wanted => {
  const { delivery } = known;
  const mail = verb === 'resend' ? mailToResend(known) : known.mail;
  const next = moved(delivery, delivery.state, {
    to: verbs[verb].to,
    at: now,
    by: actor.id,
    verb,
    reason: { code: verb, detail: `${words[verb]} by ${actor.name}.` },
    ...(verb === 'resend' ? { set: fresh(delivery, mail, now) } : {}),
  });
  return { delivery: next, mail };
};

const words: Record<Verb, string> = {
  resend: 'Sent again',
  cancel: 'Cancelled',
  'mark-sent': 'Marked as sent',
};

const alreadyDone = (verb: Verb, { state, reason }: Delivery): boolean =>
  verb === 'resend' ? !isFinal(state) && state !== 'uncertain' : state === verbs[verb].to && reason.code === verb;

/** A new life: the whole budget of tries, and a new end, since the old one may have passed. */
const fresh = (delivery: Delivery, mail: Mail | undefined, now: number): Partial<Delivery> => {
  const kind = mail?.kind ?? delivery.kind;
  const ttl = kind === 'unknown' ? 0 : traitsOf(kind).timeToLive;
  return {
    tries: 0,
    kind,
    expiresAt: iso(Math.max(now + ttl, Date.parse(delivery.expiresAt))),
    notBefore: undefined,
    ...(mail
      ? { to: mail.to[0] ?? delivery.to, subject: delivery.subject || mail.subject, blob: mail.content?.blob }
      : {}),
  };
};

/** @throws PosternError `illegal-state` with the reason why there is nothing to send */
const mailToResend = ({ delivery, mail, original }: Stored): Mail => {
  if (mail) return mail;
  if (delivery.state === 'sent')
    throw new PosternError('illegal-state', 'The relay took this mail; send a new one instead.');
  const confidential = delivery.kind !== 'unknown' && traitsOf(delivery.kind).confidential;
  if (!original || confidential) {
    throw new PosternError(
      'illegal-state',
      confidential
        ? 'The content of this mail is not kept, since it held a code or a link to an account. Ask for a new one.'
        : 'The content of this mail was not kept here. Ask its producer to send it again.',
    );
  }
  const read = parseQueueBody(original);
  if ('faults' in read) {
    const faults = read.faults.map(({ path, reason }) => `${path}: ${reason}`).join('; ');
    throw new PosternError('illegal-state', `The message is not by the contract, so it cannot be sent: ${faults}`);
  }
  if (delivery.reason.code === 'key-reused') {
    throw new PosternError(
      'illegal-state',
      'Its key belongs to another message; the producer must send it under a new one.',
    );
  }
  const n = parseId(delivery.id)?.n ?? 0;
  const to = read.body.mail.to[n] ?? read.body.mail.to[0];
  return { ...read.body.mail, ...(to ? { to: [to] } : {}) };
};
