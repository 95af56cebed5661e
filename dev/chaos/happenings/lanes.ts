import { traitsOf } from '../../../lib/message/kinds.ts';
import type { Row } from '../evidence.ts';
import type { Kill } from '../killer.ts';
import { findingOf, type Judged } from './happening.ts';

/** A lane is looked at every second, and a mail takes its moment from there to the claim. */
const reach = 3000;

interface Way {
  row: Row;
  class: 'ordinary' | 'priority';
  acceptedAt: number;
  claimedAt: number;
}

/**
 * Lane inversions. A priority mail is overtaken where an ordinary one that was accepted later was claimed earlier, more
 * than `reach` after the priority mail was there. Left out is what has a reason of its own: a mail that was stopped or
 * put off before its first attempt, and one in whose wait a host died that may have held it.
 * @param postponed ids of deliveries that were put back since a table did not answer
 */
export const judgeLanes = (rows: Row[], kills: readonly Kill[], postponed: ReadonlySet<string>): Judged => {
  const ways = rows.filter(({ delivery }) => !postponed.has(delivery.id)).flatMap(wayOf);
  const priority = ways.filter((it) => it.class === 'priority');
  const ordinary = ways.filter((it) => it.class === 'ordinary');
  const undisturbed = priority.filter(
    ({ acceptedAt, claimedAt }) => !kills.some(({ at }) => at > acceptedAt - reach && at < claimedAt),
  );
  const overtaken = undisturbed.filter((it) =>
    ordinary.some(
      (other) =>
        other.acceptedAt > it.acceptedAt && other.claimedAt < it.claimedAt && other.claimedAt > it.acceptedAt + reach,
    ),
  );
  return {
    facts: {
      'median wait until the claim, priority (ms)': median(priority),
      'median wait until the claim, ordinary (ms)': median(ordinary),
    },
    laws: { 'priority mails overtaken by ordinary ones': overtaken.map(({ row }) => findingOf(row, 'overtaken')) },
  };
};

const wayOf = (row: Row): Way[] => {
  const { kind, attempts, trail, acceptedAt } = row.delivery;
  const [first] = attempts;
  const straight = trail[0] === undefined || trail[0].to === 'submitting';
  if (kind === 'unknown' || !first || !straight) return [];
  return [{ row, class: traitsOf(kind).class, acceptedAt: Date.parse(acceptedAt), claimedAt: Date.parse(first.at) }];
};

const median = (ways: Way[]): number =>
  ways.map(({ acceptedAt, claimedAt }) => claimedAt - acceptedAt).sort((a, b) => a - b)[Math.floor(ways.length / 2)] ??
  0;
