import type { Cap, FaultClass, Login, Phase } from './outcome.ts';
import type { RemedyKey } from './remedies.ts';
import { exchangeReplies } from './replies-exchange.ts';
import { serverReplies } from './replies-servers.ts';
import { standardReplies } from './replies-standard.ts';
import type { Reply } from './reply.ts';

/** One row of what is known of SMTP replies: which replies it speaks of, and what they mean. */
export interface Rule {
  id: string;
  /** Absent: any phase. */
  phase?: readonly Phase[];
  /** Exact, one of several, or a whole class. */
  code?: number | readonly number[] | '4xx' | '5xx';
  /** Exact, with `*` for a part that does not matter (`*.1.1`), or one of several. A reply without one matches none. */
  enhanced?: string | readonly string[];
  text?: RegExp;
  /** How we log in. Absent: either way, or none, or nobody knows (a mail command logs in by itself). */
  login?: Login;
  is: FaultClass;
  /** Milliseconds to wait at least, unless the reply itself says how long. */
  wait?: number;
  cap?: Cap;
  remedy?: RemedyKey;
  scope?: 'from';
  suppressible?: true;
  /** A reply as a server really gives it, in the first of the row's phases (`accept` where it has none). */
  example: string;
}

/**
 * What SMTP replies mean, most specific first: Exchange Online, then the texts of other servers, then the rules of the
 * RFCs by code, enhanced code and phase. The first row that matches decides. The last rows match every 4xx and 5xx.
 */
export const replies: readonly Rule[] = [...exchangeReplies, ...serverReplies, ...standardReplies];

export const ruleFor = (phase: Phase, reply: Reply, login?: Login): Rule | undefined =>
  replies.find((rule) => matches(rule, phase, reply, login));

const matches = (rule: Rule, phase: Phase, reply: Reply, login: Login | undefined): boolean =>
  (!rule.phase || rule.phase.includes(phase)) &&
  (rule.login === undefined || rule.login === login) &&
  (rule.code === undefined || codeMatches(rule.code, reply.code)) &&
  (rule.enhanced === undefined || enhancedMatches(rule.enhanced, reply.enhanced)) &&
  (rule.text === undefined || rule.text.test(reply.text));

const codeMatches = (wanted: NonNullable<Rule['code']>, code: number): boolean => {
  if (wanted === '4xx') return code >= 400 && code < 500;
  if (wanted === '5xx') return code >= 500 && code < 600;
  return typeof wanted === 'number' ? wanted === code : wanted.includes(code);
};

const enhancedMatches = (wanted: string | readonly string[], enhanced: string | undefined): boolean => {
  if (enhanced === undefined) return false;
  const parts = enhanced.split('.');
  const fits = (pattern: string) => pattern.split('.').every((part, at) => part === '*' || part === parts[at]);
  return typeof wanted === 'string' ? fits(wanted) : wanted.some(fits);
};
