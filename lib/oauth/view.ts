import { z } from 'zod';
import { days, iso } from '../clock.ts';
import { remedySchema } from '../http/remedy.ts';
import { remedyOf } from '../relay/remedies.ts';
import type { Settings } from '../settings/schema.ts';
import { clocksOf } from './clocks.ts';
import { type ConnectionState, happenings } from './state.ts';
import { sealOfUse, usesOAuth } from './use.ts';

const time = z.iso.datetime();
const clockView = z.object({ ends: time, daysLeft: z.int() }).nullable();

/** The connection as an admin sees it. */
export const tokenView = z
  .object({
    state: z.enum(['not-used', 'not-connected', 'connected', 'broken']).meta({
      description:
        '`not-used`: the settings want no XOAUTH2. `broken`: see `fault`. `not-connected`: generate a token.',
    }),
    grant: z.enum(['delegated', 'application']),
    credential: z.enum(['secret', 'managed-identity']),
    cloud: z.string(),
    account: z
      .object({ username: z.string(), tenantId: z.string(), connectedAt: time, connectedBy: z.string() })
      .nullable(),
    clocks: z.object({
      accessToken: clockView.meta({ description: 'Renewed by itself when needed.' }),
      refreshToken: clockView.meta({ description: '90 days from its last renewal; renewed each day.' }),
      clientSecret: clockView.meta({ description: 'The end date that the settings have.' }),
    }),
    renewedAt: time.nullable(),
    fault: z.object({ kind: z.string(), reply: z.string(), since: time, remedy: remedySchema.nullable() }).nullable(),
    history: z.array(z.object({ at: time, what: z.enum(happenings), detail: z.string() })),
  })
  .meta({ id: 'OAuthToken' });
export type TokenView = z.output<typeof tokenView>;

export const viewOf = (settings: Settings, state: ConnectionState, now: number): TokenView => {
  const { grant, credential, cloud } = settings.smtp.auth.oauth;
  const seal = sealOfUse(settings);
  const { connection, access, broken } = state;
  const fitting = grant === 'delegated' ? connection?.seal === seal : access?.seal === seal;
  const own = broken?.seal === seal ? broken : undefined;
  const ends = clocksOf(settings, state);
  const clock = (end: number | undefined) =>
    end === undefined ? null : { ends: iso(end), daysLeft: Math.floor((end - now) / days(1)) };
  const what = !usesOAuth(settings) ? 'not-used' : own && fitting ? 'broken' : fitting ? 'connected' : 'not-connected';
  const renewedAt = grant === 'delegated' ? connection?.renewedAt : fitting ? access?.at : undefined;
  return {
    state: what,
    ...{ grant, credential, cloud },
    account:
      connection && grant === 'delegated'
        ? {
            username: connection.account.username,
            tenantId: connection.account.tenantId,
            connectedAt: iso(connection.at),
            connectedBy: connection.by.name,
          }
        : null,
    clocks: {
      accessToken: clock(ends.accessToken),
      refreshToken: clock(ends.refreshToken),
      clientSecret: clock(ends.clientSecret),
    },
    renewedAt: renewedAt === undefined ? null : iso(renewedAt),
    fault: own ? { kind: own.kind, reply: own.reply, since: iso(own.since), remedy: remedyOf(own.remedy) } : null,
    history: state.history.map(({ at, what: happened, detail }) => ({ at: iso(at), what: happened, detail })),
  };
};
