import type { KindClass } from '../message/kinds.ts';
import { leaseLength } from './window.ts';

/** A block of units that this process may hand out until `ends`, by its own clock. */
export interface Lease {
  id: string;
  kindClass: KindClass;
  granted: number;
  /** Not handed out, or given back. */
  free: number;
  ends: number;
  /** How many units the shared window counts for this lease, as far as this process knows. */
  counted: number;
}

/** How many of a lease's units stay counted once it has ended. */
export const usedOf = (lease: Lease): number => lease.granted - lease.free;

export const isLive = (lease: Lease, now: number): boolean => lease.free > 0 && now < lease.ends;

/** First block of a process, and the smallest that is asked for while much is left. */
const smallest = 8;
const largest = 2_000;

/**
 * The next block's size from how the last lease went: used up before its end means four times as much, otherwise what
 * was used in a lease's length and a quarter more. So a busy process writes once a lease length, and a process that
 * dies holds no more than a few times what it was using.
 */
export const nextBlock = (last: Lease | undefined): number => {
  if (!last) return smallest;
  if (last.free === 0) return Math.min(largest, last.granted * 4);
  return Math.min(largest, Math.max(smallest, Math.ceil(usedOf(last) * 1.25)));
};

/**
 * Units to lease: the block, but never more than an eighth of what is left, so that the last units are not held by a
 * few; at least one for each who waits, as far as there are any.
 */
export const blockOf = (wanted: { block: number; waiting: number; left: number }): number =>
  Math.min(wanted.left, Math.max(1, wanted.waiting, Math.min(wanted.block, Math.floor(wanted.left / 8))));

export const newLease = (id: string, kindClass: KindClass, units: number, now: number): Lease => ({
  id,
  kindClass,
  granted: units,
  free: units,
  ends: now + leaseLength,
  counted: units,
});
