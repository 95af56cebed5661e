import type { Attempt, Delivery } from '../../lib/delivery/delivery.ts';
import { isFinal, type State } from '../../lib/delivery/states.ts';
import type { Arrival, Row } from './evidence.ts';
import type { Mode } from './options.ts';
import type { HandedIn } from './producer.ts';

/** All that is known after a run. */
export interface Evidence {
  mode: Mode;
  /** Mails that a 24-hour limit lets go; 0: no limit. */
  limit?: number | undefined;
  handedIn: HandedIn[];
  rows: Row[];
  arrivals: Arrival[];
}

/** A law that is broken for one delivery. */
export interface Finding {
  what: string;
  token: string;
  to: string;
}

export interface Verdict {
  /** Messages, doubles of a key counted once. */
  accepted: number;
  /** One for each message and recipient. */
  deliveries: number;
  states: Partial<Record<State, number>>;
  arrived: number;
  /** Of `uncertain` and `sent` rows: attempts that ended with their process, and without a reply. */
  died: number;
  noReply: number;
  lost: Finding[];
  twice: { afterKill: number; afterNoReply: number; unexplained: Finding[] };
  /** Rows or answers that tell something else than what happened. */
  untrue: Finding[];
  /** Tries of the schedule that a fault of the connection or the login used up (law 4). */
  burnt: Finding[];
}

/** Whether nothing more happens to the delivery by itself. Where the limit is used up, whatever is parked stays so. */
export const isSettled = (
  { state, resends }: Delivery,
  { mode, limit = 0 }: Pick<Evidence, 'mode' | 'limit'>,
): boolean =>
  isFinal(state) ||
  (state === 'uncertain' && (mode === 'hold' || (resends ?? 0) > 0)) ||
  (state === 'parked' && limit > 0);

/** Judges a run by the rows, the inbox, and what the producers were told. Pure. */
export const judge = ({ mode, limit, handedIn, rows, arrivals }: Evidence): Verdict => {
  const rowsOf = groupBy(rows, ({ token, delivery }) => `${token} ${delivery.to.address}`);
  const arrivalsOf = groupBy(arrivals, ({ token, to }) => `${token} ${to}`);
  const verdict: Verdict = {
    ...{ accepted: handedIn.length, deliveries: 0, states: {}, arrived: arrivals.length, died: 0, noReply: 0 },
    ...{ lost: [], twice: { afterKill: 0, afterNoReply: 0, unexplained: [] }, untrue: [], burnt: [] },
  };

  for (const { planned, told } of handedIn) {
    const { token } = planned;
    for (const { address: to } of planned.mail.to) {
      const at = { token, to };
      verdict.deliveries++;
      const found = rowsOf.get(`${token} ${to}`) ?? [];
      const copies = arrivalsOf.get(`${token} ${to}`)?.length ?? 0;
      arrivalsOf.delete(`${token} ${to}`);
      rowsOf.delete(`${token} ${to}`);
      const delivery = found[0]?.delivery;
      if (!delivery) {
        verdict.lost.push({ what: `no row${copies > 0 ? ', but the mail arrived' : ''}`, ...at });
        continue;
      }
      if (found.length > 1) verdict.untrue.push({ what: `${found.length} rows`, ...at });
      verdict.states[delivery.state] = (verdict.states[delivery.state] ?? 0) + 1;
      if (!isSettled(delivery, { mode, limit }))
        verdict.lost.push({ what: `still ${delivery.state}: ${delivery.id}`, ...at });
      if (delivery.state === 'sent' && copies === 0) verdict.lost.push({ what: 'sent, but not in the inbox', ...at });
      if (mustNotHaveArrived.has(delivery.state) && copies > 0) {
        verdict.untrue.push({ what: `${delivery.state}, but in the inbox: ${delivery.id}`, ...at });
      }
      const wrong = planned.invalid && delivery.state !== 'failed';
      if (wrong) verdict.untrue.push({ what: `not by the contract, yet ${delivery.state}`, ...at });
      const settled = told.find((it) => it.to === to);
      if (settled && settled.state !== delivery.state) {
        verdict.untrue.push({ what: `answered as ${settled.state}, is ${delivery.state}: ${delivery.id}`, ...at });
      }
      count(verdict, { delivery, copies, mode, at });
    }
    judgeRivals(verdict, planned, rows);
  }
  for (const [key, left] of arrivalsOf) {
    const [token = '', to = ''] = key.split(' ');
    verdict.untrue.push({ what: `${left.length} mails that nobody asked for`, token, to });
  }
  for (const left of rowsOf.values()) {
    for (const { token = '-', delivery } of left) {
      verdict.untrue.push({ what: `a row that nobody asked for: ${delivery.id}`, token, to: delivery.to.address });
    }
  }
  return verdict;
};

const mustNotHaveArrived: ReadonlySet<State> = new Set(['failed', 'suppressed', 'expired', 'cancelled', 'parked']);

/** Of two messages with one key and different bodies one is refused, and it says so. */
const judgeRivals = (verdict: Verdict, { rivalOf, token, mail }: HandedIn['planned'], rows: Row[]): void => {
  if (rivalOf === undefined) return;
  const refused = new Set(
    rows.filter(({ delivery }) => delivery.reason.code === 'key-reused').map((row) => row.token ?? ''),
  );
  if (refused.has(token) !== refused.has(rivalOf)) return;
  verdict.untrue.push({ what: 'of two bodies under one key not exactly one was refused', token, to: String(mail.key) });
};

interface Counted {
  delivery: Delivery;
  copies: number;
  mode: Mode;
  at: { token: string; to: string };
}

const count = (verdict: Verdict, { delivery, copies, mode, at }: Counted): void => {
  const { attempts, tries } = delivery;
  const died = attempts.filter((it) => it.class === undefined).length;
  const noReply = attempts.filter((it) => it.class === 'unknown').length;
  verdict.died += died;
  verdict.noReply += noReply;
  const ofConnection = attempts.filter((it) => it.counted && sparing.has(it.class ?? '')).length;
  const temporary = attempts.filter((it) => it.class === 'temporary').length;
  if (ofConnection > 0 || tries > temporary) {
    verdict.burnt.push({ what: `${Math.max(ofConnection, tries - temporary)} tries burnt: ${delivery.id}`, ...at });
  }
  if (copies <= 1) return;
  // Each copy needs an attempt of its own that may have brought it there, and a second one is made in resend mode only.
  const possible = attempts.filter(mayHaveBroughtIt).length;
  if (mode === 'hold' || copies > possible) {
    verdict.twice.unexplained.push({ what: `arrived ${copies} times: ${delivery.id}`, ...at });
  } else if (died > 0) verdict.twice.afterKill++;
  else verdict.twice.afterNoReply++;
};

/** Faults that must not cost the mail a try. */
const sparing: ReadonlySet<string> = new Set(['connection', 'auth', 'sender', 'quota']);

const mayHaveBroughtIt = ({ class: cls }: Attempt): boolean =>
  cls === 'accepted' || cls === 'unknown' || cls === undefined;

/** What must be empty, by what it is. */
export const lawsOf = ({ lost, twice, untrue, burnt }: Verdict): Record<string, Finding[]> => ({
  lost,
  'mailed twice without an unknown outcome': twice.unexplained,
  'rows or answers that are not true': untrue,
  'tries burnt by faults of the connection': burnt,
});

const groupBy = <T>(items: T[], keyOf: (item: T) => string): Map<string, T[]> => {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const key = keyOf(item);
    const group = groups.get(key);
    if (group) group.push(item);
    else groups.set(key, [item]);
  }
  return groups;
};
