import type { TableClient } from '@azure/data-tables';
import type { ContainerClient } from '@azure/storage-blob';
import { deliveryRoutes } from '../../functions/http/deliveries.ts';
import { messageRoutes } from '../../functions/http/messages.ts';
import { auditLog } from '../../lib/audit/audit.ts';
import { minutes, seconds } from '../../lib/clock.ts';
import { acceptance, maxDequeueCount } from '../../lib/delivery/accept.ts';
import type { Lanes } from '../../lib/delivery/carrier.ts';
import { contentStore } from '../../lib/delivery/content.ts';
import { deliveryDesk } from '../../lib/delivery/desk.ts';
import { expired, type Gate, notBefore, pass } from '../../lib/delivery/gates.ts';
import type { DeskRelay } from '../../lib/delivery/hand-over.ts';
import { messageIdOf } from '../../lib/delivery/id.ts';
import { idempotencyKeys } from '../../lib/delivery/keys.ts';
import { lastResort } from '../../lib/delivery/last-resort.ts';
import { ledger } from '../../lib/delivery/ledger.ts';
import { parking } from '../../lib/delivery/parking.ts';
import { deliveryVerbs } from '../../lib/delivery/verbs.ts';
import { compose } from '../../lib/message/compose.ts';
import { type Lane, lanes as laneNames } from '../../lib/message/kinds.ts';
import type { Outcome } from '../../lib/relay/outcome.ts';
import { type Settings, settingsSchema } from '../../lib/settings/schema.ts';
import { memoryLog } from './log.ts';
import { memoryTable } from './memory-table.ts';
import { type Blow, mortal } from './mortal.ts';
import { settingsWith } from './settings.ts';
import { manualTime } from './time.ts';

/** What the relay does with a mail. `lost reply` took it, `lost mail` did not; nobody can tell the two apart. */
export type Answer = 'takes' | 'later' | 'refuses' | 'unreachable' | 'lost reply' | 'lost mail' | 'slow';
export type GateState = 'open' | 'closed' | 'listed' | 'ill';

export interface QueueMessage {
  lane: Lane;
  text: string;
  id: string;
  insertedAt: number;
  dueAt: number;
  dequeueCount: number;
}

export interface Storage {
  table(name: 'deliveries' | 'recipients' | 'keys' | 'parked' | 'audit'): TableClient;
  container(): ContainerClient;
  /** Whether each call takes a while. */
  remote: boolean;
}

/**
 * The delivery room with a relay, gates and a Functions host in memory. The storage is whatever is given: tables in
 * memory, or real ones. Processes are made as needed and may die at any call.
 */
export const deliveryWorld = (storage: Storage, afterCrash: 'resend' | 'hold', random: () => number) => {
  const time = manualTime();
  const settings: Settings = settingsWith(settingsSchema.parse({}), {
    'from.address': 'files@example.com',
    'delivery.afterCrash': afterCrash,
    'delivery.retry': '1m, 5m*2',
  });
  const accepted: { messageId: string; to: string; subject: string }[] = [];
  const answers: Answer[] = [];
  const slow: (() => void)[] = [];
  let gate: GateState = 'open';
  let queue: QueueMessage[] = [];
  let ids = 0;

  const enqueue = (lane: Lane, body: unknown, after = 0): QueueMessage => {
    const now = time.now();
    const message = {
      ...{ lane, text: JSON.stringify(body), id: `m${++ids}` },
      ...{ insertedAt: now, dueAt: now + Math.ceil(after) * 1000, dequeueCount: 0 },
    };
    queue.push(message);
    return message;
  };
  const lanesOf: Lanes = {
    send: async (lane, body, after) => {
      const message = enqueue(lane, body, after);
      return {
        remove: async () => {
          queue = queue.filter((it) => it !== message);
        },
      };
    },
  };

  const modelGate: Gate = {
    name: 'model',
    free: false,
    check: async () => {
      if (gate === 'ill') throw new Error('503 the list does not answer');
      const reason = { code: gate, detail: gate };
      if (gate === 'listed') return { stop: 'suppressed', reason };
      return gate === 'closed' ? { park: 'relay', reason } : pass;
    },
  };

  const submit: DeskRelay['submit'] = async (mail) => {
    const answer = answers.shift() ?? 'takes';
    const take = () => accepted.push({ messageId: mail.messageId, to: mail.to.address, subject: mail.subject });
    if (answer === 'takes' || answer === 'lost reply') take();
    if (answer === 'slow') {
      await new Promise<void>((resume) => slow.push(resume));
      take();
    }
    return outcomes[answer];
  };

  const start = (blows: readonly Blow[] = []) => {
    const turn = async () => {
      for (let n = Math.floor(random() * 4); n > 0; n--) await Promise.resolve();
    };
    const process = mortal(blows, turn);
    const { through } = process;
    const log = memoryLog();
    const newWriter = () => `w${++ids}`;
    const lanes = through(lanesOf);
    const book = ledger(through(storage.table('deliveries')), through(storage.table('recipients')));
    const keys = idempotencyKeys(through(storage.table('keys')));
    const content = contentStore(() => through(storage.container()));
    const parked = parking(through(storage.table('parked')), lanes, time);
    const desk = deliveryDesk({
      ...{ ledger: book, lanes, parking: parked, content, gates: [expired, notBefore, modelGate] },
      settings: { current: async () => settings, refresh: async () => settings },
      relay: { slot: async () => () => undefined, submit: (mail, by) => process.hand(() => submit(mail, by)) },
      compose: async (mail, { to, id, messageIdHeader }, text) =>
        compose({
          ...{ mail, content: text, recipient: to, messageId: messageIdHeader ?? `<${id}@example.com>` },
          sender: { from: { address: 'files@example.com' }, envelopeFrom: 'files@example.com', why: '' as never },
        }),
      ...{ clock: time, random, newWriter, submitTimeout: minutes(2), wait: async () => {}, log },
    });
    const last = lastResort({ ledger: book, keys, lanes, content, clock: time, newWriter, log });
    const accept = acceptance({
      ...{ ledger: book, keys, lanes, content, desk, lastResort: last },
      ...{ clock: time, random, newWriter, log },
    });
    const audit = auditLog({ table: through(storage.table('audit')), clock: time, uniqueId: newWriter });
    const verbs = deliveryVerbs({ ledger: book, lanes, parking: parked, audit, clock: time, newWriter });
    const routes = [...messageRoutes({ acceptance: accept, desk, ledger: book, keys }), ...deliveryRoutes(verbs)];
    return { ...process, ledger: book, parked, accept, verbs, last, routes, log };
  };
  type Process = ReturnType<typeof start>;

  /** What the host does with one message: hands it over, deletes it, tries it again, or sets it aside. */
  const deliver = async (message: QueueMessage, process: Process): Promise<void> => {
    const { lane, text, id, insertedAt } = message;
    message.dequeueCount += 1;
    queue = queue.filter((it) => it !== message);
    const poison = () => {
      const own = messageIdOf(`poison:${id}`, time.now());
      return start().last.settle(lane, text, JSON.parse(text), own);
    };
    if (message.dequeueCount > maxDequeueCount) return await poison();
    const arrival = { id, insertedAt, dequeueCount: message.dequeueCount };
    try {
      const end = await process.live(() => process.accept.fromQueue(lane, JSON.parse(text), arrival));
      if (end !== 'died') return;
      // Its lease of the message runs out.
      message.dueAt = time.now() + minutes(10);
    } catch {
      if (message.dequeueCount >= maxDequeueCount) return await poison();
      message.dueAt = time.now() + seconds(30);
    }
    queue.push(message);
  };

  /** Takes the next visible message off the queue, priority first. */
  const next = (): QueueMessage | undefined => {
    const visible = queue.filter(({ dueAt }) => dueAt <= time.now());
    return visible.find(({ lane }) => lane === laneNames.priority) ?? visible[0];
  };

  return {
    ...{ time, accepted, answers, slow, start, enqueue, deliver, next },
    queue: () => queue,
    setGate: (state: GateState) => {
      gate = state;
    },
    take: (message: QueueMessage) => {
      queue = queue.filter((it) => it !== message);
    },
  };
};
export type DeliveryWorld = ReturnType<typeof deliveryWorld>;

/** The tables and the container that the room needs, in memory. */
export const storageInMemory = (): Storage => {
  const tables = new Map<string, TableClient>();
  const blobs = new Map<string, Buffer>();
  const container = {
    getBlockBlobClient: (name: string) => ({
      upload: async (text: string) => void blobs.set(name, Buffer.from(text)),
      downloadToBuffer: async () => {
        const found = blobs.get(name);
        if (found) return found;
        throw Object.assign(new Error('404'), { statusCode: 404, code: 'BlobNotFound' });
      },
    }),
  } as unknown as ContainerClient;
  return {
    remote: false,
    container: () => container,
    table: (name) => {
      const table = tables.get(name) ?? memoryTable();
      tables.set(name, table);
      return table;
    },
  };
};

const fault = (rest: object): Outcome =>
  ({ phase: 'rcpt', rule: 'model', reply: 'as the model says', milliseconds: 1, ...rest }) as Outcome;
const took: Outcome = { class: 'accepted', reply: '250 2.0.0 taken', milliseconds: 1 };

const outcomes: Record<Answer, Outcome> = {
  takes: took,
  slow: took,
  later: fault({ class: 'temporary', code: 451 }),
  refuses: fault({ class: 'recipient', code: 550 }),
  unreachable: fault({ class: 'connection', phase: 'connect' }),
  'lost reply': fault({ class: 'unknown', phase: 'accept' }),
  'lost mail': fault({ class: 'unknown', phase: 'accept' }),
};
