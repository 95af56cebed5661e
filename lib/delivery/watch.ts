import type { Clock } from '../clock.ts';
import { hours } from '../clock.ts';
import type { RollingLimit } from '../limit/limit.ts';
import type { Watch } from './desk.ts';

/** A relay whose own quota is used up takes nothing for hours, whatever its reply's first digit says. */
const quotaWait = hours(4);

/** Tells the shared state of the relay what came of a hand-over. */
export const watchOf = ({ limit, clock }: { limit: Pick<RollingLimit, 'quotaHit'>; clock: Clock }): Watch => ({
  before: async () => undefined,
  after: async (outcome) => {
    if (outcome.class === 'quota') await limit.quotaHit(clock.now() + (outcome.retryAfter ?? quotaWait), outcome.reply);
  },
});
