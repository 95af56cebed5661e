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

const passesAsPriority = (entry: Entry, kind: Kind, policy: DoNotEmailPolicy): boolean =>
  policy.ignoreForPriority &&
  traitsOf(kind).class === 'priority' &&
  (entry.reason !== 'complaint' || policy.priorityIgnoresComplaints);

/** Whether the list is ignored for all mail just now: also what the admin page's banner shows. */
export const ignoresForAny = (policy: DoNotEmailPolicy, now: number): boolean =>
  policy.ignoreForAny && (policy.ignoreForAnyUntil === '' || now < Date.parse(policy.ignoreForAnyUntil));
