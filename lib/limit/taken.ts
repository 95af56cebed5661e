import { iso, minutes, seconds } from '../clock.ts';
import type { KindClass } from '../message/kinds.ts';
import { ceilingOf, countedIn, freeAt, type LimitSettings, type Tap, type Window } from './window.ts';

/** One hand-over of one mail to one recipient. */
export interface Unit {
  /**
   * The relay refused the mail, or it was never handed over: the unit is free again. Never call it where the outcome is
   * unknown. A second call does nothing. Costs no storage operation; the window hears of it with the next lease.
   */
  giveBack(): Promise<void>;
}

export interface Refusal {
  ok: false;
  /** When asking again makes sense, milliseconds since 1970. */
  until: number;
  reason: 'limit' | 'relay-quota';
  /** For the delivery's row and the admin. */
  detail: string;
}

export type Taken = { ok: true; unit: Unit } | Refusal;

/** Why a class gets no unit from this window now; `undefined` where it gets one. */
export const refusalIn = (
  window: Window,
  kindClass: KindClass,
  limit: LimitSettings,
  now: number,
): Refusal | undefined => {
  if (window.tap) return tapRefusal(window.tap);
  if (countedIn(window) < ceilingOf(kindClass, limit)) return undefined;
  const until = Math.max(freeAt(window, kindClass, limit, now) ?? now + minutes(60), now + seconds(1));
  return { ok: false, until, reason: 'limit', detail: detailFor(kindClass, limit, until) };
};

export const tapRefusal = (tap: Tap): Refusal => ({
  ok: false,
  until: tap.until,
  reason: 'relay-quota',
  detail: `The relay's own quota is used up; it is tried again at ${iso(tap.until)}.`,
});

const detailFor = (kindClass: KindClass, limit: LimitSettings, until: number): string => {
  const all = `The limit of ${limit.per24Hours} mails in 24 hours is reached`;
  const kept = limit.priorityReserve > 0 && kindClass === 'ordinary';
  return `${kept ? `${all}, but for the ${limit.priorityReserve} kept for priority mail` : all}; the next is free at ${iso(until)}.`;
};
