import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import type { Order, Report } from './part.ts';
import type { Part } from './parts.ts';

export interface Supervisor {
  /** Starts the parts together. @throws Error with the sentence of the first that fails; the others may run. */
  start(parts: readonly Part[]): Promise<void>;
  /** Ends all parts, last wave first, and waits until they are gone. */
  stop(): Promise<void>;
}

const entry = join(import.meta.dirname, 'part.ts');
/** Where Node keeps what it compiled, so that a part starts in half the time. */
const compiled = join(import.meta.dirname, '../../node_modules/.cache/compiled');
const patienceAtEnd = 12_000;

/**
 * Keeps every part running: one that dies is started again, at once or, when it fell right after its start, half a
 * second later.
 * @param pidsFile JSON, part → process id, always as it is now.
 */
export const supervise = (pidsFile: string, print: (line: string) => void): Supervisor => {
  const children = new Map<string, { part: Part; child: ChildProcess }>();
  let stopping = false;

  const writePids = () => {
    const pids: Record<string, number | undefined> = { start: process.pid };
    for (const [name, { child }] of children) pids[name] = child.pid;
    writeFileSync(`${pidsFile}.new`, `${JSON.stringify(pids, null, 2)}\n`);
    renameSync(`${pidsFile}.new`, pidsFile);
  };

  const run = async (part: Part): Promise<void> => {
    const child = fork(entry, {
      // Out of the terminal's process group, so that Ctrl-C reaches the supervisor alone.
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      env: { NODE_COMPILE_CACHE: compiled, ...process.env, ...part.env },
    });
    for (const stream of [child.stdout, child.stderr]) {
      if (stream) createInterface({ input: stream }).on('line', (line) => print(`[${part.name}] ${line}`));
    }
    children.set(part.name, { part, child });
    writePids();
    const began = Date.now();
    const started = new Promise<void>((resolve, reject) => {
      child.once('message', (report: Report) => {
        if ('ready' in report) resolve();
        else reject(new Error(`${part.name}: ${report.failed}`));
      });
      child.once('exit', (code, signal) => reject(new Error(`${part.name} ended at its start (${signal ?? code}).`)));
    });
    child.send({ run: part.run, options: part.options } satisfies Order);
    await started;
    child.once('exit', (code, signal) => {
      if (!stopping) void revive(part, signal ?? String(code), Date.now() - began);
    });
  };

  const revive = async (part: Part, how: string, lived: number): Promise<void> => {
    print(`${part.name} died (${how}) and is started again.`);
    await delay(lived < 5000 ? 500 : 0);
    if (stopping) return;
    await run(part).catch((error: unknown) => {
      print(String(error));
      if (!stopping) void revive(part, 'at its start', 0);
    });
  };

  const end = async ({ child }: { child: ChildProcess }): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, 'exit');
    child.kill('SIGTERM');
    const stubborn = setTimeout(() => child.kill('SIGKILL'), patienceAtEnd);
    await gone;
    clearTimeout(stubborn);
  };

  return {
    start: async (parts) => {
      await Promise.all(parts.map(run));
    },
    stop: async () => {
      stopping = true;
      for (const wave of [3, 2, 1]) {
        await Promise.all([...children.values()].filter(({ part }) => part.wave === wave).map(end));
      }
      rmSync(pidsFile, { force: true });
    },
  };
};
