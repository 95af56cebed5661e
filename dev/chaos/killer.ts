import { setTimeout as delay } from 'node:timers/promises';
import { sequence } from '../smtp/faults.ts';
import type { ChaosStack } from './stack.ts';

export interface Kill {
  host: string;
  /** Milliseconds since 1970. */
  at: number;
}

const hosts = ['host1', 'host2'] as const;

/** What a host's life between two kills takes: its start, and from half a second to four of work. */
export const lifeTime = 4000;

/**
 * Kills each host so often, at moments that the seed draws, each time only after it has come up again.
 * @returns the kills, once all are done
 */
export const killHosts = async (
  stack: ChaosStack,
  { kills, seed }: { kills: number; seed: number },
  done: Kill[],
): Promise<void> => {
  const urls = (stack.env.POSTERN_HOST_URLS ?? '').split(' ');
  await Promise.all(
    hosts.map(async (host, n) => {
      const draw = sequence(seed + 100 + n);
      for (let kill = 0; kill < kills; kill++) {
        await untilUp(`${urls[n]}/admin/host/status`);
        await delay(500 + draw() * 3500);
        const pid = stack.pids()[host];
        if (pid === undefined) throw new Error(`The stack has no process ${host}.`);
        process.kill(pid, 'SIGKILL');
        done.push({ host, at: Date.now() });
      }
    }),
  );
};

const untilUp = async (url: string): Promise<void> => {
  for (let n = 0; n < 300; n++) {
    await delay(100);
    const up = await fetch(url).then(
      (answer) => answer.ok,
      () => false,
    );
    if (up) return;
  }
  throw new Error(`${url} does not come up again.`);
};
