import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { parseEnv } from 'node:util';

/** A local stack of real processes, with ports and a folder of its own. */
export interface ChaosStack {
  folder: string;
  /** What an outside client needs: the stack's `env` file. */
  env: Record<string, string>;
  /** Process ids by part. */
  pids(): Record<string, number>;
  /** Every line that its parts print, as it comes. */
  onLine(seen: (line: string) => void): void;
  end(): Promise<void>;
}

const project = resolve(import.meta.dirname, '../..');

/**
 * @param environment variables on top of what a stack of two hosts needs, e.g. POSTERN_SUBMIT_TIMEOUT_SECONDS
 * @throws Error with all that it printed, where it does not come up
 */
export const startChaosStack = async (environment: Record<string, string>, keep: boolean): Promise<ChaosStack> => {
  const folder = await mkdtemp(join(tmpdir(), 'postern-chaos-'));
  const child = spawn(process.execPath, [join(project, 'dev/start.ts')], {
    cwd: project,
    env: {
      ...{ PATH: process.env.PATH, HOME: process.env.HOME },
      POSTERN_PORT_BASE: String(await freeBase()),
      POSTERN_DEV_FOLDER: join(folder, 'stack'),
      POSTERN_HOSTS: '2',
      ...environment,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const exit = once(child, 'exit');
  const watchers: ((line: string) => void)[] = [];
  const log = createWriteStream(join(folder, 'log'));
  let early = '';
  const up = new Promise<void>((done) => {
    for (const stream of [child.stdout, child.stderr]) {
      createInterface({ input: stream }).on('line', (line) => {
        log.write(`${line}\n`);
        early = `${early}${line}\n`.slice(-5000);
        for (const seen of watchers) seen(line);
        if (line.includes('Ctrl-C ends it')) done();
      });
    }
  });
  const failed = exit.then(() => Promise.reject(new Error(`The stack ended at its start:\n${early}`)));
  await Promise.race([up, failed]);
  failed.catch(() => {});
  const read = (name: string) => readFileSync(join(folder, 'stack', name), 'utf8');
  return {
    folder,
    env: parseEnv(read('env')) as Record<string, string>,
    pids: () => JSON.parse(read('pids')) as Record<string, number>,
    onLine: (seen) => void watchers.push(seen),
    end: async () => {
      await ended(child, exit);
      log.end();
      if (!keep) await rm(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
    },
  };
};

const ended = async (child: ChildProcess, exit: Promise<unknown>): Promise<void> => {
  if (child.exitCode === null && child.signalCode === null) child.kill('SIGTERM');
  await exit;
};

/** A hundred ports above a free one. */
const freeBase = async (): Promise<number> => {
  for (;;) {
    const base = 10_100 + Math.floor(Math.random() * 99) * 100;
    const server = createServer().listen(base, '127.0.0.1');
    const free = await Promise.race([
      once(server, 'listening').then(() => true),
      once(server, 'error').then(() => false),
    ]);
    server.close();
    if (free) return base;
    await delay(10);
  }
};
