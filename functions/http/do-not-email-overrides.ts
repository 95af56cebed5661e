import { z } from 'zod';
import type { Clock } from '../../lib/clock.ts';
import type { Ledger } from '../../lib/delivery/ledger.ts';
import { ignoredList, listIgnored } from '../../lib/do-not-email/banner.ts';
import { overrides } from '../../lib/do-not-email/gate.ts';
import { continuation, continuationOf, pageLimit } from '../../lib/http/paging.ts';
import { type AnyRoute, route } from '../../lib/http/route.ts';
import type { SettingsRoom } from '../../lib/settings/room.ts';
import { nextPage } from '../../lib/storage/page.ts';
import { deliverySummary, filterFields } from './delivery-schema.ts';

interface Needs {
  ledger: Pick<Ledger, 'byTime' | 'byRecipient'>;
  settings: Pick<SettingsRoom, 'refresh' | 'history'>;
  clock: Clock;
}

/** What the two overrides of the settings page do: the banner while all mail passes, and the mails one by one. */
export const doNotEmailOverrideRoutes = ({ ledger, settings, clock }: Needs): AnyRoute[] => [
  route({
    name: 'listDoNotEmailOverrides',
    method: 'GET',
    path: 'api/do-not-email/overrides',
    access: ['Admin'],
    summary:
      'Whether the Do Not Email list is ignored for all mail just now, and the mails that an override let pass, newest first.',
    query: z.object({
      override: z.enum(['any', ...overrides]).default('any'),
      ...filterFields,
      limit: pageLimit(200, 50),
      after: continuation(nextPage).optional(),
    }),
    answers: {
      200: {
        description:
          '`ignored` is there while the list is ignored for all mail. `next` is there where there may be more: give it as `after`.',
        schema: z.object({
          ignored: ignoredList.optional(),
          items: z.array(deliverySummary),
          next: z.string().optional(),
        }),
      },
    },
    handle: async ({ query: { to, limit, after, ...filter } }) => {
      const ignored = await listIgnored({ current: settings.refresh, history: settings.history }, clock.now());
      const page = to ? await ledger.byRecipient(to, filter, limit, after) : await ledger.byTime(filter, limit, after);
      return {
        status: 200,
        body: { ignored, items: page.items, ...(page.next && { next: continuationOf(page.next) }) },
      };
    },
  }),
];
