import { createHash, randomBytes } from 'node:crypto';
import { canonicalAddress } from '../message/address.ts';

/**
 * Ids and table keys. A message's id is its time of acceptance (11 hex digits of milliseconds) and 20 hex digits that
 * follow from where it came from, so that the same queue message always gets the same id and its row is found by
 * computing, not by searching. A delivery's id adds the recipient's place: `<message id>-<n>`.
 */
export interface DeliveryKey {
  partitionKey: string;
  rowKey: string;
}

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

/** @param source what makes the message itself: `queue:<message id>`, `http:<random>`. @param at milliseconds */
export const messageIdOf = (source: string, at: number): string =>
  at.toString(16).padStart(11, '0') + sha256(source).slice(0, 20);

export const newMessageId = (at: number): string => messageIdOf(`http:${randomBytes(16).toString('hex')}`, at);

export const deliveryIdOf = (messageId: string, n: number): string => `${messageId}-${n}`;

const form = /^([0-9a-f]{11})([0-9a-f]{20})(?:-(\d{1,3}))?$/;

/** @returns the parts of a message's or a delivery's id (`n` only for a delivery), `undefined` for any other text. */
export const parseId = (id: string): { messageId: string; at: number; n: number | undefined } | undefined => {
  const found = form.exec(id);
  if (!found) return undefined;
  const [, time = '', hash = '', n] = found;
  return { messageId: time + hash, at: Number.parseInt(time, 16), n: n === undefined ? undefined : Number(n) };
};

const latest = 9_999_999_999_999;
const hour = 3_600_000;

/** Sorts newest first, as text. */
export const newestFirst = (ms: number): string => String(latest - ms).padStart(13, '0');

/** One partition an hour of acceptance, newest first: history lists without an index and ages out by partition. */
export const partitionOf = (ms: number): string => newestFirst(Math.floor(ms / hour) * hour);

/** Row keys of all deliveries of a message begin with this. */
export const rowPrefixOf = (messageId: string): string => {
  const parsed = parseId(messageId);
  if (!parsed) throw new Error('not a message id');
  return `${newestFirst(parsed.at)}-${messageId.slice(11)}-`;
};

/** @throws Error where the id is not one of a delivery; check with `parseId` what comes from outside. */
export const keyOfDelivery = (deliveryId: string): DeliveryKey => {
  const parsed = parseId(deliveryId);
  if (parsed?.n === undefined) throw new Error('not a delivery id');
  return {
    partitionKey: partitionOf(parsed.at),
    rowKey: rowPrefixOf(parsed.messageId) + String(parsed.n).padStart(3, '0'),
  };
};

/** Under this partition the table `recipients` lists the deliveries of an address, whatever its spelling. */
export const recipientPartition = (address: string): string => sha256(canonicalAddress(address)).slice(0, 40);

export const keyPartition = (key: string): string => sha256(key).slice(0, 40);

/** Whether two row keys of deliveries in one partition are of about the same time: few others lie between them. */
export const areNear = (rowKey: string, other: string): boolean =>
  Math.abs(Number.parseInt(rowKey, 10) - Number.parseInt(other, 10)) <= 30_000;
