import { setTimeout as delay } from 'node:timers/promises';

interface Target {
  /** Of the gate. */
  url: string;
  /** A master admin's token. */
  token: string;
  smtp: { host: string; port: number; security: string };
}

/**
 * Saves settings with which mail arrives, through the API as an admin would, unless some are saved already.
 * @throws Error with the API's own words.
 */
export const seedSettings = async ({ url, token, smtp }: Target): Promise<'saved' | 'kept'> => {
  const response = await fetch(`${url}/api/settings`, {
    method: 'PUT',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json', 'if-none-match': '*' },
    body: JSON.stringify({
      from: { address: 'files@example.com', name: 'Files', always: false },
      type: 'smtp',
      smtp: { ...smtp, auth: { enabled: false } },
    }),
  });
  if (response.ok) return 'saved';
  if (response.status === 412) return 'kept';
  throw new Error(`The first settings could not be saved: ${response.status} ${await response.text()}`);
};

/** Waits until the app answers at `url`. @throws Error after 30 s, with the last answer. */
export const untilHealthy = async (url: string): Promise<void> => {
  const until = Date.now() + 30_000;
  let last = '';
  while (Date.now() < until) {
    const answer = await fetch(url).catch((error: unknown) => String(error));
    if (typeof answer !== 'string' && answer.ok) return;
    last = typeof answer === 'string' ? answer : `${answer.status} ${await answer.text()}`;
    await delay(100);
  }
  throw new Error(`${url} is not healthy: ${last}`);
};
