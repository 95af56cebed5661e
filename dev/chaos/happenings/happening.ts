import type { Api } from '../api.ts';
import type { Arrival, Row } from '../evidence.ts';
import type { ChaosOptions, Mode } from '../options.ts';
import type { ChaosStorage } from '../storage.ts';
import type { Finding } from '../verdict.ts';

/** What a happening may use. */
export interface Scene {
  options: ChaosOptions;
  mode: Mode;
  api: Api;
  storage: ChaosStorage;
  /** Milliseconds over which the mail is handed in. */
  spread: number;
  /** While true, nobody asks for a probe before the breaker's own is due. */
  handsOff: { yes: boolean };
}

export interface Judged {
  /** Lines of the table. */
  facts: Record<string, string | number>;
  /** Must be empty, by what they are. */
  laws: Record<string, Finding[]>;
}

/** Something that an option adds to a run, beside kills and faults. */
export interface Happening {
  /** Before the first mail. */
  before?(): Promise<void>;
  /** While mail is handed in; ends with what it does undone, or never. */
  during(stop: AbortSignal): Promise<void>;
  /** It goes on until it is stopped. */
  endless?: boolean;
  judge(evidence: { rows: Row[]; arrivals: Arrival[] }): Judged;
}

/** The time at which each delivery was claimed, attempt by attempt. */
export const claimsOf = (rows: Row[]): { row: Row; at: number }[] =>
  rows.flatMap((row) => row.delivery.attempts.map((it) => ({ row, at: Date.parse(it.at) })));

export const findingOf = ({ token = '-', delivery }: Row, what: string): Finding => ({
  what: `${what}: ${delivery.id}`,
  token,
  to: delivery.to.address,
});
