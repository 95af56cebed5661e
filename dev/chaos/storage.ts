import { fork } from 'node:child_process';
import { once } from 'node:events';
import { Agent, createServer, type IncomingMessage, request, type Server, type ServerResponse } from 'node:http';
import { join } from 'node:path';
import type { Order, Report } from '../start/part.ts';
import { claimBase } from './ports.ts';

type Service = 'blob' | 'queue' | 'table';

/** Azurite behind a proxy that counts its requests and can fail some of them. */
export interface ChaosStorage {
  /** The first of a hundred ports, of which 90 to 95 are taken. */
  base: number;
  /** Connection string through the proxy: for what is measured. */
  connection: string;
  /** Straight to Azurite: for whoever looks on. */
  direct: string;
  /** Requests so far by service and what they did, such as `queue send` or `table PUT`. */
  counts(): Record<string, number>;
  /** Requests to a table whose name this fits are answered 503, until it is set to `undefined`. */
  failTables(match: RegExp | undefined): void;
  end(): Promise<void>;
}

const services: Service[] = ['blob', 'queue', 'table'];

export interface StorageOptions {
  /**
   * Where Azurite keeps its files; absent: in memory alone. With files it stands still every five seconds to write all
   * that it holds, which a measurement of single mails does not bear; without, thousands of messages slow it down.
   */
  folder: string | undefined;
  /** See `makeQueuesQuick`. */
  quickQueues: boolean;
}

export const startStorage = async ({ folder, quickQueues }: StorageOptions): Promise<ChaosStorage> => {
  const counts: Record<string, number> = {};
  let failing: RegExp | undefined;
  const agent = new Agent({ keepAlive: true, maxSockets: 200 });

  const forward = (service: Service, ask: IncomingMessage, answer: ServerResponse): void => {
    const path = ask.url ?? '/';
    if (service === 'table' && failing?.test(path)) {
      ask.resume();
      add('table refused on purpose');
      answer.writeHead(503, { 'content-type': 'application/json', 'x-ms-error-code': 'ServerBusy' });
      answer.end('{"odata.error":{"code":"ServerBusy","message":{"lang":"en","value":"Refused on purpose."}}}');
      return;
    }
    const receives = service === 'queue' && ask.method === 'GET' && /\/messages\b/.test(path);
    const passed = request(
      { agent, host: '127.0.0.1', port: own[service], method: ask.method, path, headers: ask.headers },
      (reply) => {
        answer.writeHead(reply.statusCode ?? 502, reply.headers);
        let found = false;
        if (receives) reply.on('data', (chunk: Buffer) => (found ||= chunk.includes('<QueueMessage>')));
        reply.on('end', () => add(nameOf(service, ask.method ?? '', path, receives ? found : undefined)));
        reply.pipe(answer);
      },
    );
    passed.on('error', () => answer.destroy());
    answer.on('close', () => answer.writableFinished || passed.destroy());
    ask.pipe(passed);
  };
  const add = (name: string) => {
    counts[name] = (counts[name] ?? 0) + 1;
  };

  const servers = services.map((service) => {
    const server = createServer((ask, answer) => forward(service, ask, answer));
    server.keepAliveTimeout = 60_000;
    return server;
  });
  const [first, ...others] = servers as [Server, Server, Server];
  const base = await claimBase(first, 90);
  const own = { blob: base + 93, queue: base + 94, table: base + 95 };
  const outer = { blob: base + 90, queue: base + 91, table: base + 92 };
  for (const [n, server] of others.entries()) {
    server.listen(base + 91 + n, '127.0.0.1');
    await once(server, 'listening');
  }
  const azurite = fork(join(import.meta.dirname, '../start/part.ts'), {
    detached: true,
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
  });
  const report = once(azurite, 'message') as Promise<[Report]>;
  azurite.send({ run: 'azurite', options: { folder, ports: own, quickQueues } } satisfies Order<'azurite'>);
  const [told] = await report;
  if ('failed' in told) throw new Error(`Azurite: ${told.failed}`);

  return {
    base,
    connection: connectionTo(outer),
    direct: connectionTo(own),
    counts: () => ({ ...counts }),
    failTables: (match) => {
      failing = match;
    },
    end: async () => {
      await Promise.all(servers.map(closed));
      agent.destroy();
      const gone = once(azurite, 'exit');
      azurite.kill('SIGTERM');
      await gone;
    },
  };
};

/** An empty receive is an idle listener's poll, which no mail causes. */
const nameOf = (service: Service, method: string, path: string, received: boolean | undefined): string => {
  if (received !== undefined) return received ? 'queue receive' : 'queue poll (nothing there)';
  if (service === 'blob') return /azure-webjobs-hosts/.test(path) ? "blob (host's own lock)" : `blob ${method}`;
  if (service === 'queue') return `queue ${queueVerbs[method] ?? method}`;
  const table = /\/devstoreaccount1\/([a-z$]+)/i.exec(path)?.[1] ?? '';
  return `table ${table} ${method}`;
};

const queueVerbs: Record<string, string> = { POST: 'send', DELETE: 'delete', PUT: 'renew' };

const closed = async (server: Server): Promise<void> => {
  const end = once(server, 'close');
  server.close();
  server.closeAllConnections();
  await end;
};

const account = 'devstoreaccount1';
/** The published key of the storage emulator, no secret. */
const key = 'Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==';

const connectionTo = (ports: Record<Service, number>): string =>
  [
    'DefaultEndpointsProtocol=http',
    `AccountName=${account}`,
    `AccountKey=${key}`,
    ...services.map(
      (service) =>
        `${service[0]?.toUpperCase()}${service.slice(1)}Endpoint=http://127.0.0.1:${ports[service]}/${account}`,
    ),
  ].join(';');
