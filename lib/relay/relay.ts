import type { Clock } from '../clock.ts';
import type { Log } from '../log.ts';
import type { KindClass } from '../message/kinds.ts';
import type { Submission } from '../message/submission.ts';
import { TokenFault, type TokenSource } from '../oauth/tokens.ts';
import type { Settings } from '../settings/schema.ts';
import { smtpRelay } from './by-smtp.ts';
import { classifyError } from './classify.ts';
import { type CredentialSources, loginOf } from './credentials.ts';
import { RelayFailure } from './failure.ts';
import { mimeOf } from './mime.ts';
import type { Accepted, Fault, Outcome } from './outcome.ts';
import { presentable } from './reply.ts';
import { submitByCommand } from './sendmail.ts';
import { type Release, slots } from './slots.ts';

export interface Relay {
  /**
   * Hands one mail to the configured relay, once: at most one transfer of the body, at most one login (two where a
   * token had to be renewed). Takes at most the submit time-out.
   * @returns the outcome, classified; a fault of the relay never rejects
   * @throws what is not the relay's fault, e.g. Key Vault does not answer
   */
  submit(mail: Submission, settings: Settings, options?: { signal?: AbortSignal }): Promise<Outcome>;
  /**
   * Waits for one of the process's connections, priority mail first. To be taken before the claim, so that no claim's
   * lease runs out in a waiting line.
   */
  slot(kindClass: KindClass, limit: number, signal?: AbortSignal): Promise<Release>;
  /** Lets mails under way finish for at most 4 seconds, then stops them, and closes all connections. */
  close(): Promise<void>;
}

export interface RelayParts {
  settings: Pick<CredentialSources, 'secret'>;
  tokens: TokenSource;
  /** The longest that one hand-over may take, in milliseconds. */
  submitTimeout: number;
  clock: Clock;
  log: Log;
}

/** The host gives an app 5 seconds after its terminate event. */
const farewell = 4_000;

export const relayRoom = ({ settings: { secret }, tokens, submitTimeout, clock, log }: RelayParts): Relay => {
  const smtp = smtpRelay({ secret, tokens }, submitTimeout);
  const line = slots();
  const closing = new AbortController();
  const underWay = new Set<Promise<Outcome>>();

  const handOver = async (mail: Submission, settings: Settings, signal: AbortSignal): Promise<Accepted | Fault> => {
    let message: Buffer;
    try {
      message = await mimeOf(mail, clock.now(), settings.type === 'smtp' ? 'win' : 'unix');
    } catch (error) {
      const reply = `The mail cannot be built: ${error instanceof Error ? error.message : 'no reason given'}`;
      return { class: 'message', phase: 'data', rule: 'unbuildable', reply: presentable(reply) };
    }
    try {
      if (settings.type !== 'smtp') return await submitByCommand(mail, message, settings, signal);
      return await smtp.submit(mail, message, settings, signal);
    } catch (error) {
      if (error instanceof TokenFault) return { ...error.fault, failure: error.fault };
      if (!(error instanceof RelayFailure)) throw error;
      const { phase, handedOver } = error;
      return { ...classifyError(error.cause, { phase, handedOver, login: loginOf(settings) }), failure: error };
    }
  };

  const timed = async (mail: Submission, settings: Settings, stop?: AbortSignal): Promise<Outcome> => {
    const start = clock.now();
    const signals = [AbortSignal.timeout(submitTimeout), closing.signal, ...(stop ? [stop] : [])];
    const outcome = await handOver(mail, settings, AbortSignal.any(signals));
    const ours = closing.signal.aborted && outcome.class === 'connection';
    return { ...outcome, ...(ours && { rule: 'closing' }), milliseconds: clock.now() - start };
  };

  return {
    submit: async (mail, settings, options) => {
      const submission = timed(mail, settings, options?.signal);
      underWay.add(submission);
      try {
        return await submission;
      } finally {
        underWay.delete(submission);
      }
    },
    slot: (kindClass, limit, signal) => line.take(kindClass, limit, signal),
    close: async () => {
      smtp.close();
      if (underWay.size === 0) return;
      const timer = setTimeout(() => {
        log.warn('relay.stopped-under-way', { mails: underWay.size });
        closing.abort();
      }, farewell);
      await Promise.allSettled(underWay);
      clearTimeout(timer);
    },
  };
};
