import type { Clock } from '../clock.ts';
import type { KindClass } from '../message/kinds.ts';
import type { Actor, Pause, SharedRelayState } from './state.ts';

export interface PauseSwitch {
  /** The pause that stops mail of this class, at most 2 seconds old; `undefined` where none does. */
  paused(kindClass: KindClass): Promise<Pause | undefined>;
  /** Stops ordinary or all mail until `resume`. Asking for the same scope and reason again changes nothing. */
  pause(
    scope: Pause['scope'],
    reason: string,
    actor: Actor,
  ): Promise<{ changed: boolean; released: boolean; pause: Pause }>;
  /** @returns whether there was a pause, so that waiting mail may go. */
  resume(): Promise<{ released: boolean; pause?: Pause }>;
}

/** The kill switch, kept in the relay's row, so that it survives restarts and holds for every process. */
export const pauseSwitch = ({ state, clock }: { state: SharedRelayState; clock: Clock }): PauseSwitch => ({
  paused: async (kindClass) => {
    const { pause } = await state.recent();
    return pause && (pause.scope === 'all' || kindClass === 'ordinary') ? pause : undefined;
  },

  pause: async (scope, reason, actor) => {
    const { wrote, result } = await state.change((before) => {
      const was = before.pause;
      if (was && isSamePause(was, { scope, reason })) return { result: { pause: was, released: false } };
      const pause = { scope, reason, actor, since: clock.now() };
      return { value: { ...before, pause }, result: { pause, released: was?.scope === 'all' && scope === 'ordinary' } };
    });
    return { changed: wrote, ...result };
  },

  resume: async () => {
    const { result } = await state.change(({ pause, ...rest }) =>
      pause ? { value: rest, result: pause } : { result: undefined },
    );
    return result ? { released: true, pause: result } : { released: false };
  },
});

/** Whether asking for it would change nothing. */
export const isSamePause = (present: Pause, asked: Pick<Pause, 'scope' | 'reason'>): boolean =>
  present.scope === asked.scope && present.reason === asked.reason;
