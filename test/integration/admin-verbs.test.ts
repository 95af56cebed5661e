import { randomUUID } from 'node:crypto';
import { expect, test } from 'vitest';
import { minutes } from '../../lib/clock.ts';
import type { State, Verb } from '../../lib/delivery/states.ts';
import { deliveryVerbs } from '../../lib/delivery/verbs.ts';
import { ask } from '../helpers/http.ts';
import { share, stack } from '../helpers/postern.ts';
import { asAdmin } from '../helpers/relay-switches.ts';

type Stack = Awaited<ReturnType<typeof stack>>;

const askAdmin = (
  { postern }: Stack,
  name: string,
  path: string,
  body: object = {},
  params: Record<string, string> = {},
) => ask(postern.routes.find((route) => route.name === name)!, { path, params, body, as: ['Admin'] });

const doOne = (all: Stack, verb: Verb, id: string, body: object = {}) =>
  askAdmin(all, names[verb], `/api/deliveries/${id}/${verb}`, body, { id });
const doMany = (all: Stack, verb: Verb, body: object) =>
  askAdmin(all, `${names[verb].slice(0, -1)}ies`, `/api/deliveries/${verb}`, body);
const names: Record<Verb, string> = {
  resend: 'resendDelivery',
  cancel: 'cancelDelivery',
  'mark-sent': 'markSentDelivery',
};

const audited = async ({ postern }: Stack) =>
  (await postern.rooms.audit.list({ limit: 100 })).entries.filter(({ action }) => action.startsWith('delivery.'));

/** A mail to Ana that came to rest in this state. */
const inState: Partial<Record<State, (all: Stack) => Promise<unknown>>> = {
  sent: ({ put }) => put(share('ana@example.com')),
  failed: async ({ put, smtp }) => {
    smtp.faults.set([{ at: 'rcpt', reply: '550 5.1.1 no such user', times: 1 }]);
    await put(share('ana@example.com'));
  },
  deferred: async ({ put, smtp }) => {
    smtp.faults.set([{ at: 'rcpt', reply: '451 4.7.1 later', times: 1 }]);
    await put(share('ana@example.com'));
  },
  parked: ({ put }) => put(share('ana@example.com', { notBefore: '2026-11-22T12:00:00Z' })),
  uncertain: async ({ put, smtp }) => {
    smtp.faults.set([{ at: 'accept', drop: 'after', times: 1 }]);
    await put(share('ana@example.com'));
  },
  expired: ({ put }) => put(share('ana@example.com', { expiresAt: '2026-11-22T08:00:00Z' })),
  cancelled: async (all) => {
    await inState.parked!(all);
    await doOne(all, 'cancel', (await all.deliveryTo('ana@example.com')).id);
  },
};

const legal: Record<Verb, State[]> = {
  resend: ['failed', 'uncertain', 'expired', 'cancelled'],
  cancel: ['deferred', 'parked', 'uncertain'],
  'mark-sent': ['uncertain'],
};
const becomes: Record<Verb, State> = { resend: 'queued', cancel: 'cancelled', 'mark-sent': 'sent' };
const hold = { settings: { delivery: { afterCrash: 'hold' } } };
const everyCase = (Object.keys(legal) as Verb[]).flatMap((verb) =>
  (Object.keys(inState) as State[]).map((state) => [verb, state] as const),
);

test.each(
  everyCase,
)('%s of a delivery that is %s does what the machine allows, once, and is audited', async (verb, state) => {
  const all = await stack(hold);
  await inState[state]!(all);
  const before = await all.deliveryTo('ana@example.com');
  expect(before.state).toBe(state);
  const audits = (await audited(all)).length;

  const answer = await doOne(all, verb, before.id, { note: 'as asked' });
  const after = await all.deliveryTo('ana@example.com');
  if (legal[verb].includes(state)) {
    expect(answer.status).toBe(200);
    expect(answer.json).toMatchObject({ changed: true, delivery: { state: becomes[verb] } });
    expect(after.trail.at(-1)).toMatchObject({ to: becomes[verb], by: 'u-1', reason: { code: verb } });
    expect((await audited(all)).length).toBe(audits + 1);
    const entry = {
      action: `delivery.${verb}`,
      subject: before.id,
      detail: { from: state, note: 'as asked', outcome: 'done' },
    };
    expect(await audited(all)).toContainEqual(expect.objectContaining(entry));
  } else {
    expect(after).toEqual(before);
    expect((await audited(all)).length).toBe(audits);
    const repeated =
      (verb === 'cancel' && state === 'cancelled') || (verb === 'resend' && ['deferred', 'parked'].includes(state));
    expect(answer.status).toBe(repeated ? 200 : 409);
    expect(answer.json).toMatchObject(repeated ? { changed: false } : { code: 'illegal-state' });
  }

  const again = await doOne(all, verb, before.id);
  if (legal[verb].includes(state)) expect(again.json).toMatchObject({ changed: false });
  expect((await audited(all)).length).toBe(audits + (legal[verb].includes(state) ? 1 : 0));
});

test.each([
  'failed',
  'uncertain',
  'expired',
  'cancelled',
] as const)('a resend of what is %s sends it, once, however often it is asked', async (state) => {
  const all = await stack(hold);
  await inState[state]!(all);
  const sentBefore = all.smtp.accepted.length;
  const { id } = await all.deliveryTo('ana@example.com');
  for (let i = 0; i < 3; i++) await doOne(all, 'resend', id);
  await all.work();
  expect(all.smtp.accepted.length - sentBefore).toBe(1);
  expect(await all.deliveryTo('ana@example.com')).toMatchObject({ state: 'sent' });
});

test('a cancelled delivery is not sent by what was on its way, and one cancelled by mistake can be sent', async () => {
  const all = await stack();
  await inState.deferred!(all);
  const { id } = await all.deliveryTo('ana@example.com');
  await doOne(all, 'cancel', id);
  await all.work();
  expect(all.smtp.accepted).toHaveLength(0);
  await doOne(all, 'resend', id);
  await all.work();
  expect(all.smtp.accepted).toHaveLength(1);
});

test('a code that failed cannot be sent again, and the answer says why', async () => {
  const all = await stack();
  all.smtp.faults.set([{ at: 'rcpt', reply: '550 5.1.1 no such user' }]);
  await all.put(share('ana@example.com', { kind: 'two-factor' }), 'mail-priority');
  const answer = await doOne(all, 'resend', (await all.deliveryTo('ana@example.com')).id);
  expect(answer.status).toBe(409);
  expect(answer.json).toMatchObject({ detail: expect.stringContaining('not kept') });
});

test.each(['nonsense', '1a2027bd680b1a781534e2c342f0f21-0'])('%s is no delivery: 404', async (id) => {
  expect((await doOne(await stack(), 'cancel', id)).status).toBe(404);
});

test('by filter: page after page, each told what became of it, and a second run changes nothing more', async () => {
  const all = await stack();
  all.smtp.faults.set([{ at: 'rcpt', match: 'bad', reply: '550 5.1.1 no such user' }]);
  for (let i = 0; i < 5; i++) await all.put(share(`bad${i}@example.com`));
  await all.put(share('ana@example.com'));
  all.smtp.faults.clear();

  const changed: string[] = [];
  let after: string | undefined;
  for (let calls = 0; calls < 10; calls++) {
    const { status, json } = await doMany(all, 'resend', {
      filter: { state: 'failed' },
      limit: 2,
      ...(after && { after }),
    });
    expect(status).toBe(200);
    const page = json as { changed: string[]; next?: string };
    changed.push(...page.changed);
    after = page.next;
    if (!after) break;
  }
  expect(new Set(changed).size).toBe(5);
  await all.work();
  expect(all.smtp.accepted).toHaveLength(6);
  expect(await audited(all)).toHaveLength(5);
  const none = await doMany(all, 'resend', { filter: { to: 'bad1@example.com' } });
  expect(none.json).toMatchObject({ changed: [], refused: [{ reason: expect.stringContaining('send a new one') }] });
  expect((await doMany(all, 'resend', { filter: {} })).status).toBe(400);
});

test('a page that takes too long ends in time, names what is left, and goes on when asked again', async () => {
  const { postern, put, time } = await stack();
  await asAdmin(postern, 'pauseRelay', { scope: 'ordinary', reason: 'for long' });
  for (const name of ['ana', 'bea', 'cy']) await put(share(`${name}@example.com`));
  const { ledger, lanes, parking } = postern.rooms;
  const begin: typeof postern.rooms.audit.begin = async (entry) => {
    time.advance(minutes(2));
    return postern.rooms.audit.begin(entry);
  };
  const slow = deliveryVerbs({ ledger, lanes, parking, audit: { begin }, clock: time, newWriter: randomUUID });
  const cancel = () => slow.applyAll('cancel', { state: 'parked' }, { id: 'admin', name: 'Admin' }, 10);
  const first = await cancel();
  expect(first.changed).toHaveLength(2);
  expect(first.left).toHaveLength(1);
  expect(await cancel()).toMatchObject({ changed: first.left, left: [] });
});

test('a verb that somebody else was faster with is audited as not done, and that of the other as done', async () => {
  const all = await stack();
  await inState.parked!(all);
  const { id } = await all.deliveryTo('ana@example.com');
  const { rooms } = all.postern;
  const { ledger, lanes, parking, audit } = rooms;
  const raced: typeof ledger.move = async (...given) => {
    await rooms.verbs.apply('cancel', id, { id: 'faster', name: 'Faster' });
    return await ledger.move(...given);
  };
  const parts = { ledger: { ...ledger, move: raced }, lanes, parking, audit, clock: all.time, newWriter: randomUUID };
  expect(await deliveryVerbs(parts).apply('cancel', id, { id: 'slower', name: 'Slower' })).toMatchObject({
    changed: false,
    delivery: { state: 'cancelled', reason: { detail: 'Cancelled by Faster.' } },
  });
  const told = (await audited(all)).map(({ actor, detail }) => [actor.name, detail.outcome]);
  expect(told.sort()).toEqual([
    ['Faster', 'done'],
    ['Slower', 'not-done'],
  ]);
});
