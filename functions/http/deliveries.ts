import { z } from 'zod';
import type { Verb } from '../../lib/delivery/states.ts';
import type { Verbs } from '../../lib/delivery/verbs.ts';
import { continuation, continuationOf } from '../../lib/http/paging.ts';
import { actorOf } from '../../lib/http/principal.ts';
import { type AnyRoute, route } from '../../lib/http/route.ts';
import { nextPage } from '../../lib/storage/page.ts';
import { delivery, deliveryView, filterFields } from './delivery-schema.ts';

const one = z.strictObject({ note: z.string().max(500).optional() });

const many = z.strictObject({
  filter: z.strictObject(filterFields).refine((it) => Object.keys(it).length > 0, 'name at least one thing to go by'),
  limit: z.int().min(1).max(500).default(100),
  after: continuation(nextPage).optional(),
});

const summaries: Record<Verb, string> = {
  resend: 'Send again what failed, was stopped or cancelled, expired, or whose outcome is unknown.',
  cancel: 'Stop what has not been handed over yet.',
  'mark-sent': 'Settle an uncertain delivery: a person found out that it arrived.',
};

export const deliveryRoutes = (verbs: Verbs): AnyRoute[] =>
  (['resend', 'cancel', 'mark-sent'] as const).flatMap((verb) => [
    route({
      name: `${camel(verb)}Delivery`,
      method: 'POST',
      path: `api/deliveries/{id}/${verb}`,
      access: ['Admin'],
      summary: summaries[verb],
      params: z.object({ id: z.string().max(64) }),
      body: one.prefault({}),
      answers: {
        200: {
          description: '`changed` is false where it was so already.',
          schema: z.object({ changed: z.boolean(), delivery }),
        },
      },
      handle: async ({ params, body, principal }) => {
        const applied = await verbs.apply(verb, params.id, actorOf(principal), body.note);
        return { status: 200, body: { ...applied, delivery: deliveryView(applied.delivery) } };
      },
    }),
    route({
      name: `${camel(verb)}Deliveries`,
      method: 'POST',
      path: `api/deliveries/${verb}`,
      access: ['Admin'],
      summary: `${summaries[verb]} For all that a filter finds, one page a call.`,
      body: many,
      answers: {
        200: {
          description:
            'Ids by what became of them, and `next` where there may be more: give it as `after`. `left` is what time did ' +
            'not suffice for: ask again with the same `after`.',
          schema: z.object({
            changed: z.array(z.string()),
            unchanged: z.array(z.string()),
            refused: z.array(z.object({ id: z.string(), reason: z.string() })),
            left: z.array(z.string()),
            next: z.string().optional(),
          }),
        },
      },
      handle: async ({ body, principal }) => {
        const { filter, limit, after } = body;
        const { next, ...done } = await verbs.applyAll(verb, filter, actorOf(principal), limit, after);
        return { status: 200, body: { ...done, ...(next && { next: continuationOf(next) }) } };
      },
    }),
  ]);

const camel = (verb: Verb): string => verb.replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase());
