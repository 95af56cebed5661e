import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Submission } from '../message/submission.ts';
import type { Settings } from '../settings/schema.ts';
import { classifyExit } from './classify.ts';
import { commandExists } from './command.ts';
import { type FailureDetail, givenUp, type HandedOver, RelayFailure } from './failure.ts';
import type { Accepted, Fault } from './outcome.ts';

const mostWords = 1_000;

/** What a mail command needs from this process's environment; the rest holds the app's own connection strings. */
const passedOn = ['PATH', 'HOME', 'USER', 'LOGNAME', 'LANG', 'TZ', 'TMPDIR'];

/**
 * Hands one mail to the system's mail command, without a shell: `-i` (a line with a single dot does not end the mail),
 * `-f` (the envelope sender), `--` (what follows is an address, whatever it begins with).
 * @param message the mail with LF line ends
 * @returns how the command ended, by its exit code (sysexits.h)
 * @throws RelayFailure where it could not be started, or was stopped for taking too long
 */
export const submitByCommand = async (
  mail: Pick<Submission, 'envelopeFrom' | 'to'>,
  message: Buffer,
  settings: Pick<Settings, 'type' | 'sendmail'>,
  signal: AbortSignal,
): Promise<Accepted | Fault> => {
  const command = await commandExists(settings.type === 'mail' ? 'mail' : 'sendmail', settings.sendmail.path);
  if ('reason' in command) throw notThere(command.reason);
  const env = Object.fromEntries(passedOn.flatMap((name) => [[name, process.env[name]]]));
  const child = spawn(command.path, ['-i', '-f', mail.envelopeFrom, '--', mail.to.address], {
    env,
    stdio: ['pipe', 'ignore', 'pipe'],
    detached: true, // a process group of its own, so that what the command itself has started ends with it
  });
  // From its end of input on the command may have taken the mail, whatever becomes of it afterwards.
  let handedOver: HandedOver = 'no';
  let words = '';
  const stop = () => killGroup(child);
  signal.addEventListener('abort', stop, { once: true });
  if (signal.aborted) stop();
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    words = (words + text).slice(0, mostWords);
  });
  child.stdin.on('error', () => undefined); // a command that ends before it has read all tells why by its exit code
  child.stdin.once('finish', () => {
    handedOver = 'whole';
  });
  child.stdin.end(message);
  try {
    const [exitCode, killedBy] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null];
    if (signal.aborted) throw new RelayFailure('spawn', handedOver, givenUp(signal));
    if (exitCode === 0) return { class: 'accepted', reply: `${command.path} took the mail` };
    return classifyExit({ exitCode, signal: killedBy, output: words, handedOver });
  } catch (error) {
    if (error instanceof RelayFailure) throw error;
    throw new RelayFailure('spawn', 'no', error as FailureDetail);
  } finally {
    signal.removeEventListener('abort', stop);
  }
};

function killGroup({ pid, exitCode }: ChildProcess): void {
  if (pid !== undefined && exitCode === null) process.kill(-pid, 'SIGKILL');
}

/** The error that Node gives for a command that is not there, with the sentence that says where it was looked for. */
export const notThere = (reason: string): RelayFailure =>
  new RelayFailure('spawn', 'no', Object.assign(new Error(`Nothing to spawn. ${reason}`), { code: 'ENOENT' }));
