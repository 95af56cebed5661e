import { readFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { decodeWords } from 'postal-mime';
import { z } from 'zod';
import { type Faults, faultList } from '../smtp/faults.ts';
import { type InboxStore, parseMail, type Summary } from './store.ts';

export type InboxHandler = (request: IncomingMessage, answer: ServerResponse) => Promise<void>;

/** Scripts of a mail never run: the page's own script is the only one, and mails are shown in a frame without any. */
const pagePolicy =
  "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; connect-src 'self'; img-src 'self' data:; frame-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/** `sandbox` gives the mail an origin of its own; nothing is fetched, so that no tracking pixel reports a reader. */
const mailPolicy =
  "sandbox allow-popups; default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'self'";

const largestBody = 1_000_000;

/**
 * The inbox over HTTP: page at `/`, mails at `/api/messages`, arrivals at `/api/stream`, the SMTP server's faults at
 * `/api/faults`. Errors are `{ "error": sentence }`.
 */
export const inboxHandler = (store: InboxStore, faults: Faults): InboxHandler => {
  const page = readFileSync(new URL('./page.html', import.meta.url));
  const script = readFileSync(new URL('./page.js', import.meta.url));

  const routes: [method: string, path: RegExp, run: Route][] = [
    ['GET', /^\/$/, ({ answer }) => send(answer, 200, 'text/html; charset=utf-8', page, pagePolicy)],
    ['GET', /^\/page\.js$/, ({ answer }) => send(answer, 200, 'text/javascript; charset=utf-8', script)],
    ['GET', /^\/api\/messages$/, ({ answer, url }) => json(answer, 200, matching(store.list(), url.searchParams))],
    [
      'DELETE',
      /^\/api\/messages$/,
      async ({ answer }) => {
        await store.clear();
        answer.writeHead(204).end();
      },
    ],
    [
      'GET',
      /^\/api\/messages\/([\w-]+)$/,
      async ({ answer, id }) => {
        const summary = store.list().find((one) => one.id === id);
        const raw = await store.raw(id);
        if (!summary || !raw) return notFound(answer);
        json(answer, 200, await detail(summary, raw));
      },
    ],
    [
      'GET',
      /^\/api\/messages\/([\w-]+)\/raw$/,
      async ({ answer, id }) => {
        const raw = await store.raw(id);
        if (!raw) return notFound(answer);
        // As plain text a browser shows it and runs nothing in it.
        send(answer, 200, 'text/plain; charset=utf-8', raw);
      },
    ],
    [
      'GET',
      /^\/api\/messages\/([\w-]+)\/html$/,
      async ({ answer, id }) => {
        const raw = await store.raw(id);
        const html = raw && (await parseMail(raw)).html;
        if (!html) return notFound(answer);
        send(answer, 200, 'text/html; charset=utf-8', Buffer.from(html), mailPolicy);
      },
    ],
    [
      'GET',
      /^\/api\/messages\/([\w-]+)\/attachments\/(\d+)$/,
      async ({ answer, id, index }) => {
        const raw = await store.raw(id);
        const part = raw && (await parseMail(raw)).attachments[Number(index)];
        if (!part) return notFound(answer);
        const name = encodeURIComponent(part.filename ?? `attachment-${index}`);
        answer.setHeader('content-disposition', `attachment; filename*=UTF-8''${name}`);
        send(answer, 200, 'application/octet-stream', bytesOf(part.content));
      },
    ],
    ['GET', /^\/api\/stream$/, ({ request, answer }) => stream(store, request, answer)],
    ['GET', /^\/api\/faults$/, ({ answer }) => json(answer, 200, faults.list())],
    [
      'PUT',
      /^\/api\/faults$/,
      async ({ request, answer }) => {
        const list = await readFaults(request);
        if ('error' in list) return json(answer, 400, list);
        faults.set(list.faults);
        json(answer, 200, faults.list());
      },
    ],
    [
      'DELETE',
      /^\/api\/faults$/,
      ({ answer }) => {
        faults.clear();
        answer.writeHead(204).end();
      },
    ],
  ];

  return async (request, answer) => {
    answer.setHeader('x-content-type-options', 'nosniff');
    answer.setHeader('cache-control', 'no-store');
    if (!isLoopbackName(request.headers.host))
      return json(answer, 403, { error: 'Open this page by localhost or an IP address.' });
    const url = new URL(request.url ?? '/', 'http://localhost');
    const fitting = routes.filter(([, path]) => path.test(url.pathname));
    const route = fitting.find(([method]) => method === request.method);
    if (fitting.length === 0) return notFound(answer);
    if (!route) {
      answer.setHeader('allow', fitting.map(([method]) => method).join(', '));
      return json(answer, 405, { error: `${request.method} is not supported here.` });
    }
    const [, id = '', index = ''] = route[1].exec(url.pathname) ?? [];
    await route[2]({ request, answer, url, id, index });
  };
};

type Route = (call: {
  request: IncomingMessage;
  answer: ServerResponse;
  url: URL;
  id: string;
  index: string;
}) => void | Promise<void>;

/** `?to=` keeps mails to a recipient that contains it, `?limit=` the newest so many. */
const matching = (list: Summary[], query: URLSearchParams): Summary[] => {
  const to = query.get('to')?.toLowerCase() ?? '';
  const limit = Number(query.get('limit') ?? Number.POSITIVE_INFINITY);
  return list.filter(({ rcptTo }) => rcptTo.some((address) => address.toLowerCase().includes(to))).slice(0, limit);
};

/** `headers`: decoded, by lower-case name; one that occurs several times has its values on lines of their own. */
const detail = async (summary: Summary, raw: Buffer) => {
  const mail = await parseMail(raw);
  const headers = new Map<string, string>();
  for (const { key, value: encoded } of mail.headers) {
    const value = decodeWords(encoded);
    const before = headers.get(key);
    headers.set(key, before === undefined ? value : `${before}\n${value}`);
  }
  return {
    ...summary,
    headers: Object.fromEntries(headers),
    text: mail.text ?? '',
    html: mail.html ?? '',
    attachments: mail.attachments.map((part, index) => ({
      filename: part.filename ?? '',
      contentType: part.mimeType,
      size: bytesOf(part.content).length,
      url: `/api/messages/${summary.id}/attachments/${index}`,
    })),
  };
};

const bytesOf = (content: string | ArrayBuffer | Uint8Array): Buffer =>
  typeof content === 'string' ? Buffer.from(content) : Buffer.from(content as Uint8Array);

/** Server-Sent Events: `arrival` with the summary, `cleared` when all were deleted. */
const stream = (store: InboxStore, request: IncomingMessage, answer: ServerResponse) => {
  answer.writeHead(200, { 'content-type': 'text/event-stream' });
  answer.write(': listening\n\n');
  const stop = store.watch((arrival) => {
    answer.write(arrival ? `event: arrival\ndata: ${JSON.stringify(arrival)}\n\n` : 'event: cleared\ndata: {}\n\n');
  });
  request.on('close', stop);
};

const readFaults = async (
  request: IncomingMessage,
): Promise<{ faults: z.output<typeof faultList> } | { error: string }> => {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request) {
    size += chunk.length;
    if (size > largestBody) return { error: 'The list is larger than 1 MB.' };
    chunks.push(chunk);
  }
  let body: unknown;
  try {
    body = JSON.parse(Buffer.concat(chunks).toString());
  } catch {
    return { error: 'The body is not JSON. Give a list such as [{ "at": "rcpt", "reply": "451 4.7.1 later" }].' };
  }
  const read = faultList.safeParse(body);
  return read.success ? { faults: read.data } : { error: z.prettifyError(read.error) };
};

/** A foreign page that points its own host name at loopback (DNS rebinding) would otherwise read the mails. */
const isLoopbackName = (host = ''): boolean => /^(localhost|[\d.]+|\[[\da-f:.]+\])(:\d+)?$/i.test(host);

const json = (answer: ServerResponse, status: number, value: unknown) =>
  send(answer, status, 'application/json; charset=utf-8', Buffer.from(JSON.stringify(value)));

const send = (answer: ServerResponse, status: number, type: string, body: Buffer, policy = "default-src 'none'") => {
  answer.writeHead(status, { 'content-type': type, 'content-security-policy': policy }).end(body);
};

const notFound = (answer: ServerResponse) => json(answer, 404, { error: 'There is no such thing.' });
