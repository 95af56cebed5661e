import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Faults } from '../smtp/faults.ts';
import { inboxHandler } from './api.ts';
import type { InboxStore } from './store.ts';

export interface Inbox {
  url: string;
  close(): Promise<void>;
}

/** The inbox page and its API. @param listen `port` 0: any free one */
export const startInbox = async (
  store: InboxStore,
  faults: Faults,
  listen: { host: string; port: number },
): Promise<Inbox> => {
  const handle = inboxHandler(store, faults);
  const server = createServer((request, answer) => {
    handle(request, answer).catch((error: unknown) => {
      console.error('inbox:', error);
      if (answer.headersSent) answer.destroy();
      else
        answer
          .writeHead(500, { 'content-type': 'application/json' })
          .end('{"error":"The inbox has a fault, see its log."}');
    });
  });
  server.listen(listen.port, listen.host);
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://${listen.host.includes(':') ? `[${listen.host}]` : listen.host}:${port}`,
    close: async () => {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
};
