/**
 * The life of a delivery as data. `new` is the moment before there is a row. Whoever wants to change a state asks
 * `mayMove`; there is no other way to write one.
 */
export const states = [
  'queued',
  'submitting',
  'deferred',
  'parked',
  'uncertain',
  'sent',
  'suppressed',
  'failed',
  'expired',
  'cancelled',
] as const;
export type State = (typeof states)[number];

/** Nothing more happens by itself. `uncertain` is not final: it asks for a person, or for one more try by setting. */
export const finalStates = ['sent', 'suppressed', 'failed', 'expired', 'cancelled'] as const satisfies State[];

export const isFinal = (state: State): boolean => (finalStates as readonly State[]).includes(state);

/** States in which the delivery is about to be handed over, now or later. */
export const waitingStates = ['queued', 'deferred', 'parked'] as const satisfies State[];

/** What an admin may ask for. */
export type Verb = 'resend' | 'cancel' | 'mark-sent';

const afterWaiting: State[] = ['submitting', 'deferred', 'parked', 'suppressed', 'failed', 'expired'];
/** `uncertain` for one that may have arrived by an earlier attempt: a stop now does not tell what happened then. */
const fromWaiting: State[] = [...afterWaiting, 'uncertain'];

/** What the engine may do by itself. */
const moves: Record<State | 'new', readonly State[]> = {
  new: ['queued', ...afterWaiting],
  queued: fromWaiting,
  deferred: fromWaiting,
  parked: fromWaiting,
  submitting: ['sent', 'failed', 'deferred', 'parked', 'uncertain'],
  // A late result of the attempt that was given up, or one more attempt by setting.
  uncertain: ['submitting', 'parked', 'deferred', 'uncertain', 'sent', 'failed'],
  sent: [],
  suppressed: [],
  failed: [],
  expired: [],
  cancelled: [],
};

/** What an admin's verb leads to, and from where it is legal. */
export const verbs: Record<Verb, { to: State; from: readonly State[] }> = {
  resend: { to: 'queued', from: ['failed', 'uncertain', 'suppressed', 'expired', 'cancelled'] },
  cancel: { to: 'cancelled', from: ['queued', 'deferred', 'parked', 'uncertain'] },
  'mark-sent': { to: 'sent', from: ['uncertain'] },
};

export const mayMove = (from: State | 'new', to: State, verb?: Verb): boolean =>
  verb
    ? verbs[verb].to === to && (verbs[verb].from as readonly (State | 'new')[]).includes(from)
    : moves[from].includes(to);
