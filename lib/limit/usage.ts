import { iso } from '../clock.ts';
import { byHour, type Forecast, forecast } from './forecast.ts';
import { countedIn, type LimitSettings, oldestLeavesAt, type Window } from './window.ts';

export interface Usage {
  /** Units in any 24 hours; 0 = no limit. */
  limit: number;
  used: number;
  /** Part of `used`: held in advance by other instances just now, and perhaps given back within a minute or two. */
  held: number;
  left: number;
  reserve: number;
  /** ISO 8601: when the oldest unit leaves the window; absent where none counts. */
  nextFreeAt?: string;
  forecast: Forecast;
  /** 24 numbers, oldest first. */
  byHour: number[];
  /** The relay itself refused for its own quota: nothing is handed over until then. */
  tap?: { since: string; until: string; reply: string };
}

/** What the admin sees of a window. */
export const usageOf = (window: Window, limit: LimitSettings, now: number, handOver: number): Usage => {
  const used = countedIn(window);
  const oldest = oldestLeavesAt(window);
  const { tap } = window;
  return {
    limit: limit.per24Hours,
    used,
    held: heldIn(window, now),
    left: Math.max(0, limit.per24Hours - used),
    reserve: limit.priorityReserve,
    ...(oldest !== undefined && { nextFreeAt: iso(oldest) }),
    forecast: limit.per24Hours === 0 ? { sentence: 'There is no limit.' } : forecast(window, limit, now, handOver),
    byHour: byHour(window, now, handOver),
    ...(tap && { tap: { since: iso(tap.since), until: iso(tap.until), reply: tap.reply } }),
  };
};

const heldIn = (window: Window, now: number): number =>
  Object.values(window.leases)
    .filter((lease) => lease.open && lease.ends > now)
    .reduce((sum, lease) => sum + lease.counted, 0);
