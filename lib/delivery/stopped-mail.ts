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

/** The mails that the Do Not Email list stopped on their way to an address since a time, newest first, at most 100. */
export const stoppedMail =
  (ledger: Pick<Ledger, 'byRecipient'>) =>
  async (address: string, since: number): Promise<StoppedMail[]> => {
    const items: Summary[] = [];
    let after: string | undefined;
    for (let pages = 0; pages < mostPages && items.length < most; pages++) {
      const found = await ledger.byRecipient(address, { since, state: 'suppressed' }, most, after);
      items.push(...found.items);
      after = found.next;
      if (!after) break;
    }
    return items.slice(0, most).map(({ id, kind, subject, changedAt }) => ({ id, kind, subject, time: changedAt }));
  };
