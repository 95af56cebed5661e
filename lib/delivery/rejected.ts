import { iso } from '../clock.ts';
import type { BadBody } from '../message/queue-body.ts';
import type { Delivery, Reason } from './delivery.ts';
import { deliveryIdOf } from './id.ts';

interface Rejection {
  bad: BadBody;
  messageId: string;
  /** The first recipient's place, behind those who were accepted. */
  firstN: number;
  /** Stable reason code. */
  code: string;
  at: number;
}

/**
 * The visible rows of a message that is not by the contract: one for each recipient that it names, or one in all where
 * it names none. Born `failed`, with every fault's field path.
 */
export const rejected = ({ bad, messageId, firstN, code, at }: Rejection): Delivery[] => {
  const detail = bad.faults
    .slice(0, 20)
    .map(({ path, reason }) => (path ? `${path}: ${reason}` : reason))
    .join('; ')
    .slice(0, 2000);
  const reason: Reason = { code, detail };
  const addresses = bad.to.length > 0 ? bad.to : [''];
  // A thousand and one addresses is one fault, not a thousand rows.
  const shown = addresses.length > 100 ? [''] : addresses;
  return shown.map((address, i) => ({
    id: deliveryIdOf(messageId, Math.min(firstN + i, 999)),
    messageId,
    state: 'failed',
    kind: bad.kind ?? 'unknown',
    to: { address },
    subject: bad.subject ?? '',
    key: bad.key,
    acceptedAt: iso(at),
    changedAt: iso(at),
    expiresAt: iso(at),
    reason,
    attempt: 0,
    tries: 0,
    attempts: [],
    trail: [{ at: iso(at), to: 'failed', reason, by: 'accept' }],
  }));
};
