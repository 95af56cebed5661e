import { once } from 'node:events';
import type { Server } from 'node:net';

/**
 * Takes a hundred ports for a run, by listening on one of them for as long as the run lasts: other runs of the same
 * moment go elsewhere.
 * @param offset of the port that the server listens on
 * @returns the first of the hundred
 */
export const claimBase = async (server: Server, offset: number): Promise<number> => {
  for (;;) {
    const base = 10_100 + Math.floor(Math.random() * 99) * 100;
    server.listen(base + offset, '127.0.0.1');
    try {
      await once(server, 'listening');
      return base;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error;
    }
  }
};
