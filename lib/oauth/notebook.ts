import { alerts } from '../alerts.ts';
import type { Clock } from '../clock.ts';
import type { Log } from '../log.ts';
import type { TokenFailure } from './aadsts.ts';
import { type SharedConnection, withHappening } from './state.ts';

export interface Notebook {
  /** Notes a new token; where something was broken, tells that it works again. */
  gotToken(got: { seal: string; ends: number; connection: string | undefined }): Promise<void>;
  /** Notes a fault that lasts, and alerts at the first one; what passes is not noted. */
  gotNone(fault: TokenFailure, seal: string): Promise<void>;
}

interface Needs {
  state: SharedConnection;
  clock: Clock;
  log: Log;
  /** The connection works again: waiting mail may be tried. */
  connected(): Promise<void>;
}

/** Keeps the shared row's account of how it goes. A mail that has its token does not fail for the sake of a note. */
export const notebook = ({ state, clock, log, connected }: Needs): Notebook => {
  const noted = async (write: () => Promise<void>): Promise<void> => {
    try {
      await write();
    } catch (error) {
      log.error('oauth.not-noted', { error: error instanceof Error ? error.name : typeof error });
    }
  };
  return {
    gotToken: ({ seal, ends, connection }) =>
      noted(async () => {
        const now = clock.now();
        const mended = await state.change((before) => {
          const { broken, ...rest } = before;
          const own = before.connection?.id === connection ? before.connection : undefined;
          return {
            value: {
              ...rest,
              access: { seal, at: now, ends },
              ...(own && { connection: { ...own, renewedAt: now } }),
              ...(broken && { history: withHappening(before, { at: now, what: 'mended', detail: broken.reply }) }),
            },
            result: broken !== undefined,
          };
        });
        if (!mended) return;
        log.info('oauth.mended');
        await connected();
      }),
    gotNone: (fault, seal) =>
      noted(async () => {
        if (fault.kind === 'temporary') return;
        const { kind, rule, reply, remedy } = fault;
        const first = await state.change((before) => {
          const { broken } = before;
          if (broken?.seal === seal && broken.rule === rule && broken.remedy === remedy) return { result: false };
          const since = broken?.since ?? clock.now();
          const now = { seal, kind, rule, reply, ...(remedy && { remedy }), since };
          const history = withHappening(before, { at: clock.now(), what: 'broken', detail: reply });
          return { value: { ...before, broken: now, history }, result: broken === undefined };
        });
        if (first) log.alert(alerts.tokenBroken, { kind, rule, reply, remedy });
      }),
  };
};
