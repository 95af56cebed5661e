import type { FaultInput } from '../smtp/faults.ts';
import { sequence } from '../smtp/faults.ts';
import type { ChaosOptions } from './options.ts';

/** Longer than the hosts' submit time-out, so that the outcome is unknown. */
export const submitTimeout = 4;

/** What goes wrong between Postern and the relay, each with its chance. */
const passing: FaultInput[] = [
  { at: 'connect', drop: 'before', chance: 0.02 },
  { at: 'mail', reply: '451 4.3.0 Temporary lookup failure', chance: 0.02 },
  { at: 'rcpt', reply: '450 4.2.0 Mailbox busy', chance: 0.05 },
  { at: 'rcpt', reply: '550 5.1.1 User unknown', chance: 0.02 },
  { at: 'rcpt', drop: 'before', chance: 0.006 },
  { at: 'rcpt', delayMs: 300, chance: 0.03 },
  { at: 'data', drop: 'before', chance: 0.006 },
  { at: 'accept', reply: '451 4.3.0 Queue file write error', chance: 0.03 },
  { at: 'accept', reply: '554 5.6.0 Message content is not acceptable', chance: 0.01 },
  { at: 'accept', delayMs: 900, chance: 0.08 },
];

/** The whole message was handed over and no reply comes: lost before the relay took it, after it, or much too late. */
const lostReplies: FaultInput[] = [
  { at: 'accept', drop: 'before', chance: 0.01 },
  { at: 'accept', drop: 'after', chance: 0.015 },
  { at: 'accept', delayMs: (submitTimeout + 2) * 1000, chance: 0.003 },
];

export const faultsFor = ({ faults, seed }: Pick<ChaosOptions, 'faults' | 'seed'>): FaultInput[] => {
  if (faults === 'none') return [];
  const draw = sequence(seed + 1);
  const list = faults === 'all' ? [...lostReplies, ...passing] : passing;
  return list.map((fault) => ({ ...fault, seed: Math.floor(draw() * 2 ** 31) }));
};
