import { once } from 'node:events';
import { createServer } from 'node:net';

/** The first of a hundred ports, of which at least this one is free now. */
export const freeBase = async (): Promise<number> => {
  for (;;) {
    const base = 10_100 + Math.floor(Math.random() * 99) * 100;
    const server = createServer().listen(base, '127.0.0.1');
    const free = await Promise.race([
      once(server, 'listening').then(() => true),
      once(server, 'error').then(() => false),
    ]);
    server.close();
    if (free) return base;
  }
};
