import { z } from 'zod';
import { type AnyRoute, route } from '../../lib/http/route.ts';
import type { RollingLimit } from '../../lib/limit/limit.ts';
import type { LimitSettings } from '../../lib/limit/window.ts';

const time = z.iso.datetime();
const count = z.int().min(0);

/** The 24-hour limit as an admin sees it. One mail to one recipient that the relay took, or may have taken, is one. */
export const usageView = z
  .object({
    limit: count.meta({ description: 'Mails in any 24 hours; 0 = no limit, and then nothing is counted.' }),
    used: count,
    held: count.meta({ description: 'Part of `used`: held in advance by other instances, perhaps given back soon.' }),
    left: count.nullable().meta({ description: 'null where there is no limit.' }),
    reserve: count.meta({ description: 'Of the limit, for priority mail only.' }),
    nextFreeAt: time.nullable().meta({ description: 'When the oldest mail leaves the window.' }),
    forecast: z.object({
      ordinaryStopsAt: time.optional(),
      priorityStopsAt: time.optional(),
      sentence: z.string(),
    }),
    byHour: z.array(count).length(24).meta({ description: 'The last 24 hours, oldest first.' }),
    tap: z
      .object({ since: time, until: time, reply: z.string() })
      .nullable()
      .meta({ description: "Set while the relay's own quota is used up: nothing is handed over until then." }),
  })
  .meta({ id: 'Usage' });

interface Needs {
  limit: Pick<RollingLimit, 'usage'>;
  /** The settings as they are now. */
  settings(): Promise<{ limit: LimitSettings }>;
}

export const usageRoutes = ({ limit, settings }: Needs): AnyRoute[] => [
  route({
    name: 'getUsage',
    method: 'GET',
    path: 'api/usage',
    access: ['Admin'],
    summary: 'The 24-hour limit: used, left, by hour, and when mail would stop at the present pace.',
    answers: { 200: { description: 'The usage.', schema: usageView } },
    handle: async () => {
      const usage = await limit.usage((await settings()).limit);
      const body: z.output<typeof usageView> = {
        ...usage,
        left: usage.limit === 0 ? null : usage.left,
        nextFreeAt: usage.nextFreeAt ?? null,
        tap: usage.tap ?? null,
      };
      return { status: 200, body };
    },
  }),
];
