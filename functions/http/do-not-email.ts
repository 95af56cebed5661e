import type { TableClient } from '@azure/data-tables';
import { z } from 'zod';
import type { AuditLog, Begun } from '../../lib/audit/audit.ts';
import { type Clock, days } from '../../lib/clock.ts';
import { ignoredList, listIgnored } from '../../lib/do-not-email/banner.ts';
import { type BounceFeedback, suggestion } from '../../lib/do-not-email/bounces.ts';
import {
  asciiDomain,
  type Entry,
  entry,
  type Request,
  scope,
  scopeText,
  target,
} from '../../lib/do-not-email/entry.ts';
import type { Added, DoNotEmailList } from '../../lib/do-not-email/list.ts';
import { continuation, continuationOf, pageLimit } from '../../lib/http/paging.ts';
import { actorOf } from '../../lib/http/principal.ts';
import { type AnyRoute, route } from '../../lib/http/route.ts';
import { singleLine } from '../../lib/message/text.ts';
import type { SettingsRoom } from '../../lib/settings/room.ts';
import { nextPage } from '../../lib/storage/page.ts';

/** A mail that the list stopped, and that an admin may want to send after all. */
export const stoppedMail = z
  .object({ id: z.string(), kind: z.string(), subject: z.string(), time: z.iso.datetime() })
  .meta({ id: 'StoppedMail' });
export type StoppedMail = z.output<typeof stoppedMail>;

export interface DoNotEmailNeeds {
  list: DoNotEmailList;
  table: TableClient;
  audit: Pick<AuditLog, 'record' | 'begin'>;
  settings: Pick<SettingsRoom, 'current' | 'history'>;
  clock: Clock;
  bounces: Pick<BounceFeedback, 'suggestions' | 'dismiss'>;
  /** Deliveries to this address that ended `suppressed` by the list since `since` (ms), newest first, at most 100. */
  stoppedBy(address: string, since: number): Promise<StoppedMail[]>;
}

const shown = entry.meta({ id: 'DoNotEmailEntry' });

const addressQuery = z.union([target, z.array(target)]).optional();

/** The seed's Manage dialog: look, add, remove. Import and export are in `do-not-email-csv.ts`. */
export const doNotEmailRoutes = ({ list, audit, settings, clock, bounces, stoppedBy }: DoNotEmailNeeds): AnyRoute[] => {
  const add = async (request: Request, actor: Actor): Promise<Added> => {
    let begun: Begun | undefined;
    const added = await list.add(request, async ({ entry: planned, change }) => {
      const { reason, note } = planned;
      const detail = { scope: scopeText(planned.scope), reason, note, change };
      begun = await audit.begin({ actor, action: 'do-not-email.add', subject: request.address, detail });
    });
    await begun?.end(added.change === 'known' ? 'not-done' : 'done', {
      ...{ scope: scopeText(added.entry.scope), change: added.change },
    });
    return added;
  };

  const remove = async (address: string, actor: Actor): Promise<Entry | undefined> => {
    let begun: Begun | undefined;
    const removed = await list.remove(address, async ({ reason, scope: stopped }) => {
      const detail = { reason, scope: scopeText(stopped) };
      begun = await audit.begin({ actor, action: 'do-not-email.remove', subject: address, detail });
    });
    await begun?.end(removed ? 'done' : 'not-done');
    return removed;
  };

  return [
    route({
      name: 'listDoNotEmail',
      method: 'GET',
      path: 'api/do-not-email',
      access: ['Admin'],
      summary:
        'The Do Not Email list, by pages: all of it, or what begins with a prefix, or one domain, or one address.',
      query: z.object({
        limit: pageLimit(1000, 100),
        prefix: z.string().max(254).optional(),
        domain: z.string().max(253).transform(asciiDomain).optional(),
        address: target.optional(),
        after: continuation(z.string().regex(/^[0-9a-f-]*$/)).optional(),
      }),
      answers: {
        200: {
          description:
            'Entries, and `next` where there are more: give it as `after`. `ignored` is there while the list is ignored for all mail.',
          schema: z.object({
            ignored: ignoredList.optional(),
            entries: z.array(shown),
            next: z.string().optional(),
          }),
        },
      },
      handle: async ({ query }) => {
        const ignored = await listIgnored(settings, clock.now());
        if (query.address !== undefined) {
          const found = await list.get(query.address);
          return { status: 200, body: { ignored, entries: found ? [found] : [] } };
        }
        const { entries, next } = await list.search(query);
        return { status: 200, body: { ignored, entries, ...(next !== undefined && { next: continuationOf(next) }) } };
      },
    }),
    route({
      name: 'addDoNotEmail',
      method: 'POST',
      path: 'api/do-not-email',
      access: ['Admin'],
      summary: 'Puts an address, or a whole domain as @example.com, on the list. In force when the answer comes.',
      body: z.strictObject({
        address: target,
        scope: scope.default('all'),
        reason: z.enum(['admin', 'unsubscribed', 'complaint', 'bounced']).default('admin').meta({
          description: 'A complaint ("this is spam") is passed by no override for priority mail unless told to.',
        }),
        note: singleLine(500).default(''),
      }),
      answers: {
        200: { description: 'It was on the list; its entry has grown where that was asked for.', schema: shown },
        201: { description: 'It is on the list now.', schema: shown },
      },
      handle: async ({ body, principal }) => {
        const actor = actorOf(principal);
        const added = await add({ ...body, source: 'api', actor: actor.name }, actor);
        await bounces.dismiss(body.address);
        return { status: added.change === 'added' ? 201 : 200, body: added.entry };
      },
    }),
    route({
      name: 'removeDoNotEmail',
      method: 'DELETE',
      path: 'api/do-not-email',
      access: ['Admin'],
      summary: 'Takes addresses off the list, and tells which mails the list stopped lately, to send them after all.',
      query: z.object({
        address: addressQuery,
        /** How many days back to look for stopped mail. */
        days: z.coerce.number().int().min(0).max(90).default(7),
      }),
      body: z.strictObject({ addresses: z.array(target).min(1).max(500) }).optional(),
      answers: {
        200: {
          description:
            'What was removed, what was not there, and the mails that were stopped: resend them by their id.',
          schema: z.object({
            removed: z.array(z.string()),
            missing: z.array(z.string()),
            stopped: z.array(z.object({ address: z.string(), deliveries: z.array(stoppedMail) })),
          }),
        },
      },
      handle: async ({ query, body, principal }) => {
        const asked = [...new Set([...[query.address ?? []].flat(), ...(body?.addresses ?? [])])];
        const answer: Removal = { removed: [], missing: [], stopped: [] };
        for (const address of asked) {
          const removed = await remove(address, actorOf(principal));
          (removed ? answer.removed : answer.missing).push(address);
          if (!removed) continue;
          const deliveries = await stoppedBy(address, clock.now() - days(query.days));
          if (deliveries.length > 0) answer.stopped.push({ address, deliveries });
        }
        return { status: 200, body: answer };
      },
    }),
    route({
      name: 'listDoNotEmailSuggestions',
      method: 'GET',
      path: 'api/do-not-email/suggestions',
      access: ['Admin'],
      summary: 'Addresses that the relay says do not exist: add them to the list, or dismiss them.',
      query: z.object({ limit: pageLimit(1000, 100), after: continuation(nextPage).optional() }),
      answers: {
        200: {
          description: 'By address, and `next` where there may be more: give it as `after`.',
          schema: z.object({ suggestions: z.array(suggestion), next: z.string().optional() }),
        },
      },
      handle: async ({ query: { limit, after } }) => {
        const { items, next } = await bounces.suggestions({ size: limit, after });
        return { status: 200, body: { suggestions: items, ...(next && { next: continuationOf(next) }) } };
      },
    }),
    route({
      name: 'dismissDoNotEmailSuggestion',
      method: 'DELETE',
      path: 'api/do-not-email/suggestions',
      access: ['Admin'],
      summary: 'Forgets a suggestion. The next refusal makes it again.',
      query: z.object({ address: target }),
      answers: { 204: { description: 'It is gone.' } },
      handle: async ({ query, principal }) => {
        const actor = actorOf(principal);
        const begun = await audit.begin({ actor, action: 'do-not-email.dismiss', subject: query.address });
        const dismissed = await bounces.dismiss(query.address);
        await begun.end(dismissed ? 'done' : 'not-done');
        return { status: 204 };
      },
    }),
  ];
};

interface Removal {
  removed: string[];
  missing: string[];
  stopped: { address: string; deliveries: StoppedMail[] }[];
}

interface Actor {
  id: string;
  name: string;
}
