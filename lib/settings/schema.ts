import { z } from 'zod';
import { singleLine } from '../message/text.ts';
import { address, emptyOr, host, isClientId, isDay, isRedirect, isTenant, isTime } from './formats.ts';

/** What a reader sees in place of a secret. The secret itself is in Key Vault. */
export const secretState = z.object({ set: z.boolean(), since: z.iso.datetime().optional() });
export type SecretState = z.output<typeof secretState>;

/** Microsoft's national clouds. An enumeration, since each stands for hosts that secrets are sent to. */
export const clouds = ['global', 'gcc-high', 'dod', 'china'] as const;
export type Cloud = (typeof clouds)[number];

/** `x-role` marks what only that role may change; see `save` of the room. */
const masterAdmin = { 'x-role': 'MasterAdmin' };

/** `{}` where the compiler cannot see, for a secret of any shape, that no field is required. */
const empty = {} as never;

/**
 * The settings document, with a secret in the shape that its reader or writer has of it. Every field carries the name
 * that the settings page shows and a sentence: OpenAPI, the page's form and the README's table come from them.
 */
const documentOf = <Secret extends z.ZodType>(object: typeof z.object, secret: Secret) =>
  object({
    from: object({
      address: address.default('').meta({
        title: 'Email From Address',
        description: 'From of mail that names no sender, such as system mail. With XOAUTH2 the same as SMTP Auth User.',
      }),
      name: singleLine(256).default('').meta({
        title: 'Email From Name',
        description: 'Display name beside Email From Address.',
      }),
      always: z.boolean().default(false).meta({
        title: 'Use From name and email',
        description: "Conceals the sender: users' share mail shows Email From Address and Name too.",
      }),
    })
      .prefault({})
      .meta({ title: 'From' }),
    replyTo: object({
      address: address.default('').meta({
        title: 'Email Reply to Address',
        description: 'Reply-To of mail that brings none. Empty: no Reply-To header.',
      }),
      name: singleLine(256).default('').meta({
        title: 'Email Reply to Name',
        description: 'Display name beside Email Reply to Address.',
      }),
      always: z.boolean().default(false).meta({
        title: 'Use Reply To name and email',
        description: "Conceals the sender: users' share mail shows Email Reply to Address and Name too.",
      }),
    })
      .prefault({})
      .meta({ title: 'Reply-To' }),
    type: z.enum(['smtp', 'mail', 'sendmail']).default('smtp').meta({
      title: 'Email Type',
      description:
        "The mail facility. `smtp` is recommended; `mail` and `sendmail` need the system's own mail command.",
    }),
    smtp: object({
      host: host.default('').meta({ title: 'SMTP Host', description: 'SMTP server to use for sending email.' }),
      port: z.int().min(1).max(65535).default(587).meta({
        title: 'SMTP Port',
        description: 'Port of SMTP Host: 587 with TLS, 465 with SSL, 25 between servers.',
      }),
      security: z.enum(['none', 'ssl', 'tls']).default('tls').meta({
        title: 'SMTP Security',
        description: '`tls`: STARTTLS, required. `ssl`: TLS from the first byte. `none`: in the clear.',
      }),
      auth: object({
        enabled: z.boolean().default(false).meta({
          title: 'SMTP Auth Enabled',
          description: 'Whether the SMTP server requires authentication.',
        }),
        type: z.enum(['basic', 'xoauth2']).default('basic').meta({
          title: 'SMTP Auth Type',
          description: '`basic`: user and password. `xoauth2`: a token of the OAuth provider.',
        }),
        user: singleLine(320).trim().default('').meta({
          title: 'SMTP Auth User',
          description: 'User name to authenticate with. With XOAUTH2 the mailbox that sends.',
        }),
        password: secret.meta({
          title: 'SMTP Auth Password',
          description: 'Password of SMTP Auth User. Kept in Key Vault; bound to host, port and user.',
          'x-secret': true,
          ...masterAdmin,
        }),
        sendAs: z.boolean().default(false).meta({
          title: 'User may send as others',
          description:
            'With XOAUTH2: SMTP Auth User has the Send As right on Email From Address, so that the two may differ.',
        }),
        oauth: object({
          provider: z
            .enum(['azure'])
            .default('azure')
            .meta({
              title: 'SMTP oAuth Provider',
              description: 'The authorization server.',
              ...masterAdmin,
            }),
          cloud: z
            .enum(clouds)
            .default('global')
            .meta({
              title: 'oAuth Cloud',
              description: 'The Microsoft cloud of the tenant. GCC is `global`.',
              ...masterAdmin,
            }),
          grant: z
            .enum(['delegated', 'application'])
            .default('delegated')
            .meta({
              title: 'oAuth Grant',
              description:
                '`delegated`: an admin signs in once with Generate oAuth Token. `application`: the app has rights on the mailbox of its own.',
              ...masterAdmin,
            }),
          credential: z
            .enum(['secret', 'managed-identity'])
            .default('secret')
            .meta({
              title: 'oAuth Credential',
              description: 'How the app proves itself: client secret, or managed identity by a federated credential.',
              ...masterAdmin,
            }),
          tenantId: emptyOr(
            253,
            isTenant,
            'give the directory (tenant) id, a GUID, or a verified domain of the tenant such as contoso.onmicrosoft.com',
          )
            .default('')
            .meta({
              title: 'oAuth Tenant ID',
              description: 'Directory (tenant) ID: a GUID or a verified domain.',
              ...masterAdmin,
            }),
          clientId: emptyOr(64, isClientId, 'give the application (client) id, a GUID')
            .default('')
            .meta({
              title: 'oAuth Client ID',
              description: 'Application (client) ID of the app registration.',
              ...masterAdmin,
            }),
          clientSecret: secret.meta({
            title: 'oAuth Client Secret',
            description: 'Value of the client secret. Kept in Key Vault; bound to host, port, user, tenant and client.',
            'x-secret': true,
            ...masterAdmin,
          }),
          clientSecretExpires: emptyOr(10, isDay, 'give a day in the form 2027-05-01')
            .default('')
            .meta({
              title: 'oAuth Client Secret expires',
              description: 'The end date that the portal shows for the client secret, e.g. `2027-05-01`.',
              ...masterAdmin,
            }),
          redirectUri: emptyOr(
            2048,
            isRedirect,
            'give the full address that is registered with the app, such as https://mail.example.com/api/getoauthtoken',
          )
            .default('')
            .meta({
              title: 'oAuth Redirect URI',
              description: 'Where the authorization server sends the admin back to; exactly as registered.',
              ...masterAdmin,
            }),
        })
          .prefault(empty)
          .meta({ title: 'XOAUTH2' }),
      })
        .prefault(empty)
        .meta({ title: 'SMTP authentication' }),
    })
      .prefault(empty)
      .meta({ title: 'SMTP' }),
    sendmail: object({
      path: singleLine(1024).trim().default('').meta({
        title: 'SendMail Path',
        description: 'Absolute path of the sendmail command, e.g. `/usr/sbin/sendmail`.',
      }),
    })
      .prefault({})
      .meta({ title: 'SendMail' }),
    doNotEmail: object({
      ignoreForPriority: z.boolean().default(false).meta({
        title: 'Ignore "Do Not Email" list for priority emails',
        description: 'Password recovery and two-factor mail goes to people on the list too.',
      }),
      ignoreForAny: z.boolean().default(false).meta({
        title: 'Ignore "Do Not Email" list for any emails',
        description: 'All mail goes to people on the list.',
      }),
      priorityIgnoresComplaints: z.boolean().default(false).meta({
        title: 'Priority emails ignore complaints too',
        description: 'With the first switch, priority mail goes even to people who reported mail as spam.',
      }),
      ignoreForAnyReason: singleLine(500).trim().default('').meta({
        title: 'Reason for ignoring the list',
        description:
          'Why all mail goes to people on the list. Kept with every mail that this lets pass; without it the list is ignored for a day only.',
      }),
      ignoreForAnyUntil: emptyOr(40, isTime, 'give a time in the form 2027-05-01T00:00:00Z').default('').meta({
        title: 'Ignore the list until',
        description: 'When ignoring the list for any emails ends by itself. Empty: it does not.',
      }),
      bounces: z.enum(['off', 'suggest', 'add']).default('suggest').meta({
        title: 'Addresses that do not exist',
        description: 'What a relay’s refusal of an address does: nothing, a suggestion, or an entry of the list.',
      }),
    })
      .prefault({})
      .meta({ title: 'Do Not Email' }),
    limit: object({
      per24Hours: z.int().min(0).max(100_000_000).default(0).meta({
        title: 'Maximum emails in 24 hours',
        description: 'Most mails in any span of 24 hours. 0: no limit.',
      }),
      priorityReserve: z.int().min(0).max(100_000_000).default(0).meta({
        title: 'Reserve for priority emails',
        description: 'Part of the maximum that only priority mail may use.',
      }),
      perMinute: z.int().min(0).max(1_000_000).default(0).meta({
        title: 'Emails per minute',
        description: 'Pace. 0: as fast as the relay takes them. Office 365 allows 30.',
      }),
      connections: z.int().min(1).max(50).default(3).meta({
        title: 'SMTP connections',
        description: 'Most connections to the SMTP server at one time. Office 365 allows 3.',
      }),
    })
      .prefault({})
      .meta({ title: 'Limits' }),
    delivery: object({
      retry: singleLine(200).trim().default('1m, 5m*2, 30m, 2h*3, 6h*4').meta({
        title: 'Retry schedule',
        description: 'Waits between attempts after a temporary failure: `5m*2` is five minutes, twice.',
      }),
      afterCrash: z.enum(['resend', 'hold']).default('resend').meta({
        title: 'After an unknown outcome',
        description: '`resend`: once more with the same Message-ID. `hold`: wait for a person to decide.',
      }),
      retentionDays: z.int().min(1).max(3650).default(30).meta({
        title: 'Keep history for days',
        description: 'How long the history of a delivery is kept after its end.',
      }),
    })
      .prefault({})
      .meta({ title: 'Delivery' }),
  });

/** All settings as read: a secret shows as `SecretState`. Fields that it does not know are left away. */
export const settingsSchema = documentOf(z.object, secretState.default({ set: false }));
export type Settings = z.output<typeof settingsSchema>;

const maskCharacters = /^[*•●∙·…]+$/u;
const secretDraft = z
  .union([z.string().max(4096), z.null(), z.strictObject(secretState.shape)])
  .optional()
  .refine((given) => typeof given !== 'string' || given === '' || !maskCharacters.test(given), {
    message: 'is a mask, not a secret; leave it out to keep the stored one, or give the secret itself',
  });

/**
 * All settings as written: a plain string sets a secret, `null` or `""` removes it, left out or as read it stays.
 * Unknown fields are refused, so that a misspelt one does not vanish.
 */
export const settingsDraft = documentOf(z.strictObject as typeof z.object, secretDraft);
export type SettingsDraft = z.output<typeof settingsDraft>;

export const defaultSettings: Settings = settingsSchema.parse({});
