import type { InvocationContext, StorageQueueHandler } from '@azure/functions';
import type { Acceptance, Arrival } from '../../lib/delivery/accept.ts';
import type { Lane } from '../../lib/message/kinds.ts';

/** The handler of a lane. It rejects only where storage does not answer; the host then delivers the message again. */
export const lane =
  (name: Lane, acceptance: Pick<Acceptance, 'fromQueue'>): StorageQueueHandler =>
  async (body, context) => {
    await acceptance.fromQueue(name, body, arrivalOf(context));
  };

/** The message's metadata, as text or as a date, depending on the host's version. */
export const arrivalOf = ({ triggerMetadata, invocationId }: InvocationContext): Arrival => ({
  id: String(triggerMetadata?.id ?? invocationId),
  insertedAt: new Date(String(triggerMetadata?.insertionTime)).getTime() || 0,
  dequeueCount: Number(triggerMetadata?.dequeueCount) || 1,
});
