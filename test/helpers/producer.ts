/** A platform service's program: it knows the Azure library, the connection string and the contract, nothing of ours. */
export const plainClient = (queue: string, ...texts: string[]): string => `
  import { QueueServiceClient } from '@azure/storage-queue';
  const queue = QueueServiceClient.fromConnectionString(process.env.AZURE_STORAGE_CONNECTION_STRING!).getQueueClient('${queue}');
  for (const text of ${JSON.stringify(texts)}) {
    await queue.sendMessage(Buffer.from(text).toString('base64'), { messageTimeToLive: -1 });
  }`;

/** The same without Base64: what somebody does who has not read the contract. */
export const clumsyClient = (queue: string, text: string): string => `
  import { QueueServiceClient } from '@azure/storage-queue';
  const queue = QueueServiceClient.fromConnectionString(process.env.AZURE_STORAGE_CONNECTION_STRING!).getQueueClient('${queue}');
  await queue.sendMessage(${JSON.stringify(text)});`;

export const tomorrow = (): string => new Date(Date.now() + 86_400_000).toISOString();
