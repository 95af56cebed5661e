import type { Mail } from '../message/contract.ts';
import type { Lane } from '../message/kinds.ts';
import type { Carrier } from './carrier.ts';
import { type Delivery, newDelivery } from './delivery.ts';
import { parseId } from './id.ts';
import type { Stored } from './ledger.ts';
import type { State } from './states.ts';

/** A delivery that has no row yet, or a carrier that points at one; with the lane that it came by. */
export type Job = { lane: Lane } & ({ fresh: Delivery; mail: Mail } | { carrier: Carrier });

/** What there is to do for a job: the delivery as it stands, and its row where there is one. */
export interface Work {
  delivery: Delivery;
  from: State | 'new';
  stored?: Stored;
  mail: Mail;
}

export const idOf = (job: Job): string => ('carrier' in job ? job.carrier.carrier.id : job.fresh.id);

export const mailOf = (job: Job): Mail | undefined => ('carrier' in job ? job.carrier.mail : job.mail);

/** The work of a job whose delivery has no row; none where only the row would hold the mail. */
export const freshWork = (job: Job): Work | undefined => {
  const mail = mailOf(job);
  if (!mail) return undefined;
  if ('fresh' in job) return { delivery: job.fresh, from: 'new', mail };
  const id = parseId(job.carrier.carrier.id);
  const [to] = mail.to;
  if (id?.n === undefined || !to) return undefined;
  const { owner } = job.carrier.carrier;
  return { delivery: newDelivery({ messageId: id.messageId, n: id.n, at: id.at, mail, to, owner }), from: 'new', mail };
};
