import { ZodError } from 'zod';
import { alerts } from '../alerts.ts';
import type { Clock, Random } from '../clock.ts';
import { days } from '../clock.ts';
import { PosternError } from '../errors.ts';
import { parseJson } from '../json.ts';
import type { Log } from '../log.ts';
import { bodyHash, type Mail, mail as mailSchema } from '../message/contract.ts';
import { type Lane, laneOf } from '../message/kinds.ts';
import { parseQueueBody } from '../message/queue-body.ts';
import { inSteps } from '../steps.ts';
import {
  type Convoy,
  carrier,
  carrierOf,
  convoy,
  type Lanes,
  mostPostponed,
  putBackFor,
  type Returned,
  returned,
  type Split,
  scatter,
  split,
} from './carrier.ts';
import { type ContentStore, MissingContent, messageBlobOf } from './content.ts';
import { type Delivery, newDelivery } from './delivery.ts';
import type { Desk } from './desk.ts';
import { messageIdOf, newMessageId, parseId } from './id.ts';
import type { Keys } from './keys.ts';
import type { LastResort } from './last-resort.ts';
import type { Ledger } from './ledger.ts';
import { refuseMessage } from './refuse.ts';
import { goodRecipients, type Rejection } from './rejected.ts';
import { isFinal } from './states.ts';

/** What the Functions host tells of a queue message. It is believed for well-formed messages only, see `QueueBody`. */
export interface Arrival {
  /** The queue message's id, the same at every redelivery. */
  id: string;
  /** Milliseconds. */
  insertedAt: number;
  /** From 1. */
  dequeueCount: number;
}

export interface Accepted {
  messageId: string;
  deliveries: Delivery[];
  /** The mail as it was kept: what is big in it lies in a blob. */
  mail: Mail;
  /** The key was known with the same body: this is the first answer again. */
  replayed: boolean;
  /** Takes back the carriers, where the deliveries have been settled in the meantime. Never rejects. */
  settled(): Promise<void>;
}

export interface Acceptance {
  /** Handles one queue message whatever it holds. Rejects only where storage does not answer. */
  fromQueue(lane: Lane, body: unknown, arrival: Arrival): Promise<void>;
  /**
   * Accepts a message over HTTP: durable when it returns.
   * @param owner the caller's id, who may ask for it later
   * @param holdBack seconds for which the caller wants to try it first; the queue goes on only after that
   * @throws PosternError `key-reused`
   */
  overHttp(mail: Mail, owner: string, holdBack?: number): Promise<Accepted>;
}

/** The host gives up on a message after this many deliveries; must be `maxDequeueCount` of host.json. */
export const maxDequeueCount = 5;

interface Parts {
  ledger: Ledger;
  keys: Keys;
  lanes: Lanes;
  content: ContentStore;
  desk: Desk;
  lastResort: LastResort;
  clock: Clock;
  random: Random;
  newWriter(): string;
  log: Log;
}

export const acceptance = (parts: Parts): Acceptance => {
  const { ledger, keys, lanes, content, desk, clock, log } = parts;

  const fromQueue = async (lane: Lane, body: unknown, arrival: Arrival): Promise<void> => {
    const json = typeof body === 'string' ? parseJson(body) : { value: body };
    const value = 'value' in json ? json.value : undefined;
    const several = convoy.safeParse(value);
    if (several.success) return await inConvoy(lane, several.data, arrival);
    if (arrival.dequeueCount >= maxDequeueCount) {
      await parts.lastResort.settle(lane, body, value, messageIdAt(arrival));
      return;
    }
    const own = carrier.safeParse(value);
    if (own.success) {
      await desk.deliver({ lane, carrier: own.data });
      return;
    }
    const halves = split.safeParse(value);
    if (halves.success) return await splitOrPutBack(lane, halves.data);
    const back = returned.safeParse(value);
    if (back.success) return await acceptOrPutBack(lane, back.data.mail, back.data.returned);

    const read = parseQueueBody(body);
    const messageId = messageIdAt(arrival);
    if ('body' in read) return await acceptOrPutBack(lane, read.body.mail, { messageId, times: 0 });
    const saved = goodRecipients(value, read.faults);
    const refused = { messageId, firstN: saved?.mail.to.length ?? 0, code: 'not-valid' };
    await refuse({ ...refused, bad: saved ? { ...read, to: saved.bad } : read, each: saved?.faults }, body);
    if (saved) await acceptOrPutBack(lane, saved.mail, { messageId, times: 0 });
  };

  /** While storage does not answer, the message waits on its lane as what it is, and keeps its id. */
  const acceptOrPutBack = async (lane: Lane, mail: Mail, { messageId, times }: Returned['returned']): Promise<void> => {
    try {
      await accept(lane, mail, messageId);
    } catch (error) {
      await putBack(error, times, (wait) =>
        lanes.send(lane, { v: 1, returned: { messageId, times: times + 1 }, mail } satisfies Returned, wait),
      );
    }
  };

  const splitOrPutBack = async (lane: Lane, work: Split): Promise<void> => {
    try {
      await splitStored(work);
    } catch (error) {
      const { postponed = 0 } = work.split;
      await putBack(error, postponed, (wait) =>
        lanes.send(lane, { ...work, split: { ...work.split, postponed: postponed + 1 } } satisfies Split, wait),
      );
    }
  };

  /** Where not even that works, the host delivers the queue message again. */
  const putBack = async (error: unknown, times: number, send: (wait: number) => Promise<unknown>): Promise<void> => {
    if (times >= mostPostponed) throw error;
    log.warn('postern.message.postponed', { times: times + 1, error: String(error).slice(0, 300) });
    await send(putBackFor(times, parts.random) / 1000);
  };

  const inConvoy = async (lane: Lane, body: Convoy, { dequeueCount }: Arrival): Promise<void> => {
    if (dequeueCount > 1) return await scatter(lanes, lane, body);
    const ends = await Promise.allSettled(
      body.convoy.map(({ id, attempt }) => desk.deliver({ lane, carrier: carrierOf(id, attempt) })),
    );
    const lost = ends.find((end) => end.status === 'rejected');
    if (lost) throw lost.reason;
  };

  const accept = async (lane: Lane, mail: Mail, own: string): Promise<void> => {
    const messageId = mail.key === undefined ? own : await owned(mail, mail.key, own);
    if (messageId === undefined) return;
    const at = parseId(messageId)?.at ?? clock.now();
    // What only just fits a queue message does not fit a carrier.
    const light = await content.lighten(mail, messageId);
    const [to, ...others] = light.to;
    if (!to) return;
    if (others.length > 0) return await splitMessage(messageId, at, light);
    const fresh = newDelivery({ messageId, n: 0, at, mail: light, to });
    if (laneOf(mail.kind) === lane) {
      await desk.deliver({ lane, fresh, mail: light });
      return;
    }
    await lanes.send(laneOf(mail.kind), carrierOf(fresh.id, 1, light));
  };

  /** Whose message a key stands for: `undefined` where there is nothing more to do for this one. */
  const owned = async (mail: Mail, key: string, own: string): Promise<string | undefined> => {
    const claimed = await keys.claim(key, own, bodyHash(mail), clock.now());
    if (claimed.first) return own;
    if (!claimed.sameBody) {
      const reason = `The key “${key}” was used before for message ${claimed.messageId} with another body.`;
      const faults = [{ path: 'mail.key', reason }];
      const to = mail.to.map(({ address }) => address);
      const bad = { faults, kind: mail.kind, key, subject: mail.subject, to };
      await refuse({ bad, messageId: own, firstN: 0, code: 'key-reused' }, JSON.stringify({ v: 1, mail }));
      return undefined;
    }
    const known = await ledger.ofMessage(claimed.messageId);
    if (known.length > 0) {
      log.info('postern.message.duplicate', { message: claimed.messageId });
      return undefined;
    }
    // Whoever used the key first may have died before it enqueued anything: this one carries it on, under that id.
    return claimed.messageId;
  };

  const refuse = async (refused: Omit<Rejection, 'at'>, body: unknown): Promise<void> => {
    const told = await refuseMessage(parts, { ...refused, at: clock.now() }, body);
    if (told) log.alert(alerts.deliveryFailed, { ...told });
  };

  const splitStored = async ({ split: { messageId, owner }, blob }: Split): Promise<void> => {
    let mail: Mail;
    try {
      mail = mailSchema.parse(await content.get(blob));
    } catch (error) {
      if (!(error instanceof MissingContent || error instanceof ZodError)) throw error;
      const detail = error instanceof MissingContent ? error.message : `The content “${blob}” is not a mail.`;
      return await parts.lastResort.giveUp(messageId, { code: 'content-missing', detail });
    }
    await splitMessage(messageId, parseId(messageId)?.at ?? clock.now(), mail, owner);
  };

  /** One carrier for each recipient whose delivery is not settled. Harmless to repeat from any point. */
  const splitMessage = async (messageId: string, at: number, mail: Mail, owner?: string): Promise<void> => {
    const deliveries = mail.to.map((to, n) => newDelivery({ messageId, n, at, mail, to, owner }));
    const rows = new Map((await ledger.ofMessage(messageId)).map(({ delivery }) => [delivery.id, delivery]));
    await openQueued(deliveries.filter(({ id }) => !rows.has(id)));
    await inSteps(deliveries, async (delivery) => {
      const known = rows.get(delivery.id);
      // Whoever began it may have died in any state but a final one, and with a final one before it was findable.
      if (known && isFinal(known.state)) return await ledger.index(known);
      await lanes.send(laneOf(mail.kind), carrierOf(delivery.id, 1, { ...mail, to: [delivery.to] }, owner));
    });
  };

  const openQueued = async (deliveries: Delivery[]): Promise<void> => {
    await Promise.all(deliveries.map((delivery) => ledger.open(delivery, parts.newWriter())));
  };

  const overHttp = async (mail: Mail, owner: string, holdBack = 0): Promise<Accepted> => {
    const own = newMessageId(clock.now());
    let messageId = own;
    if (mail.key !== undefined) {
      const claimed = await keys.claim(mail.key, own, bodyHash(mail), clock.now());
      if (!claimed.first) {
        if (!claimed.sameBody) {
          throw new PosternError('key-reused', `This key was used for message ${claimed.messageId} with another body.`);
        }
        const known = await ledger.ofMessage(claimed.messageId);
        const deliveries = known.map(({ delivery }) => delivery);
        // What came by the queue has no owner; whoever knows its key may ask for it.
        if (deliveries.some((it) => it.owner !== undefined && it.owner !== owner)) {
          throw new PosternError('key-reused', 'This key was used by another service; use keys of your own.');
        }
        // Complete rows were written after the queue had it; anything less may be left over from a crash.
        if (deliveries.length === mail.to.length) {
          return { messageId: claimed.messageId, deliveries, mail, replayed: true, settled: async () => {} };
        }
        messageId = claimed.messageId;
      }
    }
    return await enqueue(messageId, mail, owner, holdBack);
  };

  const enqueue = async (messageId: string, mail: Mail, owner: string, holdBack: number): Promise<Accepted> => {
    const at = parseId(messageId)?.at ?? clock.now();
    const light = await content.lighten(mail, messageId);
    const deliveries = light.to.map((to, n) => newDelivery({ messageId, n, at, mail: light, to, owner }));
    const lane = laneOf(mail.kind);
    const [first, ...others] = deliveries;
    let sent: { remove(): Promise<void> };
    if (first && others.length === 0) {
      sent = await lanes.send(lane, carrierOf(first.id, 1, light, owner), holdBack);
    } else {
      const blob = messageBlobOf(messageId);
      await content.put(blob, light);
      sent = await lanes.send(lane, { v: 1, split: { messageId, owner }, blob } satisfies Split, holdBack);
    }
    // Only now, so that a row always has somebody who brings it on.
    await openQueued(deliveries);
    const settled = async () => {
      try {
        await sent.remove();
      } catch (error) {
        // What is left of it finds the deliveries settled.
        log.warn('postern.carrier.left', { message: messageId, error: String(error).slice(0, 300) });
      }
    };
    return { messageId, deliveries, mail: light, replayed: false, settled };
  };

  /** The time is the host's for a message by the contract; other bodies may have overwritten it with anything. */
  const messageIdAt = ({ id, insertedAt }: Arrival): string => {
    const known = insertedAt > 0 && insertedAt < clock.now() + days(1);
    return messageIdOf(`queue:${id}`, known ? insertedAt : clock.now());
  };

  return { fromQueue, overHttp };
};
