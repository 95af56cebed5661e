import { z } from 'zod';
import type { AuditAction, AuditLog, NewEntry } from '../../lib/audit/audit.ts';
import { iso } from '../../lib/clock.ts';
import { actorOf } from '../../lib/http/principal.ts';
import { remedySchema } from '../../lib/http/remedy.ts';
import { type AnyRoute, type Principal, type Reply, route } from '../../lib/http/route.ts';
import type { RollingLimit } from '../../lib/limit/limit.ts';
import type { Log } from '../../lib/log.ts';
import { singleLine } from '../../lib/message/text.ts';
import type { OAuthRoom } from '../../lib/oauth/room.ts';
import type { Breaker } from '../../lib/relay/breaker.ts';
import { isSamePause, type PauseSwitch } from '../../lib/relay/pause.ts';
import { remedyOf } from '../../lib/relay/remedies.ts';
import { type Pause, pauseScopes, type RelayState, type SharedRelayState } from '../../lib/relay/state.ts';

const time = z.iso.datetime();
const waitingCounts = z.record(z.string(), z.number());
const pauseView = z.object({ scope: z.enum(pauseScopes), reason: z.string(), by: z.string(), since: time });

/** The relay as an admin sees it. */
export const relayView = z
  .object({
    state: z.enum(['closed', 'open', 'probing']).meta({
      description: '`closed`: mail goes. `open`: mail waits for the relay. `probing`: one mail is just being tried.',
    }),
    cause: z
      .object({
        class: z.string(),
        phase: z.string(),
        code: z.int().optional(),
        enhanced: z.string().optional(),
        reply: z.string(),
      })
      .nullable(),
    since: time.nullable(),
    nextProbe: time.nullable(),
    failedProbes: z.int(),
    remedy: remedySchema.nullable(),
    pause: pauseView.nullable(),
    waiting: waitingCounts.meta({ description: 'Mails that are set aside, by what they wait for.' }),
  })
  .meta({ id: 'RelayState' });

interface Needs {
  state: SharedRelayState;
  breaker: Breaker;
  pause: PauseSwitch;
  limit: Pick<RollingLimit, 'openTap'>;
  audit: Pick<AuditLog, 'begin'>;
  /** The probe asks Entra too, where mail waits for a token. */
  oauth: Pick<OAuthRoom, 'tryAgain'>;
  /** How many mails are set aside, by what they wait for. */
  waiting(): Promise<Record<string, number>>;
  /** Lets waiting mail go at once; called after what held it has ended. */
  drain(): Promise<void>;
  log: Log;
}

/** The relay's state, and the switches of an admin. Every switch may be thrown twice: the second time changes nothing. */
export const relayRoutes = ({ state, breaker, pause, limit, audit, oauth, waiting, drain, log }: Needs): AnyRoute[] => {
  const view = async (): Promise<Reply> => ({ status: 200, body: viewOf(await state.current(), await waiting()) });
  /** Before the act, so that nothing done can be missing. */
  const begin = (principal: Principal | undefined, action: AuditAction, detail?: NewEntry['detail']) =>
    audit.begin({ actor: actorOf(principal), action, subject: 'relay', detail });
  const unaudited = (error: unknown): undefined => {
    log.error('postern.audit.unwritten', { action: 'relay.pause', error: String(error).slice(0, 300) });
  };
  const answers = { 200: { description: 'The state after it.', schema: relayView } };

  return [
    route({
      name: 'getRelay',
      method: 'GET',
      path: 'api/relay',
      access: ['Admin'],
      summary: 'Whether mail goes; if not, why, since when, what helps, and when it is tried again.',
      answers: { 200: { description: 'The state.', schema: relayView } },
      handle: view,
    }),
    route({
      name: 'pauseRelay',
      method: 'POST',
      path: 'api/relay/pause',
      access: ['Admin'],
      summary: 'Stops ordinary mail, or all mail, until it is resumed. Mail waits and loses nothing but time.',
      body: z.strictObject({
        scope: z.enum(pauseScopes),
        reason: singleLine(500).refine((text) => text.trim() !== '', 'must say why'),
      }),
      answers,
      handle: async ({ body, principal }) => {
        const { pause: present } = await state.current();
        if (present && isSamePause(present, body)) return view();
        // Who wants to stop the mail must be able to, also where the audit cannot be written: the pause itself tells who.
        const begun = await begin(principal, 'relay.pause', body).catch(unaudited);
        const { changed, released } = await pause.pause(body.scope, body.reason, actorOf(principal));
        await begun?.end(changed ? 'done' : 'not-done').catch(unaudited);
        if (released) await drain();
        return view();
      },
    }),
    route({
      name: 'resumeRelay',
      method: 'POST',
      path: 'api/relay/resume',
      access: ['Admin'],
      summary: 'Ends the pause. Waiting mail goes at once, at the pace, priority first.',
      answers,
      handle: async ({ principal }) => {
        const { pause: present } = await state.current();
        if (!present) return view();
        const begun = await begin(principal, 'relay.resume', auditOf(present));
        const { released, pause: ended } = await pause.resume();
        await begun.end(released ? 'done' : 'not-done', ended && auditOf(ended));
        if (released) await drain();
        return view();
      },
    }),
    route({
      name: 'probeRelay',
      method: 'POST',
      path: 'api/relay/probe',
      access: ['Admin'],
      summary: 'Tries the relay now: the next waiting mail goes, and if the relay takes it, all others follow.',
      answers,
      handle: async ({ principal }) => {
        const begun = await begin(principal, 'relay.probe');
        oauth.tryAgain();
        const [tried, opened] = await Promise.all([breaker.probeNow(), limit.openTap()]);
        const changed = tried.released || opened;
        await begun.end(changed ? 'done' : 'not-done');
        if (changed) await drain();
        return view();
      },
    }),
  ];
};

const auditOf = ({ scope, since }: Pause) => ({ scope, pausedSince: iso(since) });

const closedView = {
  state: 'closed',
  cause: null,
  since: null,
  nextProbe: null,
  failedProbes: 0,
  remedy: null,
} as const;

const viewOf = ({ open, pause }: RelayState, waiting: Record<string, number>): z.output<typeof relayView> => {
  if (!open) return { ...closedView, pause: pause ? pauseViewOf(pause) : null, waiting };
  const { remedy, ...cause } = open.cause;
  return {
    state: open.probing ? 'probing' : 'open',
    cause,
    since: iso(open.since),
    nextProbe: iso(open.nextProbe),
    failedProbes: open.probes,
    remedy: remedyOf(remedy),
    pause: pause ? pauseViewOf(pause) : null,
    waiting,
  };
};

const pauseViewOf = ({ scope, reason, actor, since }: Pause): z.output<typeof pauseView> => ({
  scope,
  reason,
  by: actor.name,
  since: iso(since),
});
