import { setTimeout as delay } from 'node:timers/promises';
import { QueueServiceClient } from '@azure/storage-queue';
import type { State } from '../../lib/delivery/states.ts';
import type { Api } from './api.ts';
import { type Planned, queueOf } from './mails.ts';

/** What the producer was told about a message that it handed in. */
export interface HandedIn {
  planned: Planned;
  /** Outcomes that were answered as settled (200), by recipient. */
  told: { to: string; state: State }[];
}

interface Answer {
  deliveries?: { state: State; to: { address: string } }[];
}

/**
 * Hands the messages in, evenly spread over the time given, and goes on with each until it is accepted: a producer whose
 * request dies with a host tries again with the same key.
 * @param spread milliseconds
 */
export const handIn = async (
  planned: Planned[],
  { connection, api, spread }: { connection: string; api: Api; spread: number },
): Promise<HandedIn[]> => {
  const queues = QueueServiceClient.fromConnectionString(connection);
  const toQueue = async (one: Planned): Promise<void> => {
    const body = Buffer.from(JSON.stringify({ v: 1, mail: one.mail })).toString('base64');
    await queues.getQueueClient(queueOf(one)).sendMessage(body, { messageTimeToLive: -1 });
  };
  const overHttp = async ({ mail, by, token }: Planned): Promise<HandedIn['told']> => {
    const { key, ...rest } = mail;
    const headers = { 'idempotency-key': String(key), ...(by === 'http-wait' ? { prefer: 'wait=10' } : {}) };
    for (let n = 0; n < 60; n++) {
      const answer = await api
        .service('/api/messages', { v: 1, mail: rest }, headers)
        .catch(() => ({ status: 0, body: '' }));
      if (answer.status === 200) return (answer.body as Answer).deliveries?.map(toldOf) ?? [];
      if (answer.status === 202) return [];
      // A refusal is an answer; what a dying host, or storage on its behalf, could not answer is asked again.
      if (answer.status >= 400 && answer.status < 500)
        throw new Error(`${token} was refused: ${answer.status} ${JSON.stringify(answer.body)}`);
      await delay(300);
    }
    throw new Error(`${token} was not accepted in 60 tries.`);
  };
  const one = async (it: Planned): Promise<HandedIn> => {
    const told: HandedIn['told'] = [];
    for (let n = 0; n < it.copies; n++) {
      if (it.by === 'queue') await toQueue(it);
      else told.push(...(await overHttp(it)));
    }
    return { planned: it, told };
  };

  const start = Date.now();
  const under = new Set<Promise<unknown>>();
  const all: Promise<HandedIn>[] = [];
  for (const [n, it] of planned.entries()) {
    const early = start + (spread * n) / planned.length - Date.now();
    if (early > 0) await delay(early);
    while (under.size >= atOnce) await Promise.race(under);
    const work = one(it);
    under.add(work);
    work.then(
      () => under.delete(work),
      () => under.delete(work),
    );
    all.push(work);
  }
  return await Promise.all(all);
};

const atOnce = 40;

const toldOf = ({ state, to }: NonNullable<Answer['deliveries']>[number]) => ({
  state,
  to: to.address,
});
