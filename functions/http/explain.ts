import { z } from 'zod';
import type { Explanation } from '../../lib/delivery/explain.ts';
import { type AnyRoute, route } from '../../lib/http/route.ts';
import { type Mail, mailbox } from '../../lib/message/contract.ts';
import { maxPosted, posted } from './messages.ts';

const explanation = z.object({
  to: z.string(),
  lane: z.string(),
  from: mailbox,
  replyTo: mailbox.optional(),
  envelopeFrom: z.string(),
  sender: z.array(z.string()),
  gates: z.array(
    z.object({
      gate: z.string(),
      verdict: z.enum(['pass', 'suppressed', 'failed', 'expired', 'park', 'unknown']),
      note: z.string().optional(),
      reason: z.looseObject({ code: z.string(), detail: z.string() }).optional(),
      until: z.iso.datetime().optional(),
    }),
  ),
  outcome: z.enum(['submitting', 'parked', 'suppressed', 'failed', 'expired']),
  goesAt: z.iso.datetime().optional(),
});

export const explainRoutes = (explain: (mail: Mail) => Promise<Explanation[]>): AnyRoute[] => [
  route({
    name: 'explainMessage',
    method: 'POST',
    path: 'api/messages/explain',
    access: ['Send', 'Admin'],
    summary: 'A dry run through every gate: what would become of this message. Nothing is sent, counted or stored.',
    body: posted,
    maxBody: maxPosted,
    answers: {
      200: {
        description: 'For each recipient: each gate in order, the effective sender, and when it would go.',
        schema: z.object({ recipients: z.array(explanation) }),
      },
    },
    handle: async ({ body }) => ({ status: 200, body: { recipients: await explain(body.mail) } }),
  }),
];
