import { createRequire } from 'node:module';
import { untilListening } from './listening.ts';
import { makeQueuesQuick } from './quick-queues.ts';

export interface AzuriteOptions {
  /** Where it keeps everything, also over a restart; absent: in memory alone. */
  folder?: string | undefined;
  ports: { blob: number; queue: number; table: number };
  /** For measurements, see `makeQueuesQuick`. */
  quickQueues?: boolean;
  /** Serve TLS and take the tokens of the managed identity (`--oauth basic`). */
  tls?: { cert: string; key: string };
}

/** Azurite in this process, which it takes over: it reads the command line and ends by itself on SIGTERM. */
export const startAzurite = async ({ folder, ports, tls, quickQueues = false }: AzuriteOptions): Promise<object> => {
  if (quickQueues) makeQueuesQuick();
  process.argv.push(
    ...(folder === undefined ? ['--inMemoryPersistence'] : ['--location', folder]),
    ...['--silent', '--loose', '--skipApiVersionCheck', '--disableTelemetry'],
    ...['--blobPort', String(ports.blob), '--queuePort', String(ports.queue), '--tablePort', String(ports.table)],
    ...(tls ? ['--oauth', 'basic', '--cert', tls.cert, '--key', tls.key] : []),
  );
  // It tells of every listener at start and end; the stack's own table says where things are.
  console.log = () => {};
  createRequire(import.meta.url)('azurite/dist/src/azurite.js');
  await Promise.all(Object.values(ports).map(untilListening));
  return {};
};
