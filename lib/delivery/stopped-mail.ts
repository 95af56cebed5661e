import type { Ledger, Summary } from './ledger.ts';

export interface StoppedMail {
  id: string;
  kind: Summary['kind'];
  subject: string;
  time: string;
}

const most = 100;

/** The mails that the Do Not Email list stopped on their way to an address since a time, newest first, at most 100. */
export const stoppedMail =
  (ledger: Pick<Ledger, 'byRecipient'>) =>
  async (address: string, since: number): Promise<StoppedMail[]> => {
    const { items } = await ledger.byRecipient(address, { since, state: 'suppressed' }, most);
    return items.map(({ id, kind, subject, changedAt }) => ({ id, kind, subject, time: changedAt }));
  };
