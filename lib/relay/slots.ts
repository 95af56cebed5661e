import { seconds } from '../clock.ts';
import type { KindClass } from '../message/kinds.ts';

/** Gives the slot back. A second call does nothing. */
export type Release = () => void;

export interface Slots {
  /**
   * Waits for one of the process's connections to the relay. Priority mail goes before ordinary mail that has waited
   * longer; within a class the order is that of asking. While a priority mail has a slot no ordinary one gets another:
   * what it would do at the same time, storage requests above all, would slow that down. After a second of this ordinary
   * mail has a second of its own, however much priority mail there is.
   * @param limit how many may be taken at once; the newest word counts for all who wait, so a raised or lowered
   * setting takes effect with the next call
   * @throws the signal's reason where it fires before a slot is free
   */
  take(kindClass: KindClass, limit: number, signal?: AbortSignal): Promise<Release>;
}

/** So long ordinary mail holds back for priority mail on its way, and so long it does not after that. */
const turn = seconds(1);

/** Connections per process as a waiting list. Pure bookkeeping: what a slot stands for is the caller's matter. */
export const slots = (): Slots => {
  const waiting: Record<KindClass, Set<() => void>> = { priority: new Set(), ordinary: new Set() };
  /** Priority mails on their way, and whose turn it is while there are any. */
  let onTheirWay = 0;
  let turnOf: 'nobody' | 'priority' | 'all' = 'nobody';
  let turnEnds: NodeJS.Timeout | undefined;
  let taken = 0;
  let limit = 1;

  const next = (): (() => void) | undefined => {
    for (const line of turnOf === 'priority' ? [waiting.priority] : [waiting.priority, waiting.ordinary]) {
      for (const grant of line) {
        line.delete(grant);
        return grant;
      }
    }
    return undefined;
  };

  const fill = () => {
    while (taken < limit) {
      const grant = next();
      if (!grant) return;
      taken += 1;
      grant();
    }
  };

  const nextTurn = () => {
    turnOf = turnOf === 'priority' ? 'all' : 'nobody';
    turnEnds = turnOf === 'all' ? setTimeout(nextTurn, turn) : undefined;
    fill();
  };

  const begun = () => {
    onTheirWay += 1;
    if (turnOf !== 'nobody') return;
    turnOf = 'priority';
    turnEnds = setTimeout(nextTurn, turn);
  };

  const ended = () => {
    onTheirWay -= 1;
    if (onTheirWay > 0 || turnOf !== 'priority') return;
    turnOf = 'nobody';
    clearTimeout(turnEnds);
  };

  const releaseOnce = (kindClass: KindClass): Release => {
    let held = true;
    if (kindClass === 'priority') begun();
    return () => {
      if (!held) return;
      held = false;
      taken -= 1;
      if (kindClass === 'priority') ended();
      fill();
    };
  };

  return {
    take: (kindClass, newLimit, signal) =>
      new Promise((resolve, reject) => {
        limit = Math.max(1, newLimit);
        if (signal?.aborted) {
          reject(signal.reason);
          return;
        }
        const giveUp = () => {
          waiting[kindClass].delete(grant);
          reject(signal?.reason);
        };
        const grant = () => {
          signal?.removeEventListener('abort', giveUp);
          resolve(releaseOnce(kindClass));
        };
        signal?.addEventListener('abort', giveUp, { once: true });
        waiting[kindClass].add(grant);
        fill();
      }),
  };
};
