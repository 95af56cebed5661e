import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { request } from 'node:http';
import { join } from 'node:path';
import { beforeAll, vi } from 'vitest';
import { builtApp } from './built-app.ts';
import { type LocalStack, startStack } from './local-stack.ts';

const project = join(import.meta.dirname, '../..');

export type Token = 'MASTER_ADMIN_TOKEN' | 'ADMIN_TOKEN' | 'SERVICE_TOKEN';

export interface Asked {
  as?: Token;
  headers?: Record<string, string>;
  /** Sent as JSON. */
  body?: unknown;
  /** The base address; the gate's unless told. */
  at?: string;
}

export interface Answer {
  status: number;
  headers: Headers;
  // biome-ignore lint/suspicious/noExplicitAny: whatever the API says; the test's expectations are the check
  json: any;
}

export interface InboxMail {
  id: string;
  from: string;
  rcptTo: string[];
  subject: string;
  headers: Record<string, string>;
  text: string;
  html: string;
}

export interface BundledStack extends LocalStack {
  /** Folder of the bundle. */
  app: string;
  /** What `.dev/env` says of a name. @throws Error where it says nothing */
  variable(name: string): string;
  ask(method: string, path: string, asked?: Asked): Promise<Answer>;
  /** Runs a program as an outside client would: with `.dev/env` and nothing else of ours. @returns what it printed */
  client(code: string): Promise<string>;
  /** All mails to an address that are in the inbox now, whole. */
  inbox(to: string): Promise<InboxMail[]>;
  /** The only row of an address in the history, once it is there and in that state. */
  settled(to: string, state: string): Promise<Answer['json']>;
}

/** The bundle that is deployed, under `npm start`: one stack for all tests of a file. */
export const bundledStack = (environment: Record<string, string> = {}): (() => BundledStack) => {
  let stack: BundledStack;
  beforeAll(async () => {
    const cleanUps: (() => Promise<void>)[] = [];
    const later = (cleanUp: () => Promise<void>) => void cleanUps.unshift(cleanUp);
    const app = await builtApp();
    stack = asked(await startStack({ POSTERN_APP: app, ...environment }, undefined, later), app);
    return async () => {
      for (const cleanUp of cleanUps) await cleanUp();
    };
  }, 180_000);
  return () => stack;
};

const asked = (stack: LocalStack, app: string): BundledStack => {
  const variable = (name: string) => {
    const value = stack.env[name];
    if (!value) throw new Error(`.dev/env has no ${name}`);
    return value;
  };

  const ask = async (method: string, path: string, { as, headers = {}, body, at }: Asked = {}): Promise<Answer> => {
    const answer = await fetch(`${at ?? variable('POSTERN_URL')}${path}`, {
      method,
      headers: {
        ...(as && { authorization: `Bearer ${variable(as)}` }),
        ...(body !== undefined && { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    const text = await answer.text();
    const isJson = answer.headers.get('content-type')?.includes('json') === true;
    return { status: answer.status, headers: answer.headers, json: isJson && text !== '' ? JSON.parse(text) : text };
  };

  const inbox = async (to: string): Promise<InboxMail[]> => {
    const at = variable('INBOX_URL');
    const { json } = await ask('GET', `/api/messages?to=${encodeURIComponent(to)}`, { at });
    return await Promise.all(
      json.map(async ({ id }: { id: string }) => (await ask('GET', `/api/messages/${id}`, { at })).json),
    );
  };

  const settled = (to: string, state: string) =>
    vi.waitFor(
      async () => {
        const { json } = await ask('GET', `/api/messages?to=${encodeURIComponent(to)}`, { as: 'ADMIN_TOKEN' });
        if (json.items?.length !== 1 || json.items[0].state !== state) {
          throw new Error(`not ${state} yet: ${JSON.stringify(json)}`);
        }
        return json.items[0];
      },
      { timeout: 20_000, interval: 100 },
    );

  const client = async (code: string): Promise<string> => {
    const child = spawn(process.execPath, ['--input-type=module-typescript', '--eval', code], {
      cwd: project,
      env: { PATH: process.env.PATH, ...stack.env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let text = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (chunk: Buffer) => {
        text += chunk;
      });
    }
    const [status] = await once(child, 'close');
    if (status !== 0) throw new Error(`the client ended with ${status}: ${text}`);
    return text;
  };

  return { ...stack, app, variable, ask, client, inbox, settled };
};

/** A request whose method `fetch` does not know or does not let through. @returns status and headers */
export const askRaw = async (
  method: string,
  url: string,
): Promise<{ status: number; headers: Record<string, unknown> }> => {
  const sent = request(url, { method });
  sent.end();
  const [answer] = await once(sent, 'response');
  answer.resume();
  return { status: answer.statusCode, headers: answer.headers };
};
