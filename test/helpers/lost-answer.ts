import { RestError, type TableClient } from '@azure/data-tables';

/**
 * The service does the next write of this client, and its answer gets lost on the way: the client repeats it and meets
 * its own.
 * @returns tells whether that has happened
 */
export const loseNextAnswer = (table: TableClient): (() => boolean) => {
  let lost = false;
  table.pipeline.addPolicy(
    {
      name: 'lose an answer',
      sendRequest: async (it, next) => {
        const answer = await next(it);
        if (lost || it.method === 'GET') return answer;
        lost = true;
        throw new RestError('the connection broke', { code: 'ECONNRESET', request: it });
      },
    },
    { afterPhase: 'Retry' },
  );
  return () => lost;
};
