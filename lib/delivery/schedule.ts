import { hours, minutes, seconds } from '../clock.ts';
import { PosternError } from '../errors.ts';

const units: Record<string, (n: number) => number> = { s: seconds, m: minutes, h: hours };

/** The longest wait that a storage queue can hold back a message is 7 days; a day is plenty between two tries. */
const longest = hours(24);
const mostTries = 50;

/**
 * Reads a retry schedule such as `1m, 5m*2, 30m, 2h*3, 6h*4`: waits between tries, each with how often it is used.
 * @returns the waits in order, in milliseconds; the budget is one try more than there are waits
 * @throws PosternError `invalid-settings` with a sentence that names the part
 */
export const parseSchedule = (text: string): number[] => {
  const waits = text
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '')
    .flatMap((part) => {
      const found = /^(\d{1,4})([smh])(?:\s*\*\s*(\d{1,2}))?$/.exec(part);
      const [, amount = '', unit = '', times = '1'] = found ?? [];
      const wait = units[unit]?.(Number(amount)) ?? 0;
      if (!found || wait <= 0 || wait > longest || Number(times) === 0) {
        throw refusal(`“${part}” is not a wait: write a number with s, m or h up to 24h, such as 30m or 2h*3.`);
      }
      return Array<number>(Number(times)).fill(wait);
    });
  if (waits.length >= mostTries) throw refusal(`The schedule has ${waits.length} waits; use fewer than ${mostTries}.`);
  return waits;
};

/**
 * @param tries tries used so far, from 1
 * @param random spreads mails that failed together over the next tenth of the wait
 * @returns milliseconds until the next try; `undefined` when the budget is used up
 */
export const nextWait = (schedule: number[], tries: number, random: () => number): number | undefined => {
  const wait = schedule[tries - 1];
  return wait === undefined ? undefined : Math.round(wait * (1 + random() / 10));
};

const refusal = (reason: string) =>
  new PosternError('invalid-settings', reason, { faults: [{ path: 'delivery.retry', reason }] });
