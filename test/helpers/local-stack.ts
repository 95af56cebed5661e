import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseEnv } from 'node:util';
import { onTestFinished, vi } from 'vitest';

const project = join(import.meta.dirname, '../..');

export interface LocalStack {
  folder: string;
  base: number;
  process: ChildProcess;
  /** All that it has printed. */
  output(): string;
  /** `.dev/env`. */
  env: Record<string, string>;
  pids(): Promise<Record<string, number>>;
  /** Sends the signal and waits for the end. @returns exit code */
  end(signal?: NodeJS.Signals): Promise<number | null>;
}

export type WhenDone = (cleanUp: () => Promise<void>) => void;

/**
 * `npm start` with ports and a folder of its own. Rejects with what it printed if it ends early.
 * @param whenDone where to leave what ends it; after the test unless told
 */
export const startStack = async (
  environment: Record<string, string>,
  folder?: string,
  whenDone: WhenDone = onTestFinished,
  args: string[] = [],
): Promise<LocalStack> => {
  const own = folder ?? (await ownFolder(whenDone));
  const base = Number(environment.POSTERN_PORT_BASE ?? (await freeBase()));
  const { process: child, output } = launch(
    { ...environment, POSTERN_PORT_BASE: String(base), POSTERN_DEV_FOLDER: own },
    args,
  );
  const exit = once(child, 'exit') as Promise<[number | null]>;
  const end = async (signal: NodeJS.Signals = 'SIGINT') => {
    child.kill(signal);
    return (await exit)[0];
  };
  whenDone(async () => {
    if (child.exitCode === null && child.signalCode === null) await end('SIGTERM');
  });
  await vi.waitFor(
    () => {
      if (child.exitCode !== null) return;
      if (!output().includes('Ctrl-C ends it')) throw new Error(`not up yet:\n${output()}`);
    },
    { timeout: 120_000, interval: 100 },
  );
  if (child.exitCode !== null) throw new Error(`the stack ended with ${child.exitCode}:\n${output()}`);
  return {
    ...{ folder: own, base, process: child, output, end },
    env: parseEnv(await readFile(join(own, 'env'), 'utf8')) as Record<string, string>,
    pids: async () => JSON.parse(await readFile(join(own, 'pids'), 'utf8')),
  };
};

/** A start that is expected to be refused. */
export const refusedStart = async (environment: Record<string, string>): Promise<{ code: number; output: string }> => {
  const { process: child, output } = launch(environment);
  const [code] = await once(child, 'close');
  return { code, output: output() };
};

export const ownFolder = async (whenDone: WhenDone = onTestFinished): Promise<string> => {
  const folder = await mkdtemp(join(tmpdir(), 'postern-stack-'));
  whenDone(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }));
  return folder;
};

function launch(environment: Record<string, string>, args: string[] = []) {
  const child = spawn(process.execPath, ['dev/start.ts', ...args], {
    cwd: project,
    env: { PATH: process.env.PATH, HOME: process.env.HOME, ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let text = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk) => {
      text += chunk;
    });
  }
  return { process: child, output: () => text };
}

/** A hundred ports above a free one. */
async function freeBase(): Promise<number> {
  for (;;) {
    const base = 20_000 + Math.floor(Math.random() * 100) * 100;
    const server = createServer().listen(base, '127.0.0.1');
    const free = await Promise.race([
      once(server, 'listening').then(() => true),
      once(server, 'error').then(() => false),
    ]);
    server.close();
    if (free) return base;
  }
}
