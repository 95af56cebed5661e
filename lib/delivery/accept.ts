import { alerts } from '../alerts.ts';
import type { Clock } from '../clock.ts';
import { days, minutes } from '../clock.ts';
import { PosternError } from '../errors.ts';
import { parseJson } from '../json.ts';
import type { Log } from '../log.ts';
import { bodyHash, type Mail, mail as mailSchema } from '../message/contract.ts';
import { type Lane, laneOf } from '../message/kinds.ts';
import { parseQueueBody } from '../message/queue-body.ts';
import { type Carrier, carrier, carrierOf, type Lanes, type Split, split } from './carrier.ts';
import { type ContentStore, messageBlobOf } from './content.ts';
import { type Delivery, newDelivery } from './delivery.ts';
import type { Desk } from './desk.ts';
import { messageIdOf, newMessageId, parseId } from './id.ts';
import type { Keys } from './keys.ts';
import type { LastResort } from './last-resort.ts';
import type { Ledger } from './ledger.ts';
import { rejected } from './rejected.ts';

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
  /** The key was known with the same body: this is the first answer again. */
  replayed: boolean;
  /** Takes back the carriers, where the deliveries have been settled in the meantime. */
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
  newWriter(): string;
  log: Log;
}

/** Queue requests that run side by side while a message is split. */
const abreast = 16;

export const acceptance = (parts: Parts): Acceptance => {
  const { ledger, keys, lanes, content, desk, clock, log } = parts;

  const fromQueue = async (lane: Lane, body: unknown, arrival: Arrival): Promise<void> => {
    const json = typeof body === 'string' ? parseJson(body) : { value: body };
    const value = 'value' in json ? json.value : undefined;
    if (arrival.dequeueCount >= maxDequeueCount) {
      await parts.lastResort.settle(lane, body, value, messageIdAt(arrival));
      return;
    }
    const own = carrier.safeParse(value);
    if (own.success) return await carried(lane, own.data);
    const halves = split.safeParse(value);
    if (halves.success) return await splitStored(halves.data);

    const read = parseQueueBody(body);
    if ('faults' in read) {
      const saved = goodRecipients(value, read.faults);
      if (!saved) return await refuse(body, read, arrival);
      await refuse(body, { ...read, to: saved.bad }, arrival, saved.mail.to.length);
      return await accept(lane, saved.mail, arrival);
    }
    await accept(lane, read.body.mail, arrival);
  };

  const carried = async (lane: Lane, body: Carrier): Promise<void> => {
    await desk.deliver({ lane, carrier: body });
  };

  const accept = async (lane: Lane, mail: Mail, arrival: Arrival): Promise<void> => {
    const own = messageIdAt(arrival);
    const messageId = mail.key === undefined ? own : await owned(mail, mail.key, own, arrival);
    if (messageId === undefined) return;
    const at = parseId(messageId)?.at ?? arrival.insertedAt;
    const [to, ...others] = mail.to;
    if (!to) return;
    if (others.length > 0) return await splitMessage(messageId, at, mail);
    const fresh = newDelivery({ messageId, n: 0, at, mail, to });
    if (laneOf(mail.kind) === lane) {
      await desk.deliver({ lane, fresh, mail });
      return;
    }
    await lanes.send(laneOf(mail.kind), carrierOf(fresh.id, 1, mail));
  };

  /** Whose message a key stands for: `undefined` where there is nothing more to do for this one. */
  const owned = async (mail: Mail, key: string, own: string, arrival: Arrival): Promise<string | undefined> => {
    const claimed = await keys.claim(key, own, bodyHash(mail), clock.now());
    if (claimed.first) return own;
    if (!claimed.sameBody) {
      const reason = `The key “${key}” was used before for message ${claimed.messageId} with another body.`;
      const faults = [{ path: 'mail.key', reason }];
      const to = mail.to.map(({ address }) => address);
      const bad = { faults, kind: mail.kind, key, subject: mail.subject, to };
      await refuse(JSON.stringify({ v: 1, mail }), bad, arrival, 0, 'key-reused');
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

  const refuse = async (
    body: unknown,
    bad: Parameters<typeof rejected>[0]['bad'],
    arrival: Arrival,
    firstN = 0,
    code = 'not-valid',
  ): Promise<void> => {
    const original = typeof body === 'string' ? body : JSON.stringify(body);
    const messageId = messageIdAt(arrival);
    for (const row of rejected({ bad, messageId, firstN, code, at: clock.now() })) {
      const stored = await ledger.open(row, parts.newWriter(), undefined, original);
      if (stored && row.to.address !== '') await ledger.index(row);
      log.alert(alerts.deliveryFailed, { delivery: row.id, kind: row.kind, code });
    }
  };

  const splitStored = async ({ split: { messageId, owner }, blob }: Split): Promise<void> => {
    const mail = mailSchema.parse(await content.get(blob));
    await splitMessage(messageId, parseId(messageId)?.at ?? clock.now(), mail, owner);
  };

  /** One carrier for each recipient who has none that got through yet. Harmless to repeat from any point. */
  const splitMessage = async (messageId: string, at: number, mail: Mail, owner?: string): Promise<void> => {
    const deliveries = mail.to.map((to, n) => newDelivery({ messageId, n, at, mail, to, owner }));
    await openQueued(deliveries);
    const rows = new Map((await ledger.ofMessage(messageId)).map(({ delivery }) => [delivery.id, delivery.state]));
    const waiting = deliveries.filter(({ id }) => (rows.get(id) ?? 'queued') === 'queued');
    await inSteps(waiting, async (delivery) => {
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
        // Complete rows were written after the queue had it; anything less may be left over from a crash.
        if (deliveries.length === mail.to.length) {
          return { messageId: claimed.messageId, deliveries, replayed: true, settled: async () => {} };
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
    return { messageId, deliveries, replayed: false, settled: () => sent.remove() };
  };

  const messageIdAt = ({ id, insertedAt }: Arrival): string => {
    const now = clock.now();
    const plausible = insertedAt > now - days(30) && insertedAt < now + minutes(10);
    return messageIdOf(`queue:${id}`, plausible ? insertedAt : now);
  };

  return { fromQueue, overHttp };
};

const inSteps = async <T>(items: T[], step: (item: T) => Promise<void>): Promise<void> => {
  for (let i = 0; i < items.length; i += abreast) await Promise.all(items.slice(i, i + abreast).map(step));
};

/** Where nothing but single addresses is wrong, the others still get their mail. */
const goodRecipients = (
  value: unknown,
  faults: readonly { path: string }[],
): { mail: Mail; bad: string[] } | undefined => {
  const places = faults.map(({ path }) => /^mail\.to\.(\d+)\./.exec(path)?.[1]);
  if (places.some((place) => place === undefined)) return undefined;
  const wrong = new Set(places.map(Number));
  const body = value as { mail: { to: { address?: unknown }[] } };
  const good = body.mail.to.filter((_, i) => !wrong.has(i));
  const read = mailSchema.safeParse({ ...body.mail, to: good });
  if (!read.success) return undefined;
  return { mail: read.data, bad: [...wrong].map((i) => String(body.mail.to[i]?.address ?? '').slice(0, 320)) };
};
