import fc from 'fast-check';
import { expect, test } from 'vitest';
import { minutes } from '../../lib/clock.ts';
import { leaseOf } from '../../lib/delivery/claim.ts';
import type { Delivery } from '../../lib/delivery/delivery.ts';
import { isFinal, mayMove, type State, type Verb, verbs } from '../../lib/delivery/states.ts';
import { aStep, type Run, run, type Step } from '../helpers/delivery-model.ts';
import { type Storage, storageInMemory } from '../helpers/delivery-world.ts';
import { ownStorage } from '../helpers/storage.ts';

/** `MODEL_RUNS=20000 MODEL_SEED=7 vitest run …` tries more, or the same again. */
const runs = Number(process.env.MODEL_RUNS ?? 400);
const seed = Number(process.env.MODEL_SEED ?? Date.now() % 1_000_000_000);

const rowsOf = async ({ world }: Run): Promise<Delivery[]> => {
  const { ledger } = world.start();
  const { items } = await ledger.byTime({}, 1000);
  return await Promise.all(items.map(async ({ id }) => (await ledger.read(id))!.delivery));
};

const isVerb = (code: string): code is Verb => Object.hasOwn(verbs, code);

/** Law 5, and no transition that the machine does not know. */
const assertLegalTrail = (delivery: Delivery) => {
  let from: State | 'new' = delivery.trail[0]?.by === 'accept' ? 'failed' : 'new';
  let since = 0;
  for (const { at, to, reason } of delivery.trail) {
    if (from === 'new' && !mayMove('new', to)) from = 'queued';
    const legal = isVerb(reason.code) ? mayMove(from, to, reason.code) : mayMove(from, to);
    expect(legal || from === to, `${from} → ${to} in ${JSON.stringify(delivery.trail)}`).toBe(true);
    const lasted = Date.parse(at) - since;
    if (reason.code === 'sender-died')
      expect(lasted, 'a live peer was taken for dead').toBeGreaterThan(leaseOf(minutes(2)) - 1);
    if (from === 'deferred' && to === 'submitting')
      expect(lasted, 'a retry came early').toBeGreaterThan(minutes(1) - 1);
    from = to;
    since = Date.parse(at);
  }
};

/** Law 1: whatever was accepted ends, for each recipient, in exactly one settled row with a reason. */
const assertAllSettled = ({ asked }: Run, rows: Delivery[]) => {
  for (const row of rows) {
    expect(isFinal(row.state) || row.state === 'uncertain', `${row.id} is still ${row.state}`).toBe(true);
    expect(row.reason.detail).not.toBe('');
  }
  for (const { subject, post, accepted } of asked) {
    const confidential = post.kind === 'two-factor';
    const own = rows.filter((row) => (confidential ? true : row.subject === subject));
    for (let n = 0; n < post.recipients; n++) {
      const address = `r${post.to + n}@example.com`;
      const mine = own.filter((row) => row.to.address === address);
      if (accepted) expect(mine.length, `no row for ${subject} to ${address}`).toBeGreaterThan(0);
      const settled = mine.filter(({ reason }) => reason.code !== 'key-reused');
      if (!confidential) expect(settled.length, `rows for ${subject} to ${address}`).toBeLessThanOrEqual(1);
    }
  }
};

/** Hold: at most once, unless a person asks. Resend: once more only after an unknown outcome. */
const assertNotTwice = ({ world, resends }: Run, rows: Delivery[], afterCrash: 'resend' | 'hold') => {
  for (const row of rows) {
    const copies = world.accepted.filter(({ messageId }) => messageId === row.messageIdHeader).length;
    const byHand = row.trail.filter(({ reason }) => reason.code === 'resend').length;
    const unknown = row.trail.some(({ to }) => to === 'uncertain');
    const allowed = 1 + byHand + (afterCrash === 'resend' && unknown ? 1 : 0);
    expect(copies, `${row.id} went ${copies} times: ${JSON.stringify(row.trail)}`).toBeLessThanOrEqual(allowed);
    if (row.state === 'sent' && row.reason.code !== 'mark-sent') expect(copies).toBeGreaterThan(0);
    if (['failed', 'suppressed', 'expired'].includes(row.state)) expect(copies, `${row.id} ${row.state}`).toBe(0);
  }
  expect(resends).toBeGreaterThanOrEqual(
    rows.flatMap(({ trail }) => trail).filter((it) => it.by === 'admin' && it.to === 'queued').length,
  );
};

const assertFindable = async ({ world }: Run, rows: Delivery[]) => {
  const { ledger } = world.start();
  for (const row of rows) {
    const { items } = await ledger.byRecipient(row.to.address, {}, 1000);
    expect(items.filter(({ id }) => id === row.id)).toMatchObject([{ state: row.state }]);
  }
};

const holds = async (storage: Storage, afterCrash: 'resend' | 'hold', steps: Step[], chance: number) => {
  let state = chance;
  // A small generator of its own, so that a seed gives the same interleaving again.
  const random = () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
  const done = await run(storage, afterCrash, steps, random);
  const rows = await rowsOf(done);
  assertAllSettled(done, rows);
  assertNotTwice(done, rows, afterCrash);
  for (const row of rows) assertLegalTrail(row);
  await assertFindable(done, rows);
};

const anAfterlife = fc.constantFrom('resend', 'hold');
const someSteps = fc.array(aStep, { minLength: 3, maxLength: 30, size: 'max' });

test('laws 1 and 5: whatever dies between any two calls, each recipient ends in one row, and no mail goes twice unasked', async () => {
  const property = fc.asyncProperty(anAfterlife, someSteps, fc.nat(), (afterCrash, steps, chance) =>
    holds(storageInMemory(), afterCrash, steps, chance),
  );
  await fc.assert(property, { numRuns: runs, seed });
}, 600_000);

test('laws 1 and 5 on the real table client', async () => {
  const storage = async (): Promise<Storage> => {
    const { azure } = await ownStorage();
    return { table: azure.table, container: () => azure.container('content'), remote: true };
  };
  const property = fc.asyncProperty(anAfterlife, someSteps, fc.nat(), async (afterCrash, steps, chance) =>
    holds(await storage(), afterCrash, steps, chance),
  );
  await fc.assert(property, {
    numRuns: Math.ceil(runs / 40),
    seed,
    interruptAfterTimeLimit: 15_000,
    endOnFailure: true,
  });
}, 120_000);
