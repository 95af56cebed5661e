import { entraRemedies } from './remedies-entra.ts';
import { exchangeRemedies } from './remedies-exchange.ts';
import { relayRemedies } from './remedies-relay.ts';

/** What an administrator can do about a fault. Shown by the settings check, the OAuth callback, relay state and history. */
export interface Remedy {
  /** A few words. */
  title: string;
  /** What has happened, in a sentence or two. */
  means: string;
  /** Steps in order, with the switch or the command. */
  doThis: readonly string[];
  /** How long until it works again. */
  takes: string;
}

export type KeyedRemedy = Remedy & { key: string };

const all = { ...exchangeRemedies, ...relayRemedies, ...entraRemedies };

export type RemedyKey = keyof typeof all;

export const remedies: Readonly<Record<RemedyKey, Remedy>> = all;

export const isRemedy = (key: string): key is RemedyKey => Object.hasOwn(remedies, key);

/** The text for an answer, of a key that was stored; null where there is none, or none of this name any more. */
export const remedyOf = (key: string | undefined): (Remedy & { doThis: string[] }) | null => {
  if (key === undefined || !isRemedy(key)) return null;
  const remedy = remedies[key];
  return { ...remedy, doThis: [...remedy.doThis] };
};
