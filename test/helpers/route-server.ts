import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { HttpRequest, type HttpResponseInit, InvocationContext } from '@azure/functions';
import { onTestFinished } from 'vitest';
import type { AnyRoute } from '../../lib/http/route.ts';
import { serve } from '../../lib/http/serve.ts';
import { logLines } from './http.ts';

/**
 * Some routes behind the real edge on a real port, for a browser; gone after the test.
 * @returns the address without slash at the end, and what was asked for
 */
export const routeServer = async (routes: readonly AnyRoute[]): Promise<{ url: string; asked: string[] }> => {
  const asked: string[] = [];
  const server = createServer(async (incoming, outgoing) => {
    const path = new URL(incoming.url ?? '/', 'http://x').pathname;
    asked.push(`${incoming.method} ${path}`);
    const found = routes
      .filter(({ method }) => method === incoming.method)
      .map((route) => ({ route, match: patternOf(route).exec(path) }))
      .find(({ match }) => match);
    if (!found) {
      outgoing.writeHead(404).end();
      return;
    }
    const answer = await answered(found.route, found.match?.groups ?? {}, incoming);
    outgoing.writeHead(answer.status ?? 200, answer.headers as Record<string, string>).end(answer.body);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked };
};

const patternOf = ({ path }: AnyRoute) => new RegExp(`^/${path.replaceAll(/\{(\w+)\}/g, '(?<$1>[^/]+)')}$`);

const answered = async (route: AnyRoute, params: Record<string, string>, incoming: IncomingMessage) => {
  const chunks: Buffer[] = [];
  for await (const chunk of incoming) chunks.push(chunk as Buffer);
  const body = Buffer.concat(chunks);
  const request = new HttpRequest({
    method: incoming.method ?? 'GET',
    url: `http://${incoming.headers.host}${incoming.url}`,
    params: { ...params },
    headers: incoming.headers as Record<string, string>,
    ...(body.length > 0 && { body: { bytes: body } }),
  });
  const edge = { easyAuth: true, publicUrl: `http://${incoming.headers.host}`, log: logLines().log };
  const context = new InvocationContext({ functionName: route.name });
  return (await serve(route, edge)(request, context)) as HttpResponseInit & { body?: string };
};
