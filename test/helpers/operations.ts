import type { AzureClients } from '../../lib/storage/azure.ts';
import { type TableName, tables } from '../../lib/storage/azure.ts';

/** Counts the requests that the table clients send from now on, by verb and table: `POST deliveries`. */
export const countedTables = (azure: AzureClients) => {
  const counts = new Map<string, number>();
  for (const name of Object.values(tables) as TableName[]) {
    azure.table(name).pipeline.addPolicy({
      name: 'count',
      sendRequest: (request, next) => {
        const key = `${request.method} ${name}`;
        counts.set(key, (counts.get(key) ?? 0) + 1);
        return next(request);
      },
    });
  }
  return {
    total: () => [...counts.values()].reduce((sum, n) => sum + n, 0),
    by: () => Object.fromEntries([...counts].sort()),
    /** Requests that change something; a transaction or an insert is a POST. */
    writes: () => [...counts].filter(([key]) => !key.startsWith('GET')).reduce((sum, [, n]) => sum + n, 0),
    reset: () => counts.clear(),
  };
};
