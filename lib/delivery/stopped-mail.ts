import { isDomain } from '../do-not-email/entry.ts';
import type { Ledger, Summary } from './ledger.ts';

export interface StoppedMail {
  id: string;
  kind: Summary['kind'];
  subject: string;
  time: string;
}

const most = 100;
/** Of an address with more mail than these hold, what was stopped long ago is not offered. */
const mostPages = 10;

/**
 * The mails that an entry of the Do Not Email list stopped since a time, newest first, at most 100: of an address, or of
 * a whole domain (`@example.com`), whose mails are found by time.
 */
export const stoppedMail =
  (ledger: Pick<Ledger, 'byRecipient' | 'byTime'>) =>
  async (address: string, since: number): Promise<StoppedMail[]> => {
    const filter = { since, state: 'suppressed' } as const;
    const pageOf = (after?: string) =>
      isDomain(address) ? ledger.byTime(filter, most, after) : ledger.byRecipient(address, filter, most, after);
    const items: Summary[] = [];
    let after: string | undefined;
    for (let pages = 0; pages < mostPages && items.length < most; pages++) {
      const found = await pageOf(after);
      items.push(...found.items.filter(({ reason }) => !isDomain(address) || reason.row === address));
      after = found.next;
      if (!after) break;
    }
    return items.slice(0, most).map(({ id, kind, subject, changedAt }) => ({ id, kind, subject, time: changedAt }));
  };
