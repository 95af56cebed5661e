import { alerts } from '../alerts.ts';
import type { Clock } from '../clock.ts';
import type { Log } from '../log.ts';
import { bodyHash, type Mail, mail as mailSchema } from '../message/contract.ts';
import type { Lane } from '../message/kinds.ts';
import { parseQueueBody } from '../message/queue-body.ts';
import { refusal } from './aftermath.ts';
import { carrier, convoy, type Lanes, returned, type Split, scatter, split } from './carrier.ts';
import { tooEarly } from './claim.ts';
import { type ContentStore, MissingContent } from './content.ts';
import { type Delivery, keepsMail, moved, newDelivery, type Reason } from './delivery.ts';
import { deliveryIdOf, parseId } from './id.ts';
import type { Keys } from './keys.ts';
import { type Ledger, openIndexed, type Stored } from './ledger.ts';
import { refuseMessage } from './refuse.ts';
import { isFinal } from './states.ts';

/**
 * What becomes of a queue message that cannot be processed: one whose processing ended five times in a crash, or one
 * that the host put on a poison queue because it is not even Base64. Each ends as a visible row that keeps the original
 * and can be replayed; nothing is tried again by itself.
 */
export interface LastResort {
  /** @param body as it came @param value its JSON, where it is JSON @param messageId of a message that is not ours */
  settle(lane: Lane, body: unknown, value: unknown, messageId: string, why?: Reason): Promise<void>;
  /** Settles whatever of a message has not begun, for a reason of the caller's. */
  giveUp(messageId: string, why: Reason): Promise<void>;
}

interface Parts {
  ledger: Ledger;
  keys: Keys;
  lanes: Lanes;
  content: Pick<ContentStore, 'get'>;
  clock: Clock;
  newWriter(): string;
  log: Log;
}

const endless: Reason = {
  code: 'poison',
  detail: 'Processing it ended without a result time after time, so it was set aside. See the log, then send it again.',
};

export const lastResort = ({ ledger, keys, lanes, content, clock, newWriter, log }: Parts): LastResort => {
  const settle: LastResort['settle'] = async (lane, body, value, messageId, why = endless) => {
    const several = convoy.safeParse(value);
    if (several.success) return await scatter(lanes, lane, several.data);
    const own = carrier.safeParse(value);
    if (own.success) {
      const { id, attempt, owner } = own.data.carrier;
      return await settleOne({ id, attempt, mail: own.data.mail, owner, why });
    }
    const halves = split.safeParse(value);
    if (halves.success) return await settleSplit(halves.data, why);
    const back = returned.safeParse(value);
    if (back.success) {
      const { mail, returned: as } = back.data;
      return await settleMail(mail, await idOf(mail, as.messageId), why);
    }
    const read = parseQueueBody(body);
    if ('body' in read) return await settleMail(read.body.mail, await idOf(read.body.mail, messageId), why);
    const bad = { bad: read, messageId, firstN: 0, code: 'poison', at: clock.now() };
    const told = await refuseMessage({ ledger, keys, newWriter }, bad, body);
    if (told) log.alert(alerts.poison, { ...told });
  };

  const settleMail = async (mail: Mail, messageId: string, why: Reason, owner?: string): Promise<void> => {
    for (const [n, to] of mail.to.entries()) {
      await settleOne({ id: deliveryIdOf(messageId, n), attempt: 1, mail: { ...mail, to: [to] }, owner, why });
    }
  };

  /** A message that came under a key which another copy of it had used goes by that copy's id. */
  const idOf = async (mail: Mail, own: string): Promise<string> => {
    if (mail.key === undefined) return own;
    const claimed = await keys.claim(mail.key, own, bodyHash(mail), clock.now());
    return claimed.first || !claimed.sameBody ? own : claimed.messageId;
  };

  const settleSplit = async ({ split: { messageId, owner }, blob }: Split, why: Reason): Promise<void> => {
    const read = mailSchema.safeParse(await content.get(blob).catch(unlessMissing));
    if (!read.success) return await giveUp(messageId, why);
    await settleMail(read.data, messageId, why, owner);
  };

  const giveUp = async (messageId: string, why: Reason): Promise<void> => {
    const rows = await ledger.ofMessage(messageId);
    const waiting = rows.filter(({ delivery }) => delivery.state === 'queued' && delivery.attempt === 0);
    for (const known of waiting) await fail(known, known.mail, why);
    if (rows.length === 0) log.alert(alerts.poison, { message: messageId, known: false });
  };

  const settleOne = async (one: One): Promise<void> => {
    const { id, mail, owner, why } = one;
    const known = await ledger.read(id);
    if (known) return await settleKnown(known, one);
    const parsed = parseId(id);
    const [to] = mail?.to ?? [];
    if (!mail || !to || parsed?.n === undefined) {
      log.alert(alerts.poison, { delivery: id, known: false });
      return;
    }
    const fresh = newDelivery({ messageId: parsed.messageId, n: parsed.n, at: parsed.at, mail, to, owner });
    const row = moved(fresh, 'new', { to: 'failed', at: clock.now(), by: 'poison', reason: why });
    await open(row, { mail: keepsMail(row) ? mail : undefined });
  };

  const settleKnown = async (known: Stored, { attempt, mail, why }: One): Promise<void> => {
    const { delivery } = known;
    if (isFinal(delivery.state) || delivery.state === 'uncertain') return await ledger.index(delivery);
    // What this message was for may be done; whether its successor was enqueued is not known.
    const later = tooEarly(delivery, { attempt, mail }, clock.now());
    if (later) {
      await lanes.send(later.lane, later.carrier, later.after);
      return;
    }
    await fail(known, mail ?? known.mail, why);
  };

  const fail = async (known: Stored, mail: Mail | undefined, why: Reason): Promise<void> => {
    const { delivery } = known;
    const died = delivery.state === 'submitting' || delivery.mayHaveArrived;
    const marked: Delivery = died ? { ...delivery, mayHaveArrived: true } : delivery;
    const next = moved(marked, delivery.state, { ...refusal(marked, why), at: clock.now(), by: 'poison' });
    const stored = await ledger.move(known, next, newWriter(), keepsMail(next) ? mail : undefined);
    if (!stored) return;
    await ledger.index(next);
    log.alert(alerts.poison, { delivery: next.id, kind: next.kind, state: next.state });
  };

  const open = async (row: Delivery, kept: Pick<Stored, 'mail' | 'original'>): Promise<void> => {
    const { first } = await openIndexed(ledger, row, newWriter(), kept);
    if (first) log.alert(alerts.poison, { delivery: row.id, kind: row.kind, state: row.state });
  };

  return { settle, giveUp };
};

interface One {
  id: string;
  /** The attempt that the message was for. */
  attempt: number;
  mail: Mail | undefined;
  owner?: string | undefined;
  why: Reason;
}

const unlessMissing = (error: unknown): undefined => {
  if (!(error instanceof MissingContent)) throw error;
};
