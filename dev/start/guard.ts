import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { type PortName, type Ports, portTable } from './ports.ts';

/** @throws Error that names every taken port, what wants it, and the variable that moves it. */
export const refuseTakenPorts = async (ports: Ports, wanted: readonly PortName[]): Promise<void> => {
  const taken: string[] = [];
  for (const name of wanted) {
    if (await isFree(ports[name])) continue;
    const { what, variable } = portTable[name];
    taken.push(
      `Port ${ports[name]} (${what}) is taken. Set ${variable} to another one, or POSTERN_PORT_BASE to move all.`,
    );
  }
  if (taken.length > 0) throw new Error(taken.join('\n'));
};

async function isFree(port: number): Promise<boolean> {
  const server = createServer().listen(port, '127.0.0.1');
  try {
    await once(server, 'listening');
  } catch {
    return false;
  }
  server.close();
  await once(server, 'close');
  return true;
}

/** The process of a stack that runs on this folder, by what it wrote to `pids`; a stale file is nobody's. */
export const runningStack = (pidsFile: string): number | undefined => {
  if (!existsSync(pidsFile)) return undefined;
  const { start } = JSON.parse(readFileSync(pidsFile, 'utf8')) as { start?: number };
  return start !== undefined && start !== process.pid && isStack(start) ? start : undefined;
};

function isStack(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') return false;
  }
  // A number is given to another process some day: where the system shows command lines, ours is known by its own.
  const commandLine = `/proc/${pid}/cmdline`;
  return existsSync(commandLine) ? readFileSync(commandLine, 'utf8').includes('start.ts') : true;
}
