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
  /** Mails that the relay took from the same process since the refusal before this one. */
  taken: number;
  /** It put its address on the list, or suggested it. */
  acted: boolean;
}

/**
 * A burst: of the `latest` addresses refused `within` the time, `dense` ones came with hardly a mail taken between them.
 * A plain number would not do, since a platform that sends a million mails a day meets ten bad addresses every ten
 * minutes; with one in twenty refused, which is a lot, one refusal in seven would be dense.
 */
export const burst = { latest: 16, dense: 10, between: 2, within: minutes(10) } as const;

/** Refusals that are kept: what followed from the first ones of a burst is taken back. */
const kept = 64;

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

/** @param refusals as `recentRefusals` keeps them */
export const isBurst = (refusals: readonly Refusal[], now: number): boolean =>
  refusals
    .filter(({ at }) => now - at < burst.within)
    .slice(-burst.latest)
    .filter(({ taken }) => taken <= burst.between).length >= burst.dense;

/** The refusals with some more: each address once, the newest last, and none too old to matter at `now`. */
export const recentRefusals = (refusals: readonly Refusal[], more: readonly Refusal[], now: number): Refusal[] => {
  const byAddress = new Map<string, Refusal>();
  for (const one of [...refusals, ...more].toSorted((a, b) => a.at - b.at)) {
    if (now - one.at >= burst.within) continue;
    const before = byAddress.get(one.address);
    byAddress.delete(one.address);
    byAddress.set(one.address, { ...one, acted: one.acted || before?.acted === true });
  }
  return [...byAddress.values()].slice(-kept);
};
