import { alerts } from '../alerts.ts';
import type { Clock } from '../clock.ts';
import type { Log } from '../log.ts';
import type { Mail } from '../message/contract.ts';
import type { Lane } from '../message/kinds.ts';
import { parseQueueBody } from '../message/queue-body.ts';
import { refusal } from './aftermath.ts';
import { carrier, carrierOf, type Lanes } from './carrier.ts';
import { type Delivery, moved, newDelivery, type Reason } from './delivery.ts';
import { parseId } from './id.ts';
import type { Ledger, Stored } from './ledger.ts';
import { rejected } from './rejected.ts';
import { isFinal } from './states.ts';

/**
 * What becomes of a queue message that cannot be processed: one whose processing ended five times in a crash, or one
 * that the host put on a poison queue because it is not even Base64. Each ends as a visible row that keeps the original
 * and can be replayed; nothing is tried again by itself.
 */
export interface LastResort {
  /** @param body as it came @param value its JSON, where it is JSON @param messageId of a message that is not ours */
  settle(lane: Lane, body: unknown, value: unknown, messageId: string): Promise<void>;
}

interface Parts {
  ledger: Ledger;
  lanes: Lanes;
  clock: Clock;
  newWriter(): string;
  log: Log;
}

const reason: Reason = {
  code: 'poison',
  detail: 'Processing it ended without a result time after time, so it was set aside. See the log, then send it again.',
};

export const lastResort = ({ ledger, lanes, clock, newWriter, log }: Parts): LastResort => {
  const settle = async (lane: Lane, body: unknown, value: unknown, messageId: string): Promise<void> => {
    const own = carrier.safeParse(value);
    if (own.success) return await settleOne(lane, own.data.carrier.id, own.data.mail);
    const original = typeof body === 'string' ? body : JSON.stringify(body);
    const read = parseQueueBody(body);
    if ('faults' in read) {
      for (const row of rejected({ bad: read, messageId, firstN: 0, code: 'poison', at: clock.now() })) {
        await open(row, undefined, original);
      }
      return;
    }
    const { mail } = read.body;
    for (const n of mail.to.keys()) await settleOne(lane, `${messageId}-${n}`, { ...mail, to: [mail.to[n]!] });
  };

  const settleOne = async (lane: Lane, id: string, mail: Mail | undefined): Promise<void> => {
    const known = await ledger.read(id);
    if (known) return await settleKnown(lane, known, mail);
    const parsed = parseId(id);
    const [to] = mail?.to ?? [];
    if (!mail || !to || parsed?.n === undefined) {
      log.alert(alerts.poison, { delivery: id, known: false });
      return;
    }
    const fresh = newDelivery({ messageId: parsed.messageId, n: parsed.n, at: parsed.at, mail, to });
    await open(moved(fresh, 'new', { to: 'failed', at: clock.now(), by: 'poison', reason }), mail);
  };

  const settleKnown = async (lane: Lane, known: Stored, mail: Mail | undefined): Promise<void> => {
    const { delivery } = known;
    if (isFinal(delivery.state) || delivery.state === 'uncertain') return;
    if (delivery.state === 'submitting') {
      const left = Date.parse(delivery.leaseUntil ?? delivery.changedAt) - clock.now();
      if (left > 0) {
        await lanes.send(lane, carrierOf(delivery.id, delivery.attempt, mail), left / 1000 + 1);
        return;
      }
    }
    const died = delivery.state === 'submitting' || delivery.mayHaveArrived;
    const marked: Delivery = died ? { ...delivery, mayHaveArrived: true } : delivery;
    const next = moved(marked, delivery.state, { ...refusal(marked, reason), at: clock.now(), by: 'poison' });
    const stored = await ledger.move(known, next, newWriter(), mail ?? known.mail);
    if (!stored) return;
    await ledger.index(next);
    log.alert(alerts.poison, { delivery: next.id, kind: next.kind, state: next.state });
  };

  const open = async (row: Delivery, mail?: Mail, original?: string): Promise<void> => {
    const stored = await ledger.open(row, newWriter(), mail, original);
    if (stored && row.to.address !== '') await ledger.index(row);
    log.alert(alerts.poison, { delivery: row.id, kind: row.kind, state: row.state });
  };

  return { settle };
};
