import { z } from 'zod';
import type { Delivery } from '../../lib/delivery/delivery.ts';
import { states } from '../../lib/delivery/states.ts';
import { overrides } from '../../lib/do-not-email/gate.ts';
import { remedySchema } from '../../lib/http/remedy.ts';
import { emailAddress } from '../../lib/message/address.ts';
import { kindNames } from '../../lib/message/kinds.ts';
import { remedyOf } from '../../lib/relay/remedies.ts';

/** A time as ISO 8601 with its offset, in milliseconds. */
const when = z.iso.datetime({ offset: true }).transform((text) => Date.parse(text));

const kind = z.enum([...kindNames, 'unknown']);

/** What deliveries are looked for by. */
export const filterFields = {
  since: when.optional(),
  until: when.optional(),
  state: z.enum(states).optional(),
  kind: kind.optional(),
  to: emailAddress.optional(),
};

/** What the history answers, for OpenAPI. Times are ISO 8601 in UTC. */
const reason = z.object({
  code: z.string(),
  detail: z.string(),
  gate: z.string().optional(),
  row: z.string().optional(),
  remedy: z.string().optional(),
});

const override = z.enum(overrides).optional().meta({
  description: 'The setting that let it pass although its recipient is on the Do Not Email list.',
});

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
    override,
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

const mailbox = z.object({ address: z.string(), name: z.string().optional() });

export const delivery = z
  .object({
    id: z.string(),
    messageId: z.string(),
    state: z.enum(states),
    kind,
    to: mailbox,
    from: mailbox.optional().meta({ description: 'As the newest attempt showed it.' }),
    subject: z.string(),
    key: z.string().optional(),
    owner: z.string().optional().meta({ description: 'The service that posted it; absent for mail from the queue.' }),
    ref: z.record(z.string(), z.string()).optional(),
    acceptedAt: z.iso.datetime(),
    changedAt: z.iso.datetime(),
    expiresAt: z.iso.datetime(),
    notBefore: z.iso.datetime({ offset: true }).optional(),
    due: z.iso
      .datetime()
      .optional()
      .meta({ description: 'When a mail that is deferred or parked goes on, where that is known.' }),
    waitsFor: z.string().optional().meta({ description: 'What a parked mail waits for.' }),
    override,
    reason,
    remedy: remedySchema.optional(),
    mayHaveArrived: z.boolean().optional().meta({ description: 'An earlier attempt ended without a reply.' }),
    messageIdHeader: z.string().optional(),
    notes: z.array(z.string()).optional(),
    attempt: z.int(),
    tries: z.int(),
    attempts: z.array(attempt),
    trail: z.array(z.object({ at: z.iso.datetime(), to: z.enum(states), reason, by: z.string() })),
  })
  .meta({ id: 'Delivery' });

/**
 * The delivery as answers show it: with the words behind its remedy's key (what it means, what to do, how long it takes)
 * and with what the schema names alone, so that whatever else the engine keeps stays with it. Nothing is checked: an odd
 * row of an older version is better shown as it is than not at all.
 */
export const deliveryView = (it: Delivery): z.output<typeof delivery> => {
  const remedy = remedyOf(it.reason.remedy);
  return named(delivery, remedy ? { ...it, remedy } : it) as z.output<typeof delivery>;
};

/** What of a value a schema has a name for, at every depth. */
const named = (schema: unknown, value: unknown): unknown => {
  if (schema instanceof z.ZodOptional) return named(schema.unwrap(), value);
  if (schema instanceof z.ZodArray && Array.isArray(value)) return value.map((item) => named(schema.element, item));
  if (!(schema instanceof z.ZodObject) || typeof value !== 'object' || value === null) return value;
  const fields = Object.entries(value).filter(([name]) => Object.hasOwn(schema.shape, name));
  return Object.fromEntries(fields.map(([name, field]) => [name, named(schema.shape[name], field)]));
};
