import { setTimeout as delay } from 'node:timers/promises';
import type { DequeuedMessageItem, QueueClient, QueueServiceClient } from '@azure/storage-queue';
import type { QueueOptions } from './host-json.ts';
import type { QueueFacts } from './metadata.ts';

export interface QueueListener {
  /** Stops receiving and waits for the invocations in flight. */
  close(): Promise<void>;
}

interface ListenerOptions {
  service: QueueServiceClient;
  /** Lower case, as the trigger makes it. */
  queueName: string;
  options: QueueOptions;
  /** Seconds for which a received message stays hidden; renewed at half. The host's is 600 and not to be set. */
  lease: number;
  invoke(body: string, facts: QueueFacts): Promise<void>;
  log(message: string): void;
}

const minPollingInterval = 100;

/**
 * The storage queue trigger (Microsoft.Azure.WebJobs.Extensions.Storage.Queues: QueueListener, QueueProcessor).
 * Receives a batch whenever `newBatchThreshold` or fewer invocations run; idle, it waits longer and longer.
 */
export const listenToQueue = (listener: ListenerOptions): QueueListener => {
  const { service, queueName, options, log } = listener;
  const queue = service.getQueueClient(queueName);
  const running = new Set<Promise<void>>();
  const stop = new AbortController();

  const poll = async () => {
    let wait = 0;
    while (!stop.signal.aborted) {
      while (running.size > options.newBatchThreshold) await Promise.race(running);
      if (stop.signal.aborted) return;
      const messages = await receive(queue, listener);
      for (const message of messages) {
        const work = process(message, queue, listener)
          .catch((error: unknown) => log(`Queue ${queueName}, message ${message.messageId}: ${String(error)}`))
          .finally(() => running.delete(work));
        running.add(work);
      }
      wait = messages.length > 0 ? 0 : nextWait(wait, options.maxPollingInterval);
      // A message that arrives in the pause waits for its end: that is the trigger's latency, also in the cloud.
      if (wait > 0) await delay(wait, undefined, { signal: stop.signal }).catch(() => {});
    }
  };
  const polling = poll();
  return {
    close: async () => {
      stop.abort();
      // Not cut short: a receive in flight may have hidden messages already, which must not be forgotten.
      await polling;
      await Promise.all(running);
    },
  };
};

/** Exponential from 100 ms up to the limit, each step within a fifth of its mark (RandomizedExponentialBackoffStrategy). */
function nextWait(before: number, max: number): number {
  const doubled = before === 0 ? minPollingInterval : before * 2;
  return Math.min(max, doubled * (0.8 + Math.random() * 0.4));
}

async function receive(queue: QueueClient, { options, lease, log }: ListenerOptions): Promise<DequeuedMessageItem[]> {
  try {
    const got = await queue.receiveMessages({ numberOfMessages: options.batchSize, visibilityTimeout: lease });
    return got.receivedMessageItems;
  } catch (error) {
    // The trigger idles while its queue is missing; it never creates it.
    if (!isMissing(error)) log(`Queue ${queue.name} cannot be read: ${String(error)}`);
    return [];
  }
}

async function process(message: DequeuedMessageItem, queue: QueueClient, listener: ListenerOptions): Promise<void> {
  const { options, lease, invoke, log } = listener;
  const poison = queue.name.endsWith('-poison') ? undefined : listener.service.getQueueClient(`${queue.name}-poison`);
  const hold = holding(message, queue, lease, log);
  try {
    const body = decode(message.messageText, options.messageEncoding);
    if (body === undefined || (poison && message.dequeueCount > options.maxDequeueCount)) {
      // The host hands neither to the function.
      if (poison) await poisonCopy(message, queue, poison, hold, log);
      return;
    }
    try {
      await invoke(body, { id: message.messageId, ...message, popReceipt: message.popReceipt });
    } catch (error) {
      log(`Queue ${queue.name}, message ${message.messageId}, try ${message.dequeueCount}: ${describe(error)}`);
      // Without a poison queue the message just stays hidden, so that it does not come round in a tight circle.
      if (!poison) return;
      if (message.dequeueCount >= options.maxDequeueCount) return await poisonCopy(message, queue, poison, hold, log);
      const seconds = Math.floor(options.visibilityTimeout / 1000);
      await hold.settle((receipt) => queue.updateMessage(message.messageId, receipt, undefined, seconds));
      return;
    }
    await hold.settle((receipt) => queue.deleteMessage(message.messageId, receipt));
  } finally {
    hold.end();
  }
}

async function poisonCopy(
  message: DequeuedMessageItem,
  queue: QueueClient,
  poison: QueueClient,
  hold: Hold,
  log: (message: string) => void,
): Promise<void> {
  await poison.createIfNotExists();
  await poison.sendMessage(message.messageText);
  log(`Queue ${queue.name}: message ${message.messageId} moved to ${poison.name}`);
  await hold.settle((receipt) => queue.deleteMessage(message.messageId, receipt));
}

interface Hold {
  /** Stops the renewal and acts with the newest receipt; a message that is gone or taken by another is let go. */
  settle(act: (receipt: string) => Promise<unknown>): Promise<void>;
  end(): void;
}

function holding(message: DequeuedMessageItem, queue: QueueClient, lease: number, log: (text: string) => void): Hold {
  let receipt = message.popReceipt;
  let renewing: Promise<void> = Promise.resolve();
  const renew = async () => {
    const renewed = await queue.updateMessage(message.messageId, receipt, undefined, lease);
    receipt = renewed.popReceipt ?? receipt;
  };
  const timer = setInterval(() => {
    renewing = renew().catch((error: unknown) => log(`Queue ${queue.name}: no renewal of the lease: ${String(error)}`));
  }, lease * 500);
  const end = () => clearInterval(timer);
  return {
    end,
    settle: async (act) => {
      end();
      await renewing;
      await act(receipt).catch((error: unknown) => {
        if (!isMissing(error) && !isForeignReceipt(error)) throw error;
      });
    },
  };
}

/** As .NET reads Base64: white space is skipped, everything else must fit. Invalid UTF-8 turns into U+FFFD. */
function decode(text: string, encoding: QueueOptions['messageEncoding']): string | undefined {
  if (encoding === 'none') return text;
  const bare = text.replace(/[ \t\r\n]/g, '');
  if (bare.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(bare)) return undefined;
  return Buffer.from(bare, 'base64').toString('utf8');
}

const describe = (error: unknown) => (error instanceof Error ? (error.stack ?? error.message) : String(error));
const fieldOf = (error: unknown, name: string) => (error as Record<string, unknown> | undefined)?.[name];
const isMissing = (error: unknown) => fieldOf(error, 'statusCode') === 404;
const isForeignReceipt = (error: unknown) => fieldOf(error, 'code') === 'PopReceiptMismatch';
