import { setTimeout as delay } from 'node:timers/promises';
import { traitsOf } from '../../../lib/message/kinds.ts';
import { patiently } from '../api.ts';
import { claimsOf, findingOf, type Happening, type Scene } from './happening.ts';

const lasts = 12_000;
const latest = 5000;
/** A process works with the relay's state for two seconds, and a mail past that gate goes on to its claim. */
const takesHold = 3000;

/** Ordinary mail is paused for a while; priority mail goes on. */
export const pause = ({ api, spread }: Scene): Happening => {
  let from = 0;
  let until = 0;
  return {
    during: async (stop) => {
      await delay(Math.min(spread * 0.25, latest), undefined, { signal: stop });
      await patiently(() => api.admin('POST', '/api/relay/pause', { scope: 'ordinary', reason: 'chaos' }));
      from = Date.now() + takesHold;
      await delay(lasts, undefined, { signal: stop });
      until = Date.now();
      await patiently(() => api.admin('POST', '/api/relay/resume'));
    },
    judge: ({ rows }) => {
      const claims = claimsOf(rows).filter(({ at }) => at >= from && at < until);
      const ordinary = claims.filter(
        ({ row: { delivery } }) => delivery.kind !== 'unknown' && traitsOf(delivery.kind).class === 'ordinary',
      );
      const waited = rows.filter(({ delivery }) => delivery.trail.some(({ reason }) => reason.code === 'paused'));
      return {
        facts: {
          'mails that the pause held': waited.length,
          'priority mails handed over in the pause': claims.length - ordinary.length,
        },
        laws: { 'ordinary mails handed over in the pause': ordinary.map(({ row }) => findingOf(row, 'handed over')) },
      };
    },
  };
};
