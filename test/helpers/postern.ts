import { randomUUID } from 'node:crypto';
import { onTestFinished } from 'vitest';
import { startSmtp } from '../../dev/smtp/server.ts';
import { composePostern, type Postern, type World } from '../../functions/app.ts';
import { type Lanes, mostQueueBytes } from '../../lib/delivery/carrier.ts';
import type { Delivery } from '../../lib/delivery/delivery.ts';
import { type Lane, lanes } from '../../lib/message/kinds.ts';
import type { AzureClients } from '../../lib/storage/azure.ts';
import { memoryLog } from './log.ts';
import { ownStorage } from './storage.ts';
import { type ManualTime, manualTime } from './time.ts';
import { ownVault } from './vault.ts';

export interface Arrived {
  /** The host delivers the same message again. */
  again(dequeueCount?: number): Promise<void>;
}

/**
 * The whole of Postern as the Functions host would run it, on storage, a vault and an SMTP server of its own: real
 * clients, real sockets; only the clock is the test's, and the host's polling is `work`.
 */
export const stack = async (
  options: { settings?: object; world?: World; environment?: Record<string, string> } = {},
) => {
  const [storage, { client, vault }] = await Promise.all([ownStorage(options.environment), ownVault()]);
  const smtp = await startSmtp({
    listeners: { plain: { security: 'none' } },
    users: { 'files@example.com': 'secret' },
  });
  const time = manualTime();
  const log = memoryLog();
  const held = heldLanes(time);
  const azure: AzureClients = { ...storage.azure, vault: () => client };
  const world: World = {
    azure,
    lanes: held.sender,
    clock: time,
    log,
    random: () => 0.5,
    wait: async () => {},
    ...options.world,
  };
  const postern = composePostern(storage.config, world);
  onTestFinished(async () => {
    await postern.close();
    await smtp.close();
  });

  const save = (change: object = {}, on: Postern = postern) =>
    on.rooms.settings.save(
      {
        from: { address: 'files@example.com', name: 'Files' },
        smtp: { host: '127.0.0.1', port: smtp.ports.plain, security: 'none' },
        ...change,
      },
      { ifMatch: '*', actor: { id: 'admin', name: 'Admin' }, mayMaster: true },
    );
  await save(options.settings);

  const take = (on: Postern, lane: Lane, body: unknown, id: string, insertedAt: number, dequeueCount: number) =>
    on.rooms.acceptance.fromQueue(lane, body, { id, insertedAt, dequeueCount });

  /** A producer's message arrives, and the host hands it to the lane's handler. */
  const put = async (body: unknown, lane: Lane = 'mail', on: Postern = postern): Promise<Arrived> => {
    const id = randomUUID();
    const insertedAt = time.now();
    await take(on, lane, body, id, insertedAt, 1);
    return { again: (dequeueCount = 2) => take(on, lane, body, id, insertedAt, dequeueCount) };
  };

  /**
   * Takes what Postern itself put on the lanes, in the order in which it becomes visible, priority first, until there is
   * nothing left. The test's clock moves on to whatever it is hidden until.
   */
  const work = async (on: Postern = postern, most = 500): Promise<number> => {
    for (let done = 0; ; done++) {
      const next = done === most ? undefined : held.next();
      if (!next) return done;
      if (next.dueAt > time.now()) time.advance(next.dueAt - time.now());
      await take(on, next.lane, JSON.parse(next.text), next.id, next.sentAt, 1);
    }
  };

  /**
   * Takes what is visible by now, several at once as the host does, until nothing is.
   * @returns the bodies in the order in which they were taken
   */
  const workNow = async ({ on = [postern], abreast = 16 } = {}): Promise<unknown[]> => {
    const taken: unknown[] = [];
    for (;;) {
      const batch = held.due(abreast);
      if (batch.length === 0) return taken;
      taken.push(...batch.map(({ text }) => JSON.parse(text)));
      await Promise.all(
        batch.map(({ lane, text, id, sentAt }, i) =>
          take(on[i % on.length] as Postern, lane, JSON.parse(text), id, sentAt, 1),
        ),
      );
    }
  };

  /** Many producers' messages, as many at once as the host takes. */
  const putAll = async (bodies: unknown[], { on = [postern], abreast = 16, lane = 'mail' as Lane } = {}) => {
    for (let i = 0; i < bodies.length; i += abreast) {
      await Promise.all(bodies.slice(i, i + abreast).map((body, j) => put(body, lane, on[j % on.length])));
    }
  };

  /** The only delivery there is of a recipient, whole. */
  const deliveryTo = async (address: string): Promise<Delivery> => {
    const { items } = await postern.rooms.ledger.byRecipient(address, {}, 10);
    const [first, ...others] = items;
    if (!first || others.length > 0) throw new Error(`${items.length} deliveries to ${address}`);
    const stored = await postern.rooms.ledger.read(first.id);
    if (!stored) throw new Error(`no row for ${first.id}`);
    return stored.delivery;
  };

  const peer = (other: World = {}) => composePostern(storage.config, { ...world, ...other });
  const tools = { save, put, putAll, work, workNow, held, deliveryTo, peer };
  return { ...storage, azure, vault, smtp, time, log, postern, ...tools };
};

/** The lanes by the test's clock: a real queue hides messages by real time, which no test waits for. */
const heldLanes = (time: ManualTime) => {
  let messages: { lane: Lane; text: string; id: string; sentAt: number; dueAt: number }[] = [];
  const order = ({ lane, dueAt }: { lane: Lane; dueAt: number }) =>
    Math.max(dueAt, time.now()) * 2 + (lane === lanes.priority ? 0 : 1);
  const sender: Lanes = {
    send: async (lane, body, after = 0) => {
      const text = JSON.stringify(body);
      if (Buffer.byteLength(text) > mostQueueBytes) throw new Error(`a message of ${text.length} does not fit a queue`);
      const message = { lane, text, id: randomUUID(), sentAt: time.now(), dueAt: time.now() + after * 1000 };
      messages.push(message);
      return {
        remove: async () => {
          messages = messages.filter((it) => it !== message);
        },
      };
    },
  };
  return {
    sender,
    all: () => messages,
    /** Takes off what is visible, at most so many. */
    due: (most: number) => {
      const due = messages
        .filter(({ dueAt }) => dueAt <= time.now())
        .sort((a, b) => order(a) - order(b))
        .slice(0, most);
      messages = messages.filter((it) => !due.includes(it));
      return due;
    },
    next: () => {
      const [first] = [...messages].sort((a, b) => order(a) - order(b));
      messages = messages.filter((it) => it !== first);
      return first;
    },
  };
};

export const share = (to: string | string[], more: object = {}) => ({
  v: 1,
  mail: {
    kind: 'share',
    to: [to].flat().map((address) => ({ address })),
    subject: 'Bo shared “Plans” with you',
    text: 'See the plans.',
    html: '<p>See the plans.</p>',
    ...more,
  },
});
