import type { Phase } from './outcome.ts';

/** What nodemailer and Node tell about a failure. */
export interface FailureDetail extends Error {
  code?: string;
  originalCode?: string;
  command?: string;
  response?: string;
  responseCode?: number;
  timeoutType?: string;
}

export type HandedOver = 'no' | 'partly' | 'whole';

/** A hand-over that did not come to an end, with what only the dialogue itself can know. */
export class RelayFailure extends Error {
  readonly phase: Phase;
  /**
   * How much of the mail may have left this machine without any reply to it. `whole` includes the final dot: only then
   * is the outcome unknown, since a server may not take a mail before it has seen the dot (RFC 5321 section 4.1.1.4).
   */
  readonly handedOver: HandedOver;
  override readonly cause: FailureDetail;

  constructor(phase: Phase, handedOver: HandedOver, cause: FailureDetail) {
    super(cause.message, { cause });
    this.name = 'RelayFailure';
    this.phase = phase;
    this.handedOver = handedOver;
    this.cause = cause;
  }
}

/** The error for a hand-over that was given up: out of time, or stopped by the caller. */
export const givenUp = (signal: AbortSignal): FailureDetail =>
  signal.reason instanceof Error && signal.reason.name === 'TimeoutError'
    ? Object.assign(new Error('The relay took longer than a hand-over may take', { cause: signal.reason }), {
        code: 'ETIMEDOUT',
        timeoutType: 'SUBMIT_TIMEOUT',
      })
    : Object.assign(new Error('The hand-over was stopped', { cause: signal.reason }), { code: 'EABORT' });

/** The promise, until the signal fires. @throws RelayFailure of the phase where it does */
export const unlessGivenUp = <T>(promise: Promise<T>, signal: AbortSignal, phase: Phase): Promise<T> =>
  new Promise((resolve, reject) => {
    const stop = () => reject(new RelayFailure(phase, 'no', givenUp(signal)));
    if (signal.aborted) stop();
    signal.addEventListener('abort', stop, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', stop));
  });
