import type { QueueClient } from '@azure/storage-queue';
import { messageIdOf } from '../../lib/delivery/id.ts';
import type { LastResort } from '../../lib/delivery/last-resort.ts';
import { parseJson } from '../../lib/json.ts';
import type { Lane } from '../../lib/message/kinds.ts';

/** Messages read in one go, and goes at the most in one run. */
const batch = 32;
const goes = 20;

/**
 * Empties a lane's poison queue into visible rows. A timer and no queue trigger: the host moves a message that is not
 * Base64 to the poison queue without invoking anybody, and would not invoke a trigger on the poison queue for it either.
 * A message is deleted only after its row was written.
 */
export const poison = async (lane: Lane, queue: QueueClient, lastResort: LastResort): Promise<void> => {
  for (let go = 0; go < goes; go++) {
    const { receivedMessageItems } = await queue.receiveMessages({ numberOfMessages: batch, visibilityTimeout: 120 });
    if (receivedMessageItems.length === 0) return;
    for (const { messageId, messageText, popReceipt, insertedOn } of receivedMessageItems) {
      const body = textOf(messageText);
      const json = parseJson(body);
      const id = messageIdOf(`poison:${messageId}`, insertedOn.getTime());
      await lastResort.settle(lane, body, 'value' in json ? json.value : undefined, id);
      await queue.deleteMessage(messageId, popReceipt);
    }
  }
};

/** The text behind Base64, or what stands there where it is none. */
const textOf = (text: string): string => {
  const bytes = Buffer.from(text, 'base64');
  return bytes.toString('base64').replace(/=+$/, '') === text.trim().replace(/=+$/, '') ? bytes.toString('utf8') : text;
};
