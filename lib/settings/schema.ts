import { z } from 'zod';
import { emailAddress } from '../message/address.ts';
import { singleLine } from '../message/text.ts';

/** What a reader sees in place of a secret. The secret itself is in Key Vault. */
export const secretState = z.object({ set: z.boolean(), since: z.iso.datetime().optional() });
export type SecretState = z.output<typeof secretState>;

const optionalAddress = z.union([z.literal(''), emailAddress]);
/** "Email From" / "Email Reply-To" of the settings page; `always` is its "Use … name and email" (conceal) switch. */
const identity = z.object({
  address: optionalAddress.default(''),
  name: singleLine(256).default(''),
  always: z.boolean().default(false),
});

export const clouds = ['global', 'gcc-high', 'dod', 'china'] as const;
export type Cloud = (typeof clouds)[number];

/**
 * All settings as stored and read. A secret is written as a plain string in the same place and read as `SecretState`.
 * Types, validation, OpenAPI and the page's form come from this schema.
 */
export const settingsSchema = z.object({
  from: identity.prefault({}),
  replyTo: identity.prefault({}),
  type: z.enum(['smtp', 'mail', 'sendmail']).default('smtp'),
  smtp: z
    .object({
      host: singleLine(253).default(''),
      port: z.int().min(1).max(65535).default(587),
      security: z.enum(['none', 'ssl', 'tls']).default('tls'),
      auth: z
        .object({
          enabled: z.boolean().default(false),
          type: z.enum(['basic', 'xoauth2']).default('basic'),
          user: singleLine(320).default(''),
          password: secretState.default({ set: false }),
          sendAs: z.boolean().default(false),
          oauth: z
            .object({
              provider: z.enum(['azure']).default('azure'),
              cloud: z.enum(clouds).default('global'),
              grant: z.enum(['delegated', 'application']).default('delegated'),
              credential: z.enum(['secret', 'managed-identity']).default('secret'),
              tenantId: singleLine(64).default(''),
              clientId: singleLine(64).default(''),
              clientSecret: secretState.default({ set: false }),
              clientSecretExpires: z.union([z.literal(''), z.iso.date()]).default(''),
              redirectUri: z.union([z.literal(''), z.url()]).default(''),
            })
            .prefault({}),
        })
        .prefault({}),
    })
    .prefault({}),
  sendmail: z.object({ path: singleLine(1024).default('') }).prefault({}),
  doNotEmail: z
    .object({
      ignoreForPriority: z.boolean().default(false),
      ignoreForAny: z.boolean().default(false),
    })
    .prefault({}),
  limit: z
    .object({
      per24Hours: z.int().min(0).default(0),
      priorityReserve: z.int().min(0).default(0),
      perMinute: z.int().min(0).default(0),
      connections: z.int().min(1).max(50).default(3),
    })
    .prefault({}),
  delivery: z
    .object({
      retry: z.string().max(200).default('1m, 5m*2, 30m, 2h*3, 6h*4'),
      afterCrash: z.enum(['resend', 'hold']).default('resend'),
      retentionDays: z.int().min(1).max(3650).default(30),
    })
    .prefault({}),
});

export type Settings = z.output<typeof settingsSchema>;

export const defaultSettings: Settings = settingsSchema.parse({});
