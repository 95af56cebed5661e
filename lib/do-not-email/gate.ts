import { days, iso } from '../clock.ts';
import { type Kind, traitsOf } from '../message/kinds.ts';
import type { Entry } from './entry.ts';

/** The part of the settings that decides. */
export interface DoNotEmailPolicy {
  /** "Ignore list for priority emails". */
  ignoreForPriority: boolean;
  /** Whether the former also passes people who complained. */
  priorityIgnoresComplaints: boolean;
  /** "Ignore list for any emails". */
  ignoreForAny: boolean;
  /** Why all mail goes to people who asked not to be mailed: kept with every mail that this lets through. */
  ignoreForAnyReason: string;
  /** ISO time at which `ignoreForAny` ends by itself; empty = no end. */
  ignoreForAnyUntil: string;
}

/** The two switches of the settings page that let mail pass although its recipient is on the list. */
export const overrides = ['ignore-for-priority', 'ignore-for-any'] as const;
export type OverrideName = (typeof overrides)[number];

export interface Override {
  by: OverrideName;
  /** The admin's words, with `ignore-for-any`. */
  why: string;
  /** What would have stopped the mail. */
  entry: Entry;
}

export type Decision = { pass: true; override?: Override } | { stop: Entry };

/**
 * Whether mail of `kind` may go to somebody whose entry was found (law 2). What is a priority mail stands in the
 * enumeration of kinds, so no subject line or flag in a message can claim it.
 * @param now milliseconds since 1970
 */
export const decide = (entry: Entry | undefined, kind: Kind, policy: DoNotEmailPolicy, now: number): Decision => {
  if (!entry) return { pass: true };
  if (passesAsPriority(entry, kind, policy)) {
    return { pass: true, override: { by: 'ignore-for-priority', why: '', entry } };
  }
  if (ignoresForAny(policy, now)) {
    return { pass: true, override: { by: 'ignore-for-any', why: policy.ignoreForAnyReason, entry } };
  }
  return { stop: entry };
};

/** So long the list may be ignored for all mail by somebody who does not say why. */
const unexplained = days(1);

/**
 * The policy as it is saved. Whoever ignores the list for all mail is asked for a reason; without one it may be needed at
 * once all the same, so it works, and ends by itself after a day.
 * @param now milliseconds since 1970
 */
export const endingUnexplained = <P extends DoNotEmailPolicy>(policy: P, now: number): P => {
  if (!ignoresForAny(policy, now) || policy.ignoreForAnyReason !== '') return policy;
  const end = iso(now + unexplained);
  const sooner = policy.ignoreForAnyUntil !== '' && Date.parse(policy.ignoreForAnyUntil) <= Date.parse(end);
  return sooner ? policy : { ...policy, ignoreForAnyUntil: end };
};

const passesAsPriority = (entry: Entry, kind: Kind, policy: DoNotEmailPolicy): boolean =>
  policy.ignoreForPriority &&
  traitsOf(kind).class === 'priority' &&
  (entry.reason !== 'complaint' || policy.priorityIgnoresComplaints);

/** Whether the list is ignored for all mail just now: also what the admin page's banner shows. */
export const ignoresForAny = (policy: DoNotEmailPolicy, now: number): boolean =>
  policy.ignoreForAny && (policy.ignoreForAnyUntil === '' || now < Date.parse(policy.ignoreForAnyUntil));
