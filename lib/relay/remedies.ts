import type { Remedy } from '../http/remedy.ts';
import { entraRemedies } from './remedies-entra.ts';
import { exchangeRemedies } from './remedies-exchange.ts';
import { relayRemedies } from './remedies-relay.ts';

const all = { ...exchangeRemedies, ...relayRemedies, ...entraRemedies };

export type RemedyKey = keyof typeof all;

export const remedies: Readonly<Record<RemedyKey, Remedy>> = all;

export const isRemedy = (key: string): key is RemedyKey => Object.hasOwn(remedies, key);

/** The text for an answer, of a key that was stored; null where there is none, or none of this name any more. */
export const remedyOf = (key: string | undefined): Remedy | null =>
  key !== undefined && isRemedy(key) ? remedies[key] : null;
