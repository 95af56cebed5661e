import { createHash } from 'node:crypto';
import type { BlobServiceClient } from '@azure/storage-blob';

export interface TimerLock {
  held(): boolean;
  close(): Promise<void>;
}

/** The lock of an app without blob storage, which no other host can share. */
export const noLock: TimerLock = { held: () => true, close: async () => {} };

const leaseSeconds = 15;

/**
 * Of all hosts on one storage one runs the timers: whoever holds the lease of a blob in `azure-webjobs-hosts`. When it
 * dies, another takes over within the lease's 15 seconds; when it comes back under its old name, it goes on at once.
 * @param owner stable name of this host.
 */
export const timerLock = async (
  service: BlobServiceClient,
  owner: string,
  log: (message: string) => void,
): Promise<TimerLock> => {
  const container = service.getContainerClient('azure-webjobs-hosts');
  await container.createIfNotExists();
  const blob = container.getBlockBlobClient('locks/timers');
  await blob.upload('', 0, { conditions: { ifNoneMatch: '*' } }).catch(ignore(409, 412));
  const lease = blob.getBlobLeaseClient(uuidOf(owner));
  let heldUntil = 0;
  const take = async () => {
    const asked = Date.now();
    try {
      // Taking a lease that this id holds already renews it.
      await lease.acquireLease(leaseSeconds);
      heldUntil = asked + leaseSeconds * 1000;
    } catch (error) {
      if ((error as { statusCode?: number }).statusCode !== 409) log(`The timers' lock: ${String(error)}`);
    }
  };
  await take();
  const timer = setInterval(() => void take(), (leaseSeconds * 1000) / 3);
  return {
    held: () => Date.now() < heldUntil,
    close: async () => {
      clearInterval(timer);
      if (Date.now() < heldUntil) await lease.releaseLease().catch(() => {});
      heldUntil = 0;
    },
  };
};

function uuidOf(text: string): string {
  const hex = createHash('sha256').update(text).digest('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20, 32)].join('-');
}

const ignore =
  (...statuses: number[]) =>
  (error: unknown): void => {
    if (!statuses.includes((error as { statusCode?: number }).statusCode ?? 0)) throw error;
  };
