import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { forwarder } from './forward.ts';
import { authPages } from './pages.ts';
import { type Person, principalHeaders } from './people.ts';
import { openSession } from './session.ts';

export interface GateOptions {
  /** 0 = any free one. */
  port: number;
  /** Ports of the functions hosts behind. */
  hosts: readonly number[];
  /** Bearer token → who it stands for. */
  tokens: Record<string, Person>;
  sessionKey: string;
  /** How long a request waits for a host to come back, in ms; 5000 unless told. */
  wait?: number;
}

export interface Gate {
  url: string;
  close(): Promise<void>;
}

/**
 * The one door of the local stack: App Service authentication ("Easy Auth", set to let anonymous requests through) in
 * front of the functions hosts. What the client says about itself is dropped; who it is, the gate says.
 */
export const startGate = async ({ port, hosts, tokens, sessionKey, wait }: GateOptions): Promise<Gate> => {
  const { forward } = forwarder(hosts, wait);

  const answer = async (request: IncomingMessage, response: ServerResponse) => {
    dropClaims(request);
    const path = new URL(request.url ?? '/', 'http://localhost').pathname.toLowerCase();
    const bearer = /^Bearer (.+)$/i.exec(request.headers.authorization ?? '')?.[1];
    // An invalid token is refused by the platform itself, also where anonymous requests are let through.
    if (bearer && !Object.hasOwn(tokens, bearer)) {
      response.writeHead(401, { 'www-authenticate': 'Bearer' }).end();
      return;
    }
    const signedIn = bearer ? tokens[bearer] : openSession(request.headers.cookie, sessionKey);
    if (path === '/' || path === '/.auth' || path.startsWith('/.auth/'))
      return authPages(request, response, { sessionKey, signedIn });
    // The host's own addresses need the master key in the cloud; here they are not reached from outside at all.
    if (/^\/(admin|runtime)(\/|$)/.test(path)) {
      response.writeHead(401).end();
      return;
    }
    await forward(request, response, signedIn ? principalHeaders(signedIn) : {});
  };
  const server = createServer((request, response) => {
    answer(request, response).catch((error: unknown) => {
      console.error(`gate: ${String(error)}`);
      if (!response.headersSent) response.writeHead(500);
      response.end();
    });
  });
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://localhost:${(server.address() as AddressInfo).port}`,
    close: async () => {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
};

function dropClaims(request: IncomingMessage): void {
  for (const name of Object.keys(request.headers)) {
    if (/^x-ms-(client-principal|token-)/.test(name)) delete request.headers[name];
  }
}
