import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { parseEnv } from 'node:util';
import { type ChaosStorage, startStorage } from './storage.ts';

/** A local stack of real processes, with ports and a folder of its own. */
export interface ChaosStack {
  folder: string;
  storage: ChaosStorage;
  /** What an outside client needs: the stack's `env` file. */
  env: Record<string, string>;
  /** Process ids by part. */
  pids(): Record<string, number>;
  /** Every line that its parts print, as it comes. */
  onLine(seen: (line: string) => void): void;
  end(): Promise<void>;
}

const project = resolve(import.meta.dirname, '../..');

/** How to start a stack. */
export interface Start {
  /** On top of what a stack of two hosts needs, e.g. POSTERN_SUBMIT_TIMEOUT_SECONDS. */
  environment: Record<string, string>;
  /** Keeps the folder. */
  keep?: boolean;
  /**
   * Whether the hosts' storage requests go by way of the counter, where they can be made to fail; else nothing shall take
   * its time from what is measured.
   */
  counted?: boolean;
}

/**
 * @throws Error with all that it printed, where it does not come up
 */
export const startChaosStack = async ({ environment, keep = false, counted = true }: Start): Promise<ChaosStack> => {
  const folder = await mkdtemp(join(tmpdir(), 'postern-chaos-'));
  const storage = await startStorage({ folder: counted ? join(folder, 'azurite') : undefined, quickQueues: !counted });
  const child = spawn(process.execPath, [join(project, 'dev/start.ts')], {
    cwd: project,
    env: {
      ...{ PATH: process.env.PATH, HOME: process.env.HOME },
      POSTERN_PORT_BASE: String(storage.base),
      POSTERN_DEV_FOLDER: join(folder, 'stack'),
      POSTERN_HOSTS: '2',
      AZURE_STORAGE_CONNECTION_STRING: counted ? storage.connection : storage.direct,
      ...environment,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const exit = once(child, 'exit');
  // A terminal's Ctrl-C reaches the stack by itself; whoever ends this process alone means the stack too.
  const endToo = () => {
    child.kill('SIGTERM');
    process.exit(143);
  };
  process.once('SIGTERM', endToo);
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
  await Promise.race([up, failed]).catch(async (error: unknown) => {
    await storage.end();
    throw error;
  });
  failed.catch(() => {});
  const read = (name: string) => readFileSync(join(folder, 'stack', name), 'utf8');
  return {
    folder,
    storage,
    env: parseEnv(read('env')) as Record<string, string>,
    pids: () => JSON.parse(read('pids')) as Record<string, number>,
    onLine: (seen) => void watchers.push(seen),
    end: async () => {
      process.off('SIGTERM', endToo);
      await ended(child, exit);
      await storage.end();
      log.end();
      if (!keep) await rm(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
    },
  };
};

const ended = async (child: ChildProcess, exit: Promise<unknown>): Promise<void> => {
  if (child.exitCode === null && child.signalCode === null) child.kill('SIGTERM');
  await exit;
};
