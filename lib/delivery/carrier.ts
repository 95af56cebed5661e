import type { QueueClient } from '@azure/storage-queue';
import { z } from 'zod';
import { type Mail, mail } from '../message/contract.ts';
import type { Lane } from '../message/kinds.ts';
import { parseId } from './id.ts';

/**
 * What Postern itself puts on the lanes. A carrier brings one delivery to the desk: for its first attempt after a
 * split or over HTTP, for a retry, or out of parking. It only points at the work; the delivery's row decides what it is
 * worth. A lost carrier would be a lost mail, so each is enqueued before what it follows from is given up; a doubled
 * one is harmless, since the claim lets one of them through.
 */
export const carrier = z.strictObject({
  v: z.literal(1),
  carrier: z.strictObject({
    id: z.string().refine((id) => parseId(id)?.n !== undefined, 'is not a delivery id'),
    /** The attempt that this carrier is for, from 1. */
    attempt: z.int().min(1),
    /** How often storage trouble has put it back, for the growing wait. */
    postponed: z.int().min(0).optional(),
    /** The service that posted the message, where there may be no row yet. */
    owner: z.string().max(128).optional(),
  }),
  /** The mail for this one recipient, where the row does not hold it. */
  mail: mail.optional(),
});
export type Carrier = z.output<typeof carrier>;

/** Work left of a message with several recipients that came over HTTP: bring each of its queued deliveries to the desk. */
export const split = z.strictObject({
  v: z.literal(1),
  split: z.strictObject({
    owner: z.string().max(128).optional(),
    messageId: z.string().refine((id) => parseId(id)?.n === undefined && parseId(id), 'is not a message id'),
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
