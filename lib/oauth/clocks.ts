import { alerts } from '../alerts.ts';
import { days, iso } from '../clock.ts';
import type { Log } from '../log.ts';
import type { Settings } from '../settings/schema.ts';
import { type ConnectionState, type SharedConnection, withHappening } from './state.ts';
import { sealOfUse, usesOAuth } from './use.ts';

/** A refresh token ends 90 days after its last use (learn.microsoft.com, "Refresh tokens in the Microsoft identity platform"). */
const refreshTokenLife = days(90);

/** Ends in milliseconds since 1970; `undefined` where there is no such thing, or nobody knows. */
export interface Clocks {
  accessToken: number | undefined;
  refreshToken: number | undefined;
  clientSecret: number | undefined;
}

/** What ends when: the three things that a connection hangs on. */
export const clocksOf = (settings: Settings, { access, connection }: ConnectionState): Clocks => {
  const { grant, credential, clientSecretExpires } = settings.smtp.auth.oauth;
  const seal = sealOfUse(settings);
  const delegated = grant === 'delegated' && connection?.seal === seal;
  return {
    accessToken: access?.seal === seal ? access.ends : undefined,
    refreshToken: delegated ? connection.renewedAt + refreshTokenLife : undefined,
    clientSecret:
      credential === 'secret' && clientSecretExpires ? Date.parse(`${clientSecretExpires}T23:59:59Z`) : undefined,
  };
};

/** Days before an end at which an alert is raised, once each. */
const warnAt = [1, 7, 30];

const warned = {
  refreshToken: alerts.tokenExpiring,
  clientSecret: alerts.secretExpiring,
} as const;
type Warned = keyof typeof warned;

/** The threshold that was passed, if that has not been told yet for this end. */
export const dueWarning = (
  ends: number,
  told: { ends: number; days: number } | undefined,
  now: number,
): number | undefined => {
  const passed = warnAt.find((it) => ends - now <= days(it));
  if (passed === undefined) return undefined;
  return told?.ends === ends && told.days <= passed ? undefined : passed;
};

/** Raises the alerts that are due. The row decides who raises one, so that several hosts raise it once. */
export const tellClocks = async (
  settings: Settings,
  { state, now, log }: { state: SharedConnection; now: number; log: Log },
): Promise<void> => {
  if (!usesOAuth(settings)) return;
  for (const clock of Object.keys(warned) as Warned[]) {
    const due = await state.change((before) => {
      const ends = clocksOf(settings, before)[clock];
      const passed = ends === undefined ? undefined : dueWarning(ends, before.told[clock], now);
      if (ends === undefined || passed === undefined) return { result: undefined };
      const detail = `${clock} ends at ${iso(ends)}`;
      const history = withHappening(before, { at: now, what: 'warned', detail });
      const told = { ...before.told, [clock]: { ends, days: passed } };
      return { value: { ...before, told, history }, result: { ends, passed } };
    });
    if (due) log.alert(warned[clock], { clock, ends: iso(due.ends), days: due.passed });
  }
};
