import type { DoNotEmailPolicy } from '../do-not-email/gate.ts';
import { decide } from '../do-not-email/gate.ts';
import type { DoNotEmailList } from '../do-not-email/list.ts';
import type { RollingLimit } from '../limit/limit.ts';
import type { Refusal } from '../limit/taken.ts';
import { classOf } from './delivery.ts';
import { type Gate, pass, type Verdict } from './gates.ts';

/**
 * Stops mail to whoever asked not to be mailed (law 2), by the list as it is now. A failing look-up rejects, so the
 * delivery waits.
 */
export const doNotEmail = (list: Pick<DoNotEmailList, 'find'>): Gate => ({
  name: 'do-not-email',
  free: false,
  check: async ({ to, kind }, { settings, now }) => {
    if (kind === 'unknown') return pass;
    const entry = await list.find(to.address, kind);
    const decision = decide(entry, kind, settings.doNotEmail satisfies DoNotEmailPolicy, now);
    if ('stop' in decision) {
      const { address, reason, time } = decision.stop;
      return {
        stop: 'suppressed',
        reason: {
          code: 'do-not-email',
          gate: 'do-not-email',
          row: address,
          detail: `${address} is on the Do Not Email list (${reason}, since ${time}).`,
        },
      };
    }
    if (!decision.override) return pass;
    const { by, why, entry: overridden } = decision.override;
    return { pass: true, note: `${by}: passed the Do Not Email entry ${overridden.address}${why ? ` (${why})` : ''}` };
  },
});

/** Holds mail over the 24-hour limit, or while the relay's own quota is used up, until its window moves (law 3). */
export const withinLimit = (limit: Pick<RollingLimit, 'take' | 'look'>): Gate => ({
  name: 'limit',
  free: false,
  check: async (delivery, { settings, dryRun }) => {
    const kindClass = classOf(delivery);
    if (dryRun) {
      const seen = await limit.look(kindClass, settings.limit);
      return seen.ok ? pass : held(seen);
    }
    const taken = await limit.take(kindClass, settings.limit);
    return taken.ok ? { pass: true, unit: taken.unit } : held(taken);
  },
});

const held = ({ until, reason, detail }: Refusal): Verdict => ({
  park: 'limit',
  until,
  reason: { code: reason, gate: 'limit', detail },
});
