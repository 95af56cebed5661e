import { minutes } from '../clock.ts';
import type { Fault } from '../relay/outcome.ts';

/** What a refused recipient does to the list, by setting. */
export const bounceModes = ['off', 'suggest', 'add'] as const;
export type BounceMode = (typeof bounceModes)[number];

export interface BounceContext {
  mode: BounceMode;
  /** Whether the relay is open for mail. While it is not, refusals are our own trouble. */
  relayOpen: boolean;
  /** Refusals of recipients lately, as `recentRefusals` keeps them, this one included. */
  refusals: readonly Refusal[];
  now: number;
}

export interface Refusal {
  address: string;
  /** Milliseconds since 1970. */
  at: number;
}

/** So many different addresses refused within the time look like a fault of ours, and nobody is put on the list. */
export const burst = { addresses: 10, within: minutes(10) } as const;

export type BounceVerdict = { act: 'add' | 'suggest' } | { act: 'nothing'; because: string };

/**
 * Whether an address that the relay refused goes on the list. Only a permanent refusal of this very recipient counts:
 * a 5xx reply to RCPT TO with an addressing status (5.1.x, RFC 3463 section 3.2). A relay's own fault can look like this
 * for everybody at once, and would then empty the address book; so not while the relay is closed, and not in a burst.
 */
export const onRefusal = (fault: Fault, { mode, relayOpen, refusals, now }: BounceContext): BounceVerdict => {
  if (mode === 'off') return nothing('switched off');
  if (!namesTheRecipient(fault)) return nothing('the refusal is not about the address');
  if (!relayOpen) return nothing('the relay is not open');
  if (isBurst(refusals, now)) return nothing('many addresses are refused at once');
  return { act: mode };
};

const nothing = (because: string): BounceVerdict => ({ act: 'nothing', because });

/** The table of replies says which of them do; here only the phase is made sure of. */
const namesTheRecipient = ({ class: kind, phase, suppressible }: Fault): boolean =>
  kind === 'recipient' && phase === 'rcpt' && suppressible === true;

export const isBurst = (refusals: readonly Refusal[], now: number): boolean =>
  new Set(refusals.filter(({ at }) => now - at < burst.within).map(({ address }) => address)).size >= burst.addresses;

/** The refusals with one more: each address once, none too old to matter, and no more than it takes to tell a burst. */
export const recentRefusals = (refusals: readonly Refusal[], refused: Refusal): Refusal[] => {
  const others = refusals.filter(({ address, at }) => address !== refused.address && refused.at - at < burst.within);
  return [...others, refused].slice(-2 * burst.addresses);
};
