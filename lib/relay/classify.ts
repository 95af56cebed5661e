import { TokenFault } from '../oauth/tokens.ts';
import type { Fault, Login, Phase } from './outcome.ts';
import { ruleFor } from './replies.ts';
import { parseReply, presentable, toldWait } from './reply.ts';
import { complaints, exits, serverMessage } from './sysexits.ts';
import { type TransportError, transportFaultOf } from './transport-faults.ts';

/** What a relay said and to which question. */
export interface Said {
  phase: Phase;
  /** The reply as it came, one line or several, e.g. `550 5.1.1 User unknown`. */
  reply: string;
  /** How we log in at this relay; absent where we do not, or a mail command does it by itself. */
  login?: Login | undefined;
}

/**
 * Tells what a refusing SMTP reply means: who is at fault, how long to wait, what to do. The exact code, the enhanced
 * code, the phase, known words and the kind of login decide together, see `replies`; never the first digit alone.
 *
 * What is no refusal (not SMTP, or a 2xx or 3xx that nobody expected) is a fault of the connection, or `unknown` where
 * the whole message had been handed over.
 */
export const classifyReply = ({ phase, reply, login }: Said): Fault => {
  const words = presentable(reply, phase);
  const parsed = parseReply(reply);
  const rule = parsed && ruleFor(phase, parsed, login);
  if (!parsed || !rule) {
    return phase === 'accept'
      ? { class: 'unknown', phase, rule: 'not-an-answer', code: parsed?.code, reply: words }
      : { class: 'connection', phase, rule: 'not-smtp', code: parsed?.code, reply: words, remedy: 'not-smtp' };
  }
  const told = mayPass.has(rule.is) ? toldWait(parsed.text) : undefined;
  return {
    class: rule.is,
    phase,
    rule: rule.id,
    code: parsed.code,
    enhanced: parsed.enhanced,
    reply: words,
    retryAfter: told ?? rule.wait,
    remedy: rule.remedy,
    cap: rule.cap,
    scope: rule.scope,
    suppressible: rule.suppressible,
  };
};

const mayPass: ReadonlySet<Fault['class']> = new Set<Fault['class']>(['temporary', 'connection', 'quota']);

/** How far a hand-over had come when it broke. */
export interface Progress {
  /** The last phase that the caller knows of; the error's own goes first. */
  phase: Phase;
  /** How much of the message, with the dot that ends it, had been written to the relay. */
  handedOver: 'no' | 'partly' | 'whole';
  /** How we log in, see `Said`. */
  login?: Login | undefined;
}

/**
 * Tells what an error of Node or nodemailer means. A reply that it carries decides; without one, what was handed over
 * does: a link that breaks after the whole message leaves the outcome `unknown` (law 5), before it nothing has happened.
 *
 * @throws the error itself where it is none of Node's or nodemailer's: a mistake in the program is no fault of a relay
 */
export const classifyError = (error: unknown, progress: Progress): Fault => {
  if (error instanceof TokenFault) return error.fault;
  if (!(error instanceof Error)) throw error;
  const failure: TransportError = error;
  const refused = failure.rejectedErrors && classifyRejected(failure.rejectedErrors)[0];
  if (refused) return refused.fault;
  const phase = phaseOf(error) ?? progress.phase;
  if (failure.response) return classifyReply({ phase, reply: failure.response, login: progress.login });

  const exit = /^Sendmail (?:exited with code|command not found, process exited with code) (\d+)$/.exec(
    failure.message,
  );
  if (exit) return classifyExit({ exitCode: Number(exit[1]), signal: null, output: failure.message });
  const signal = /^Sendmail was terminated by (\w+)$/.exec(failure.message);
  if (signal) {
    return classifyExit({
      exitCode: null,
      signal: signal[1]!,
      output: failure.message,
      handedOver: progress.handedOver,
    });
  }

  const row = transportFaultOf(failure);
  if (!row) throw error;
  const reply = presentable(failure.message, phase);
  if (row.lost && progress.handedOver === 'whole') return { class: 'unknown', phase: 'accept', rule: row.id, reply };
  return { class: row.is, phase: row.phase ?? phase, rule: row.id, reply, remedy: row.remedy, cap: row.cap };
};

/** The phase that an error of nodemailer names, if it names one: most of those of the connection do not. */
export const phaseOf = (error: unknown): Phase | undefined => {
  if (!(error instanceof Error)) return undefined;
  const failure: TransportError = error;
  if (failure.command === 'DATA') return failure.code === 'EMESSAGE' ? 'accept' : 'data';
  const verb = failure.command?.split(' ')[0] ?? '';
  const byVerb = phases[verb];
  if (byVerb) return byVerb;
  if (/^Invalid greeting/.test(failure.message)) return 'greeting';
  return transportFaultOf(failure)?.phase;
};

const phases: Readonly<Record<string, Phase | undefined>> = {
  EHLO: 'ehlo',
  HELO: 'ehlo',
  LHLO: 'ehlo',
  STARTTLS: 'tls',
  AUTH: 'auth',
  MAIL: 'mail',
  RCPT: 'rcpt',
};

/**
 * The recipients that a relay refused (nodemailer's `rejectedErrors`), each with its own fault: one that is refused says
 * nothing of the others. Unless several are, all alike and by policy (5.7.x): then the fault is the sender's.
 */
export const classifyRejected = (errors: readonly TransportError[]): { recipient: string; fault: Fault }[] => {
  const refused = errors.map((error) => ({
    recipient: error.recipient ?? '',
    fault: classifyReply({ phase: 'rcpt', reply: error.response ?? error.message }),
  }));
  const first = refused[0]?.fault;
  const byPolicy = first?.enhanced?.startsWith('5.7.') && first.class === 'recipient';
  const alike = refused.every(({ fault }) => fault.rule === first?.rule && fault.enhanced === first?.enhanced);
  if (refused.length < 2 || !byPolicy || !alike) return refused;
  return refused.map(({ recipient, fault }) => ({
    recipient,
    fault: { ...fault, class: 'sender', rule: 'all-recipients-refused', remedy: 'sender-refused' },
  }));
};

/** How a mail command of the types `mail` and `sendmail` ended, other than well. */
export interface Exited {
  exitCode: number | null;
  /** Where a signal ended it, e.g. `SIGKILL`. */
  signal: string | null;
  /** What it wrote, standard error and output. */
  output: string;
  /** Matters where a signal ended it. Default: `whole`. */
  handedOver?: Progress['handedOver'] | undefined;
}

/**
 * Tells what a mail command's end means: the relay's reply within its output decides, then what it complains of, then its
 * exit code (`exits`). A command that was killed after it had the whole message may have queued it: `unknown`.
 */
export const classifyExit = ({ exitCode, signal, output, handedOver = 'whole' }: Exited): Fault => {
  const complaint = complaints.find(({ text }) => text.test(output));
  const phase = complaint?.phase ?? 'spawn';
  const said = serverMessage(output);
  if (said) return classifyReply({ phase, reply: said });
  const reply = presentable(output, 'auth') || (signal ? `ended by ${signal}` : `exit code ${exitCode}`);
  if (complaint) return { class: complaint.is, phase, rule: complaint.id, reply, remedy: complaint.remedy };
  if (signal !== null || exitCode === null) {
    return handedOver === 'whole'
      ? { class: 'unknown', phase, rule: 'killed', reply }
      : { class: 'temporary', phase, rule: 'killed', reply, remedy: 'command-failed' };
  }
  const exit = exits.find(({ code }) => code === exitCode);
  return {
    class: exit?.is ?? 'temporary',
    phase,
    rule: exit?.id ?? 'exit',
    reply,
    remedy: exit ? exit.remedy : 'command-failed',
    cap: exit?.cap,
  };
};
