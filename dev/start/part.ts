/**
 * Main of one part's process. The supervisor sends what to run, hears `ready` or `failed`, and ends it by SIGTERM; a
 * part whose supervisor is gone ends itself, so that nothing is left over however the stack dies.
 */
import { type Runner, type RunnerOptions, runners } from './runners.ts';

export interface Order<R extends Runner = Runner> {
  run: R;
  options: RunnerOptions[R];
}

export type Report = { ready: true } | { failed: string };

const start = <R extends Runner>({ run, options }: Order<R>) => runners[run](options);
const tell = (report: Report) => process.send?.(report);

// Ctrl-C reaches every process of the terminal; the supervisor alone decides the order in which parts end.
process.on('SIGINT', () => {});
process.once('disconnect', () => process.kill(process.pid, 'SIGTERM'));
process.once('message', async (order: Order) => {
  process.channel?.unref();
  try {
    const running = await start(order);
    if (running.close) {
      process.once('SIGTERM', () => {
        running.close?.().then(
          () => process.exit(0),
          (error: unknown) => {
            console.error(error);
            process.exit(1);
          },
        );
      });
    }
    tell({ ready: true });
  } catch (error) {
    tell({ failed: error instanceof Error ? error.message : String(error) });
    process.exitCode = 1;
    process.disconnect?.();
  }
});
