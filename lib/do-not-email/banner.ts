import { z } from 'zod';
import { type DoNotEmailPolicy, ignoresForAny } from './gate.ts';

export const ignoredList = z
  .object({
    text: z.string().meta({ description: 'All of it in one sentence or two, for a banner.' }),
    reason: z.string().meta({ description: 'Empty where nobody gave one.' }),
    until: z.iso.datetime({ offset: true }).optional().meta({ description: 'Absent where it does not end by itself.' }),
    since: z.iso.datetime().optional(),
    by: z.string().optional(),
  })
  .meta({ id: 'IgnoredList' });
/** That the list is ignored for all mail just now: what every admin has to see as long as it is so. */
export type IgnoredList = z.output<typeof ignoredList>;

/** One save of the settings, as much of it as tells who threw a switch. */
interface Save {
  revision: number;
  at: string;
  by: string;
  changes: readonly { path: string; to?: unknown }[];
}

interface Needs {
  current(): Promise<{ doNotEmail: DoNotEmailPolicy }>;
  /** Newest first, by pages. */
  history(asked: { after?: number | undefined; limit: number }): Promise<{ entries: Save[]; next?: number }>;
}

const perPage = 100;
/** Who threw the switch longer ago than these hold is not looked for. */
const mostPages = 10;

/**
 * Tells whether the list is ignored for all mail, since when, by whom and why. One look at the settings; the history is
 * read only while it is so.
 * @param now milliseconds since 1970
 * @returns `undefined` while the list is honoured
 */
export const listIgnored = async (settings: Needs, now: number): Promise<IgnoredList | undefined> => {
  const { doNotEmail } = await settings.current();
  if (!ignoresForAny(doNotEmail, now)) return undefined;
  const { ignoreForAnyReason: reason, ignoreForAnyUntil } = doNotEmail;
  const thrown = await whoThrewIt(settings);
  const until = ignoreForAnyUntil === '' ? undefined : ignoreForAnyUntil;
  const text = [
    'All mail goes to people on the Do Not Email list too',
    thrown ? `, since ${thrown.by} said so at ${thrown.at}` : '',
    until ? `, until ${until}` : ', with no end',
    '. ',
    reason ? `The reason: ${reason}` : 'Nobody gave a reason.',
  ].join('');
  return { text, reason, until, since: thrown?.at, by: thrown?.by };
};

const whoThrewIt = async ({ history }: Needs): Promise<Save | undefined> => {
  let after: number | undefined;
  for (let page = 0; page < mostPages; page++) {
    const { entries, next } = await history({ limit: perPage, after });
    const found = entries.find(({ changes }) =>
      changes.some(({ path, to }) => path === 'doNotEmail.ignoreForAny' && to === true),
    );
    if (found || next === undefined) return found;
    after = next;
  }
  return undefined;
};
