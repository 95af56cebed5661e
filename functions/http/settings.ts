import { z } from 'zod';
import { continuation, continuationOf, pageLimit } from '../../lib/http/paging.ts';
import { actorOf, isMasterAdmin } from '../../lib/http/principal.ts';
import { type AnyRoute, type Reply, route } from '../../lib/http/route.ts';
import type { OAuthRoom } from '../../lib/oauth/room.ts';
import { describeSettings, fieldSchema } from '../../lib/settings/describe.ts';
import { changeSchema } from '../../lib/settings/difference.ts';
import { presetSchema, presets } from '../../lib/settings/presets.ts';
import type { ReadSettings, SettingsRoom } from '../../lib/settings/room.ts';
import { settingsDraft, settingsSchema } from '../../lib/settings/schema.ts';

const told = z.object({ path: z.string(), reason: z.string() });
const answer = settingsSchema.extend({
  verified: z
    .object({ at: z.iso.datetime(), by: z.string() })
    .nullable()
    .meta({ description: 'The test mail that succeeded since the last change; null where none did.' }),
  warnings: z.array(told.extend({ code: z.string() })).meta({ description: 'What is to be looked at, as of now.' }),
});
const saved = answer.extend({
  dropped: z.array(told).meta({ description: 'Secrets removed, since what they were given for has changed.' }),
});

/** Shows the draft's schema in OpenAPI and leaves the check to the settings room, whose refusals have a code of their own. */
export const draftBody = z
  .unknown()
  .refine((body) => body !== undefined)
  .meta({ ...z.toJSONSchema(settingsDraft, { io: 'input' }), $schema: undefined });

interface Needs {
  settings: SettingsRoom;
  /** Knows what the settings do not: whether there is a token to send with. */
  oauth: Pick<OAuthRoom, 'warnings'>;
}

/** The settings page: the document, what it was, and what fills its form. */
export const settingsRoutes = ({ settings, oauth }: Needs): AnyRoute[] => [
  route({
    name: 'getSettings',
    method: 'GET',
    path: 'api/settings',
    access: ['Admin'],
    summary:
      'The settings, with their ETag and what is to be looked at. A secret shows only whether it is set, and since when.',
    answers: { 200: { description: 'The settings.', schema: answer } },
    handle: async () => {
      const read = await settings.read();
      const found = await Promise.all([settings.warnings(read.settings), oauth.warnings(read.settings)]);
      return replyOf(read, { warnings: found.flat() });
    },
  }),
  route({
    name: 'putSettings',
    method: 'PUT',
    path: 'api/settings',
    access: ['Admin'],
    summary:
      'Replaces the settings. Send the ETag as If-Match. A secret left out or sent back as read stays; a text sets it, null removes it. Secrets and OAuth fields are for master admins.',
    body: draftBody,
    answers: {
      200: { description: 'The settings as saved, what to look at, and which secrets were dropped.', schema: saved },
      412: { description: 'Somebody else saved meanwhile.' },
      422: { description: 'The settings are not valid; `faults` names every field.' },
      428: { description: 'If-Match is missing.' },
    },
    handle: async ({ body, headers, principal }) => {
      const { warnings, dropped, ...read } = await settings.save(body, {
        ifMatch: headers.get('if-match'),
        ifNoneMatch: headers.get('if-none-match'),
        actor: actorOf(principal),
        mayMaster: isMasterAdmin(principal),
      });
      return replyOf(read, { warnings: [...warnings, ...(await oauth.warnings(read.settings))], dropped });
    },
  }),
  route({
    name: 'getSettingsHistory',
    method: 'GET',
    path: 'api/settings/history',
    access: ['Admin'],
    summary: 'Who changed which settings and when, newest first.',
    query: z.object({ limit: pageLimit(100, 20), after: continuation(z.int().min(1)).optional() }),
    answers: {
      200: {
        description: 'Entries, and `next` where there are more: give it as `after`.',
        schema: z.object({
          entries: z.array(
            z.object({
              revision: z.int(),
              at: z.iso.datetime(),
              by: z.string(),
              changes: z.array(changeSchema),
            }),
          ),
          next: z.string().optional(),
        }),
      },
    },
    handle: async ({ query }) => {
      const { entries, next } = await settings.history(query);
      return { status: 200, body: { entries, ...(next !== undefined && { next: continuationOf(next) }) } };
    },
  }),
  route({
    name: 'getSettingsPresets',
    method: 'GET',
    path: 'api/settings/presets',
    access: ['Admin'],
    summary: 'What mail providers want, to be laid over the settings before saving.',
    answers: { 200: { description: 'Presets.', schema: z.object({ presets: z.array(presetSchema) }) } },
    handle: async () => ({ status: 200, body: { presets } }),
  }),
  route({
    name: 'getSettingsFields',
    method: 'GET',
    path: 'api/settings/fields',
    access: ['Admin'],
    summary: 'Every setting with its title, meaning, kind and default, in the order of the page.',
    answers: { 200: { description: 'Fields.', schema: z.object({ fields: z.array(fieldSchema) }) } },
    handle: async () => ({ status: 200, body: { fields: describeSettings() } }),
  }),
];

const replyOf = ({ settings, etag, verified }: ReadSettings, more: object): Reply => ({
  status: 200,
  headers: { etag },
  body: { ...settings, verified, ...more },
});
