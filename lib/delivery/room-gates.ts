import { hours, iso } from '../clock.ts';
import type { BounceFeedback } from '../do-not-email/bounces.ts';
import type { DoNotEmailPolicy } from '../do-not-email/gate.ts';
import { decide } from '../do-not-email/gate.ts';
import type { DoNotEmailList } from '../do-not-email/list.ts';
import type { RollingLimit } from '../limit/limit.ts';
import { horizon, type Pace } from '../limit/pace.ts';
import type { Refusal, Unit } from '../limit/taken.ts';
import { hasSender } from '../message/sender.ts';
import { type Breaker, type Pass, sentenceFor } from '../relay/breaker.ts';
import type { Outcome } from '../relay/outcome.ts';
import type { PauseSwitch } from '../relay/pause.ts';
import type { Settings } from '../settings/schema.ts';
import { isOwnSenderOnly } from './aftermath.ts';
import { classOf } from './delivery.ts';
import { type Gate, type Hold, pass, type Verdict } from './gates.ts';

/** What the rooms beside the delivery room have to say before a mail may go, each as a gate. */

/** Without a From address nothing can be sent: the mail waits until an admin has set one. */
export const configured: Gate = {
  name: 'configured',
  free: true,
  check: async (_, { settings }) =>
    hasSender(settings)
      ? pass
      : {
          park: 'relay',
          reason: { code: 'not-set-up', gate: 'configured', detail: 'The settings have no From address yet.' },
        },
};

/** Holds mail while an admin has stopped it; priority mail goes on unless all mail is stopped. */
export const notPaused = (pause: Pick<PauseSwitch, 'paused'>): Gate => ({
  name: 'paused',
  free: true,
  check: async (delivery) => {
    const stopped = await pause.paused(classOf(delivery));
    if (!stopped) return pass;
    const { scope, reason, actor, since } = stopped;
    const detail = `${actor.name} paused ${scope} mail since ${iso(since)}: ${reason}`;
    return { park: 'pause', reason: { code: 'paused', gate: 'paused', detail } };
  },
});

/**
 * Holds mail while the relay's breaker is open, with its attempts untouched (law 4); one mail may go as the probe.
 * @param drain called when a hand-over has closed the breaker, so that what waits goes at once
 */
export const relayOpen = (breaker: Breaker, drain: () => Promise<void>): Gate => ({
  name: 'relay',
  free: true,
  check: async (_, { dryRun, now }) => {
    if (dryRun) {
      const seen = await breaker.look();
      return seen.open && seen.nextProbe > now ? waitForRelay(seen) : pass;
    }
    const gate = await breaker.gate();
    if (gate.open && !(gate.probe && gate.pass)) return waitForRelay(gate);
    return gate.pass ? { pass: true, hold: reporting(breaker, gate.pass, drain) } : pass;
  },
});

const waitForRelay = (gate: Parameters<typeof sentenceFor>[0]): Verdict => ({
  park: 'relay',
  until: gate.nextProbe,
  reason: {
    code: `relay-${gate.cause.class}`,
    gate: 'relay',
    detail: sentenceFor(gate),
    ...(gate.cause.remedy ? { remedy: gate.cause.remedy } : {}),
  },
});

const reporting = (breaker: Breaker, right: Pass, drain: () => Promise<void>): Hold => ({
  release: () => breaker.handBack(right),
  settle: async (outcome, delivery, settings) => {
    // What this process broke off itself, since it is closing, says nothing of the relay.
    if (outcome.class !== 'accepted' && outcome.rule === 'closing') return await breaker.handBack(right);
    const { released } =
      outcome.class === 'accepted'
        ? await breaker.success(right)
        : await breaker.fault(
            // One user's From that the relay does not let through says nothing of the others'.
            isOwnSenderOnly(delivery, outcome, { settings }) ? { ...outcome, class: 'message' } : outcome,
            right,
          );
    if (released) await drain();
  },
});

/**
 * Spaces mails as the relay wants them, across all instances. A short wait happens here, so this gate stands before the
 * ones whose answer must not grow old.
 */
export const inPace = (pace: Pace, wait: (milliseconds: number) => Promise<unknown>): Gate => ({
  name: 'pace',
  free: false,
  check: async (_, { settings, now, dryRun }) => {
    if (settings.limit.perMinute === 0) return pass;
    if (dryRun) {
      const at = await pace.look(settings.limit);
      if (at > now + horizon) return waitForTurn(settings, at);
      return at > now ? { pass: true, note: `Its turn by the pace is at ${iso(at)}.` } : pass;
    }
    const { at, held } = await pace.wait(settings.limit);
    if (!held) return waitForTurn(settings, at);
    if (at > now) await wait(at - now);
    return pass;
  },
});

const waitForTurn = ({ limit }: Settings, at: number): Verdict => {
  const detail = `${limit.perMinute} mails a minute may go; its turn is at about ${iso(at)}.`;
  return { park: 'pace', until: at, reason: { code: 'pace', gate: 'pace', detail } };
};

/**
 * Stops mail to whoever asked not to be mailed (law 2), by the list as it is now. A failing look-up rejects, so the
 * delivery waits.
 * @param refused learns what came of each hand-over: an address that the relay does not know may belong on the list
 */
export const doNotEmail = (list: Pick<DoNotEmailList, 'find'>, refused: Hold['settle']): Gate => ({
  name: 'do-not-email',
  free: false,
  check: async ({ to, kind }, { settings, now }) => {
    if (kind === 'unknown') return pass;
    const entry = await list.find(to.address, kind);
    const decision = decide(entry, kind, settings.doNotEmail satisfies DoNotEmailPolicy, now);
    if ('stop' in decision) {
      const { address, reason, time } = decision.stop;
      const detail = `${address} is on the Do Not Email list (${reason}, since ${time}).`;
      return { stop: 'suppressed', reason: { code: 'do-not-email', gate: 'do-not-email', row: address, detail } };
    }
    const hold = { release: async () => undefined, settle: refused };
    if (!decision.override) return { pass: true, hold };
    const { by, why, entry: overridden } = decision.override;
    const note = `${by}: passed the Do Not Email entry ${overridden.address}${why ? ` (${why})` : ''}`;
    return { pass: true, note, override: by, hold };
  },
});

/** Holds mail over the 24-hour limit, or while the relay's own quota is used up, until its window moves (law 3). */
export const withinLimit = (limit: Pick<RollingLimit, 'take' | 'look' | 'quotaHit'>, now: () => number): Gate => ({
  name: 'limit',
  free: false,
  check: async (delivery, { settings, dryRun }) => {
    const kindClass = classOf(delivery);
    if (dryRun) {
      const seen = await limit.look(kindClass, settings.limit);
      return seen.ok ? pass : overLimit(seen);
    }
    const taken = await limit.take(kindClass, settings.limit);
    return taken.ok ? { pass: true, hold: counting(limit, taken.unit, now) } : overLimit(taken);
  },
});

/** A relay whose own quota is used up takes nothing for hours, whatever the first digit of its reply says. */
const quotaWait = hours(4);

const counting = (limit: Pick<RollingLimit, 'quotaHit'>, unit: Unit, now: () => number): Hold => ({
  release: () => unit.giveBack(),
  settle: async (outcome) => {
    if (isRefused(outcome)) await unit.giveBack();
    if (outcome.class === 'quota') await limit.quotaHit(now() + (outcome.retryAfter ?? quotaWait), outcome.reply);
  },
});

/** An unknown outcome keeps its unit: the relay may have counted the mail. */
const isRefused = (outcome: Outcome): boolean => outcome.class !== 'accepted' && outcome.class !== 'unknown';

const overLimit = ({ until, reason, detail }: Refusal): Verdict => ({
  park: 'limit',
  until,
  reason: { code: reason, gate: 'limit', detail },
});

/** Tells the list's room of recipients that the relay refused, unless the relay itself is in trouble. */
export const feedback =
  (bounces: Pick<BounceFeedback, 'refused' | 'taken'>, breaker: Pick<Breaker, 'look'>): Hold['settle'] =>
  async (outcome, delivery, { doNotEmail: { bounces: mode } }) => {
    if (outcome.class === 'accepted') bounces.taken();
    if (outcome.class !== 'recipient') return;
    const relayOpen = !(await breaker.look()).open;
    await bounces.refused(delivery.to.address, outcome, { mode, relayOpen });
  };
