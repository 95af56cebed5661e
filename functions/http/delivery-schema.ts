import { z } from 'zod';
import { states } from '../../lib/delivery/states.ts';
import { kindNames } from '../../lib/message/kinds.ts';

/** What the history answers, for OpenAPI. Times are ISO 8601 in UTC. */
const reason = z.object({
  code: z.string(),
  detail: z.string(),
  gate: z.string().optional(),
  row: z.string().optional(),
  remedy: z.string().optional(),
});

const kind = z.enum([...kindNames, 'unknown']);

export const deliverySummary = z
  .object({
    id: z.string(),
    messageId: z.string(),
    state: z.enum(states),
    kind,
    to: z.string(),
    subject: z.string(),
    acceptedAt: z.iso.datetime(),
    changedAt: z.iso.datetime(),
    reason,
    ref: z.record(z.string(), z.string()).optional(),
  })
  .meta({ id: 'DeliverySummary' });

const attempt = z.object({
  n: z.int(),
  at: z.iso.datetime(),
  milliseconds: z.number().optional(),
  class: z.string().optional(),
  phase: z.string().optional(),
  code: z.int().optional(),
  enhanced: z.string().optional(),
  reply: z.string().optional(),
  relayId: z.string().optional(),
  tls: z.string().optional(),
  counted: z.boolean().optional(),
});

export const delivery = z
  .object({
    id: z.string(),
    messageId: z.string(),
    state: z.enum(states),
    kind,
    to: z.object({ address: z.string(), name: z.string().optional() }),
    subject: z.string(),
    acceptedAt: z.iso.datetime(),
    changedAt: z.iso.datetime(),
    expiresAt: z.iso.datetime(),
    reason,
    remedy: z
      .object({ title: z.string(), means: z.string(), doThis: z.array(z.string()), takes: z.string() })
      .optional(),
    attempt: z.int(),
    attempts: z.array(attempt),
    trail: z.array(z.object({ at: z.iso.datetime(), to: z.enum(states), reason, by: z.string() })),
  })
  .meta({ id: 'Delivery' });
