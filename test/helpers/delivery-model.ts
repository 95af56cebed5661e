import fc from 'fast-check';
import { minutes, seconds } from '../../lib/clock.ts';
import type { Verb } from '../../lib/delivery/states.ts';
import { PosternError } from '../../lib/errors.ts';
import type { Lane } from '../../lib/message/kinds.ts';
import { type Answer, type DeliveryWorld, deliveryWorld, type GateState, type Storage } from './delivery-world.ts';
import type { Blow, Fate } from './mortal.ts';

export type Step =
  | { put: Post; lane: Lane }
  | { post: Post; wait: boolean; blows: Blow[] }
  /** Processes that each take one visible message at the same time. */
  | { work: Blow[][] }
  /** The host delivers a message again that it has delivered before, or is delivering. */
  | { again: number; blows: Blow[] }
  | { verb: Verb; on: number; blows: Blow[] }
  | { answers: Answer[] }
  | { gate: GateState }
  | { release: Blow[] }
  /** A hand-over that took long comes to its end. */
  | { resume: number }
  | { pass: number };

interface Post {
  to: number;
  recipients: number;
  key: number | undefined;
  body: number;
  kind: 'share' | 'two-factor';
}

const mostly = <T>(usual: T, weight: number, other: fc.Arbitrary<T>) =>
  fc.oneof({ weight, arbitrary: fc.constant(usual) }, { weight: 1, arbitrary: other });
const fates: Fate[] = ['dies before', 'dies after', 'dies before', 'dies after', 'fails before', 'fails after'];
const aBlow: fc.Arbitrary<Blow> = fc.record({
  // Most invocations make few calls.
  call: fc.oneof(fc.integer({ min: 1, max: 6 }), fc.integer({ min: 1, max: 24 })),
  fate: fc.constantFrom(...fates),
});
const blows = mostly<Blow[]>([], 1, fc.array(aBlow, { minLength: 1, maxLength: 2 }));
const aPost: fc.Arbitrary<Post> = fc.record({
  ...{ to: fc.nat(2), recipients: mostly(1, 2, fc.constantFrom(2, 3)), body: mostly(0, 4, fc.constant(1)) },
  key: mostly<number | undefined>(undefined, 1, fc.nat(1)),
  kind: mostly<Post['kind']>('share', 3, fc.constant('two-factor' as const)),
});
const anAnswer: fc.Arbitrary<Answer> = fc.constantFrom(
  ...(['takes', 'later', 'refuses', 'unreachable', 'lost reply', 'lost mail', 'slow'] as const),
);

export const aStep: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ put: aPost, lane: fc.constantFrom<Lane>('mail', 'mail-priority') }) },
  { weight: 3, arbitrary: fc.record({ post: aPost, wait: fc.boolean(), blows }) },
  { weight: 10, arbitrary: fc.record({ work: fc.array(blows, { minLength: 1, maxLength: 3 }) }) },
  { weight: 3, arbitrary: fc.record({ again: fc.nat(9), blows }) },
  {
    weight: 3,
    arbitrary: fc.record({ verb: fc.constantFrom<Verb>('resend', 'cancel', 'mark-sent'), on: fc.nat(9), blows }),
  },
  { weight: 4, arbitrary: fc.record({ answers: fc.array(anAnswer, { minLength: 1, maxLength: 4 }) }) },
  { weight: 2, arbitrary: fc.record({ gate: fc.constantFrom<GateState>('open', 'open', 'closed', 'listed', 'ill') }) },
  { weight: 2, arbitrary: fc.record({ release: blows }) },
  { weight: 2, arbitrary: fc.record({ resume: fc.nat(3) }) },
  {
    weight: 4,
    arbitrary: fc.record({
      pass: fc.oneof(fc.nat(seconds(70)), fc.nat(minutes(11)), fc.constant(seconds(150)), fc.constant(minutes(10))),
    }),
  },
);

/** What was asked of Postern, and whether it is bound by it. */
export interface Asked {
  subject: string;
  post: Post;
  /** Every message on a queue is accepted; one over HTTP once it was answered. */
  accepted: boolean;
  body: string;
}

export interface Run {
  world: DeliveryWorld;
  asked: Asked[];
  /** Verbs that changed a delivery, or may have. */
  resends: number;
}

/** Runs the steps, then lets everything come to rest with a healthy relay, open gates and processes that live. */
export const run = async (
  storage: Storage,
  afterCrash: 'resend' | 'hold',
  steps: Step[],
  random: () => number,
): Promise<Run> => {
  const world = deliveryWorld(storage, afterCrash, random);
  const asked: Asked[] = [];
  const seen: Parameters<DeliveryWorld['deliver']>[0][] = [];
  const underWay = new Set<Promise<unknown>>();
  let resends = 0;

  const mailOf = (post: Post) => {
    const { to, recipients, key, body, kind } = post;
    const subject = key === undefined ? `m${asked.length}` : `k${key} b${body} ${kind} ${to}+${recipients}`;
    const mail = {
      ...{ kind, subject, text: `text ${body}` },
      to: Array.from({ length: recipients }, (_, i) => ({ address: `r${to + i}@example.com` })),
      ...(key === undefined ? {} : { key: `k${key}` }),
    };
    const fresh: Asked = { subject, post, accepted: false, body: JSON.stringify(mail) };
    asked.push(fresh);
    return { mail, fresh };
  };

  /** Lets what was started go on until it is done, dead, or waits for a slow relay. */
  const going = async (work: Promise<unknown>) => {
    underWay.add(work);
    void work.finally(() => underWay.delete(work));
    let done = false;
    void work.then(
      () => {
        done = true;
      },
      () => {
        done = true;
      },
    );
    for (let quiet = 0; !done && quiet < patience(storage); ) {
      const before = world.slow.length;
      await new Promise((resolve) => setImmediate(resolve));
      quiet = world.slow.length > 0 && world.slow.length === before ? quiet + 1 : 0;
    }
  };

  const act: { [K in Name]: (step: Extract<Step, Record<K, unknown>>) => Promise<void> } = {
    put: async ({ put, lane }) => {
      const { mail, fresh } = mailOf(put);
      fresh.accepted = true;
      world.enqueue(lane, { v: 1, mail });
    },
    post: async ({ post, wait, blows }) => {
      const { mail, fresh } = mailOf(post);
      const process = world.start(blows);
      const handle = process.routes.find(({ name }) => name === 'postMessage')!.handle;
      const call = {
        body: { v: 1, mail },
        headers: new Headers(wait ? { prefer: 'wait=30' } : {}),
        principal: { id: 'svc', name: 'svc', roles: ['Send'] },
      };
      const work = process
        .live(() => handle(call as never))
        .then(
          (end) => {
            fresh.accepted ||= end !== 'died';
          },
          () => undefined,
        );
      await going(work);
    },
    work: async ({ work }) => {
      const jobs = work.flatMap((blows) => {
        const message = world.next();
        if (!message) return [];
        world.take(message);
        seen.push(message);
        return world.deliver(message, world.start(blows));
      });
      await going(Promise.all(jobs));
    },
    again: async ({ again, blows }) => {
      const message = seen[seen.length - 1 - (again % Math.max(1, seen.length))];
      if (!message || message.dequeueCount >= 4) return;
      await going(world.deliver({ ...message }, world.start(blows)));
    },
    verb: async ({ verb, on, blows }) => {
      const { items } = await world.start().ledger.byTime({}, 50);
      const target = items[on % Math.max(1, items.length)];
      if (!target) return;
      const process = world.start(blows);
      const actor = { id: 'admin', name: 'Admin' };
      if (verb === 'resend') resends += 1;
      const work = process
        .live(() => process.verbs.apply(verb, target.id, actor))
        .catch((error: unknown) => {
          if (error instanceof PosternError || blows.length > 0) return;
          throw error;
        });
      await going(work);
    },
    answers: async ({ answers }) => {
      world.answers.push(...answers);
    },
    gate: async ({ gate }) => world.setGate(gate),
    release: async ({ release }) => {
      const process = world.start(release);
      const released = process.live(async () => {
        await process.parked.release('priority', 100);
        await process.parked.release('ordinary', 100);
      });
      await going(released.catch(() => undefined));
    },
    resume: async ({ resume }) => {
      const [hand] = world.slow.splice(resume % Math.max(1, world.slow.length), 1);
      hand?.();
      await quietly();
    },
    pass: async ({ pass }) => world.time.advance(pass),
  };

  const quietly = async () => {
    for (let i = 0; i < patience(storage); i++) await new Promise((resolve) => setImmediate(resolve));
  };

  for (const step of steps) {
    const name = Object.keys(act).find((it) => it in step) as Name;
    await act[name](step as never);
  }

  world.setGate('open');
  world.answers.length = 0;
  for (const hand of world.slow.splice(0)) hand();
  await Promise.all(underWay);
  for (let left = 2000; ; left--) {
    const process = world.start();
    await process.parked.release('priority', 100);
    await process.parked.release('ordinary', 100);
    const [first] = [...world.queue()].sort((a, b) => a.dueAt - b.dueAt);
    if (!first) break;
    if (left === 0) throw new Error(`it never comes to rest: ${first.text}`);
    world.time.advance(Math.max(0, first.dueAt - world.time.now()));
    await world.deliver(first, process);
  }
  return { world, asked, resends };
};

type Name = Step extends infer S ? (S extends unknown ? Extract<keyof S, ActName> : never) : never;
type ActName = 'put' | 'post' | 'work' | 'again' | 'verb' | 'answers' | 'gate' | 'release' | 'resume' | 'pass';

/** Turns of the event loop after which something can only be waiting for a slow relay. */
const patience = (storage: Storage): number => (storage.remote ? 400 : 3);
