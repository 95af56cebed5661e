import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { untilListening } from './listening.ts';

export interface CoreToolsOptions {
  /** Folder with `host.json` and the bundle. */
  app: string;
  port: number;
}

/** `func start` of Azure Functions Core Tools, as a part of the stack. @throws Error where it ends at its start. */
export const startCoreTools = async ({ app, port }: CoreToolsOptions): Promise<{ close(): Promise<void> }> => {
  const func = spawn('func', ['start', '--port', String(port)], {
    cwd: app,
    stdio: ['ignore', 'inherit', 'inherit'],
    env: { ...process.env, FUNCTIONS_WORKER_RUNTIME: 'node' },
  });
  const gone = once(func, 'exit');
  const endedEarly = gone.then(([code]) => {
    throw new Error(`func ended (${code}).`);
  });
  await Promise.race([untilListening(port), endedEarly]);
  let closing = false;
  // Without func this part is of no use: it ends, and the supervisor starts it again.
  endedEarly.catch(() => closing || process.exit(1));
  return {
    close: async () => {
      closing = true;
      func.kill('SIGTERM');
      await gone;
    },
  };
};
