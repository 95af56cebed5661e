import { seconds } from '../clock.ts';
import type { KindClass } from '../message/kinds.ts';

/** Gives the slot back. A second call does nothing. */
export type Release = () => void;

export interface Slots {
  /**
   * Waits for one of the process's connections to the relay. Priority mail goes before ordinary mail that has waited
   * longer; within a class the order is that of asking. While a priority mail has a slot no ordinary one gets another,
   * for a second at the most: what they would do at the same time, storage requests above all, would slow it down.
   * @param limit how many may be taken at once; the newest word counts for all who wait, so a raised or lowered
   * setting takes effect with the next call
   * @throws the signal's reason where it fires before a slot is free
   */
  take(kindClass: KindClass, limit: number, signal?: AbortSignal): Promise<Release>;
}

/** So long ordinary mail holds back for a priority mail on its way. A relay that hangs on one must not stop them all. */
const courtesy = seconds(1);

/** Connections per process as a waiting list. Pure bookkeeping: what a slot stands for is the caller's matter. */
export const slots = (): Slots => {
  const waiting: Record<KindClass, Set<() => void>> = { priority: new Set(), ordinary: new Set() };
  /** The priority mails for which ordinary ones hold back just now. */
  const preferred = new Set<NodeJS.Timeout>();
  let taken = 0;
  let limit = 1;

  const next = (): (() => void) | undefined => {
    for (const line of preferred.size > 0 ? [waiting.priority] : [waiting.priority, waiting.ordinary]) {
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

  /** @returns what ends it */
  const prefer = (): (() => void) => {
    const end = () => {
      clearTimeout(timer);
      preferred.delete(timer);
    };
    const timer = setTimeout(() => {
      end();
      fill();
    }, courtesy);
    preferred.add(timer);
    return end;
  };

  const releaseOnce = (kindClass: KindClass): Release => {
    let held = true;
    const endCourtesy = kindClass === 'priority' ? prefer() : undefined;
    return () => {
      if (!held) return;
      held = false;
      taken -= 1;
      endCourtesy?.();
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
