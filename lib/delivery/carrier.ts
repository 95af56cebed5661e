import type { QueueClient } from '@azure/storage-queue';
import { z } from 'zod';
import { minutes, type Random, seconds } from '../clock.ts';
import { type Mail, mail } from '../message/contract.ts';
import type { Lane } from '../message/kinds.ts';
import { parseId } from './id.ts';

/**
 * What Postern itself puts on the lanes. A carrier brings one delivery to the desk: for its first attempt after a
 * split or over HTTP, for a retry, or out of parking. It only points at the work; the delivery's row decides what it is
 * worth. A lost carrier would be a lost mail, so each is enqueued before what it follows from is given up; a doubled
 * one is harmless, since the claim lets one of them through.
 */
const deliveryId = z.string().refine((id) => parseId(id)?.n !== undefined, 'is not a delivery id');
const attempt = z.int().min(1);

export const carrier = z.strictObject({
  v: z.literal(1),
  carrier: z.strictObject({
    id: deliveryId,
    /** The attempt that this carrier is for, from 1. */
    attempt,
    /** How often storage trouble has put it back, for the growing wait. */
    postponed: z.int().min(0).optional(),
    /** The service that posted the message, where there may be no row yet. */
    owner: z.string().max(128).optional(),
  }),
  /** The mail for this one recipient, where the row does not hold it. */
  mail: mail.optional(),
});
export type Carrier = z.output<typeof carrier>;

/** A producer's message that storage trouble has put back, with the id that it had when it came first. */
export const returned = z.strictObject({
  v: z.literal(1),
  returned: z.strictObject({
    messageId: z.string().refine((id) => parseId(id)?.n === undefined && parseId(id), 'is not a message id'),
    /** How often it was put back, for the growing wait. */
    times: z.int().min(1),
  }),
  mail,
});
export type Returned = z.output<typeof returned>;

/** How often work is put back for storage trouble before it is left to the poison queue: about a day. */
export const mostPostponed = 60;

/** @param times how often it was put back before. @returns milliseconds: 5 seconds, doubled each time up to 20 minutes */
export const putBackFor = (times: number, random: Random): number =>
  Math.min(seconds(5) * 2 ** Math.min(times, 10), minutes(20)) * (1 + random() / 4);

/**
 * Several deliveries of one lane on their way out of parking, in their order. Queue operations cannot be batched, and
 * after an outage they would be most of what each waiting mail costs.
 */
export const mostInConvoy = 8;
export const convoy = z.strictObject({
  v: z.literal(1),
  convoy: z
    .array(z.strictObject({ id: deliveryId, attempt }))
    .min(1)
    .max(mostInConvoy),
});
export type Convoy = z.output<typeof convoy>;

/** Work left of a message with several recipients that came over HTTP: bring each of its queued deliveries to the desk. */
export const split = z.strictObject({
  v: z.literal(1),
  split: z.strictObject({
    owner: z.string().max(128).optional(),
    messageId: z.string().refine((id) => parseId(id)?.n === undefined && parseId(id), 'is not a message id'),
    postponed: z.int().min(0).optional(),
  }),
  /** The mail with all recipients, in a blob of the container `content`. */
  blob: z.string(),
});
export type Split = z.output<typeof split>;

export interface Lanes {
  /**
   * Puts a message on a lane, Base64 as the host's `messageEncoding` wants it. It never ends by age.
   * @param after seconds until it is visible, at most 7 days
   */
  send(lane: Lane, body: unknown, after?: number): Promise<{ remove(): Promise<void> }>;
}

/** Storage queues hold 64 KiB of Base64, so this many bytes of JSON; a little less, for safety. */
export const mostQueueBytes = 48 * 1024 - 512;

const week = 7 * 86_400;

export const queueLanes = (queue: (name: string) => QueueClient): Lanes => ({
  send: async (lane, body, after = 0) => {
    const text = Buffer.from(JSON.stringify(body)).toString('base64');
    const client = queue(lane);
    const { messageId, popReceipt } = await client.sendMessage(text, {
      visibilityTimeout: Math.max(0, Math.min(Math.ceil(after), week)),
      messageTimeToLive: -1,
    });
    return {
      remove: async () => {
        await client.deleteMessage(messageId, popReceipt);
      },
    };
  },
});

export const carrierOf = (id: string, attempt: number, content?: Mail, owner?: string): Carrier => ({
  v: 1,
  carrier: owner === undefined ? { id, attempt } : { id, attempt, owner },
  ...(content ? { mail: content } : {}),
});

/** One queue message for all of these; a plain carrier where it is just one. */
export const convoyOf = (deliveries: readonly { id: string; attempt: number }[]): Convoy | Carrier => {
  const [first, ...others] = deliveries;
  if (first && others.length === 0) return carrierOf(first.id, first.attempt);
  return { v: 1, convoy: deliveries.map(({ id, attempt }) => ({ id, attempt })) };
};

/** Each of a convoy by itself: where processing it ended in a crash, one bad mail must not take the others with it. */
export const scatter = async (lanes: Lanes, lane: Lane, { convoy }: Convoy): Promise<void> => {
  await Promise.all(convoy.map(({ id, attempt }) => lanes.send(lane, carrierOf(id, attempt))));
};
