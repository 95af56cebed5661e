import { z } from 'zod';
import type { Clock } from '../../lib/clock.ts';
import { keyedRemedy } from '../../lib/http/remedy.ts';
import { type AnyRoute, route } from '../../lib/http/route.ts';
import type { TokenSource } from '../../lib/oauth/tokens.ts';
import { checkRelay, stageNames } from '../../lib/relay/check.ts';
import { tokensForDraft } from '../../lib/relay/credentials.ts';
import type { SettingsRoom } from '../../lib/settings/room.ts';
import { draftBody } from './settings.ts';

const stage = z.object({
  stage: z.enum(stageNames),
  ok: z.boolean(),
  milliseconds: z.number(),
  detail: z.string(),
  reply: z.string().optional().meta({ description: 'What the relay, or the error, said.' }),
  remedy: keyedRemedy.optional(),
});

interface CheckNeeds {
  settings: Pick<SettingsRoom, 'review' | 'current'>;
  tokens: TokenSource;
  clock: Clock;
  /** The longest that all stages together may take, in milliseconds. */
  timeout: number;
}

/** The settings check: is there a relay behind this draft, and does it take our mail? */
export const checkRoutes = ({ settings, tokens, clock, timeout }: CheckNeeds): AnyRoute[] => [
  route({
    name: 'checkSettings',
    method: 'POST',
    path: 'api/settings/check',
    access: ['Admin'],
    summary:
      'Tries unsaved settings, stage by stage up to the sender, without sending a mail. A secret left out is taken from the saved ones where it was given for the same server and user.',
    body: draftBody,
    answers: {
      200: {
        description: 'Each stage with its result; the stages after the first that failed are skipped.',
        schema: z.object({ ok: z.boolean(), stages: z.array(stage), skipped: z.array(z.enum(stageNames)) }),
      },
      422: { description: 'The settings are not valid; `faults` names every field.' },
    },
    handle: async ({ body }) => {
      const { settings: draft, secret } = await settings.review(body);
      const sources = { secret, tokens: tokensForDraft(draft, await settings.current(), tokens) };
      return { status: 200, body: await checkRelay(draft, { sources, clock, timeout }) };
    },
  }),
];
