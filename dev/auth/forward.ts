import { once } from 'node:events';
import { request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http';
import { connect, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

export interface Forwarder {
  forward(request: IncomingMessage, response: ServerResponse, headers: Record<string, string>): Promise<void>;
}

const patience = 5000;

/**
 * Passes requests on to the functions hosts in turn. A host that does not listen is skipped; while none does, the
 * request waits up to five seconds for one to come back. Once a host has taken a request it is never sent twice.
 * @param ports of the hosts on 127.0.0.1.
 * @param wait for a host to come back, in ms.
 */
export const forwarder = (ports: readonly number[], wait = patience): Forwarder => {
  let turn = 0;
  const connectToOne = async (): Promise<Socket | undefined> => {
    const until = Date.now() + wait;
    do {
      for (let n = 0; n < ports.length; n++) {
        const socket = await tryConnect(ports[turn++ % ports.length] as number);
        if (socket) return socket;
      }
      await delay(100);
    } while (Date.now() < until);
    return undefined;
  };
  return {
    forward: async (request, response, headers) => {
      const socket = await connectToOne();
      if (!socket) {
        response.writeHead(503, { 'content-type': 'text/plain', 'retry-after': '1' }).end('No functions host is up.');
        return;
      }
      const passed = httpRequest({
        createConnection: () => socket,
        method: request.method ?? 'GET',
        path: request.url ?? '/',
        headers: { ...request.headers, ...headers, connection: 'close' },
      });
      response.once('close', () => passed.destroy());
      request.pipe(passed);
      try {
        const [answer] = (await once(passed, 'response')) as [IncomingMessage];
        const { connection: _, 'keep-alive': __, ...kept } = answer.headers;
        response.writeHead(answer.statusCode ?? 502, kept);
        answer.on('error', () => response.destroy());
        answer.pipe(response);
      } catch {
        if (response.headersSent || response.destroyed) return;
        response.writeHead(502, { 'content-type': 'text/plain' }).end('The functions host died on this request.');
      }
    },
  };
};

async function tryConnect(port: number): Promise<Socket | undefined> {
  const socket = connect(port, '127.0.0.1');
  try {
    await once(socket, 'connect');
    return socket;
  } catch {
    return undefined;
  }
}
