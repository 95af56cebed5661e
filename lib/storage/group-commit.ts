import type { TableClient, TransactionAction } from '@azure/data-tables';

/** One write of one entity. `etag` set: an update that demands that version; absent: an insert. */
export interface Write {
  entity: { partitionKey: string; rowKey: string } & Record<string, unknown>;
  etag?: string;
}

/**
 * Writes entities, and joins those of one partition that come while an earlier write of that partition is under way
 * into one entity group transaction. No write waits for company: a lone one goes at once, so a quiet system pays
 * nothing and a busy one needs a fraction of the operations.
 *
 * A transaction fails as a whole; its writes are then made one by one, so that each caller learns the fate of its own.
 * @returns the new ETag. @throws RestError 409 (insert of what exists), 412 (stale ETag), 404, or a service fault
 */
export const groupCommit = (table: TableClient): ((write: Write) => Promise<string>) => {
  interface Pending {
    write: Write;
    resolve: (etag: string) => void;
    reject: (error: unknown) => void;
  }
  const busy = new Map<string, Pending[]>();

  const single = async ({ entity, etag }: Write): Promise<string> => {
    const done = etag ? await table.updateEntity(entity, 'Replace', { etag }) : await table.createEntity(entity);
    return done.etag ?? '';
  };

  const settleSingly = (pending: Pending[]) =>
    Promise.all(pending.map(({ write, resolve, reject }) => single(write).then(resolve, reject)));

  const commit = async (pending: Pending[]): Promise<void> => {
    const distinct = new Set(pending.map(({ write }) => write.entity.rowKey)).size === pending.length;
    if (pending.length === 1 || !distinct) {
      await settleSingly(pending);
      return;
    }
    const actions: TransactionAction[] = pending.map(({ write: { entity, etag } }) =>
      etag ? ['update', entity, 'Replace', { etag }] : ['create', entity],
    );
    let etags: (string | undefined)[];
    try {
      const answer = await table.submitTransaction(actions);
      etags = answer.subResponses.map((part) => part.etag);
    } catch {
      // Whatever it was, each write now gets its own answer: the service's refusal, or the same fault again.
      await settleSingly(pending);
      return;
    }
    for (const [i, { resolve }] of pending.entries()) resolve(etags[i] ?? '');
  };

  const run = async (partition: string): Promise<void> => {
    for (let next = busy.get(partition) ?? []; next.length > 0; next = busy.get(partition) ?? []) {
      const fits = fitting(next.map(({ write }) => write));
      busy.set(partition, next.slice(fits));
      await commit(next.slice(0, fits));
    }
    busy.delete(partition);
  };

  return (write) =>
    new Promise((resolve, reject) => {
      const partition = write.entity.partitionKey;
      const pending = busy.get(partition);
      if (pending) {
        pending.push({ write, resolve, reject });
        return;
      }
      busy.set(partition, [{ write, resolve, reject }]);
      void run(partition);
    });
};

const mostEntities = 90;
const mostBytes = 2_000_000;

/** How many of the writes one transaction may hold: the service takes 100 entities and less than 4 MiB. At least one. */
function fitting(writes: Write[]): number {
  let bytes = 0;
  const over = writes.findIndex(({ entity }, i) => {
    bytes += JSON.stringify(entity).length * 2;
    return i > 0 && (i === mostEntities || bytes > mostBytes);
  });
  return over === -1 ? writes.length : over;
}
