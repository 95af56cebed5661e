import type { QueueClient, ReceivedMessageItem } from '@azure/storage-queue';
import type { Reason } from '../../lib/delivery/delivery.ts';
import { messageIdOf } from '../../lib/delivery/id.ts';
import type { LastResort } from '../../lib/delivery/last-resort.ts';
import { parseJson } from '../../lib/json.ts';
import type { Lane } from '../../lib/message/kinds.ts';
import { isMissing } from '../../lib/storage/table.ts';

/** Messages read in one go, and goes at the most in one run. */
const batch = 8;
const goes = 80;
/** Seconds for which a go has its messages to itself: a message to many recipients takes a while to settle. */
const hidden = 120;

/**
 * Empties a lane's poison queue into visible rows. A timer and no queue trigger: the host moves a message that is not
 * Base64 to the poison queue without invoking anybody, and would not invoke a trigger on the poison queue for it either.
 * A message is deleted only after its row was written.
 */
export const poison = async (lane: Lane, queue: QueueClient, lastResort: LastResort): Promise<void> => {
  for (let go = 0; go < goes; go++) {
    const { receivedMessageItems } = await queue.receiveMessages({
      numberOfMessages: batch,
      visibilityTimeout: hidden,
    });
    if (receivedMessageItems.length === 0) return;
    // One that cannot be settled now must not keep the others waiting behind it.
    const faults: unknown[] = [];
    for (const message of receivedMessageItems) {
      await settle(lane, message, lastResort)
        .then(() => remove(queue, message))
        .catch((error: unknown) => faults.push(error));
    }
    if (faults.length > 0)
      throw new AggregateError(faults, `${faults.length} messages of ${queue.name} are not settled`);
  }
};

/** One that took too long to settle has become visible again and may be in other hands, which find its row. */
const remove = async (queue: QueueClient, { messageId, popReceipt }: ReceivedMessageItem): Promise<void> => {
  try {
    await queue.deleteMessage(messageId, popReceipt);
  } catch (error) {
    if (!isMissing(error)) throw error;
  }
};

const settle = async (lane: Lane, message: ReceivedMessageItem, lastResort: LastResort): Promise<void> => {
  const { messageId, messageText, insertedOn } = message;
  const text = decoded(messageText);
  const body = text ?? messageText;
  const json = parseJson(body);
  const id = messageIdOf(`poison:${messageId}`, insertedOn.getTime());
  await lastResort.settle(
    lane,
    body,
    'value' in json ? json.value : undefined,
    id,
    text === undefined ? notBase64 : setAside,
  );
};

/** The host never hands such a message to anybody. */
const notBase64: Reason = {
  code: 'poison',
  detail: 'The queue message was not Base64, so it was never processed. Its producer must encode it.',
};

/** Such a copy has another id than the message that it was made of. */
const setAside: Reason = {
  code: 'poison',
  detail:
    'Processing it ended without a result time after time, so the host set it aside. Look at the history of this ' +
    'recipient before sending it again: an earlier try may have a row of its own.',
};

/** The text behind Base64; `undefined` where it is none. */
const decoded = (text: string): string | undefined => {
  const bare = text.replaceAll(/\s/g, '');
  const bytes = Buffer.from(bare, 'base64');
  return bytes.toString('base64') === bare ? bytes.toString('utf8') : undefined;
};
