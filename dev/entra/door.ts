import type { CheckToken } from '../smtp/server.ts';

/** Asks the fake Entra of another process what Exchange would say to a token. @param url its address, without a path */
export const doorAt =
  (url: string): CheckToken =>
  async (user, token) => {
    const answer = await fetch(`${url}/api/check-token`, { method: 'POST', body: JSON.stringify({ user, token }) });
    return ((await answer.json()) as { answer: string }).answer;
  };
