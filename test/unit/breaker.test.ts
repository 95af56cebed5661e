import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { iso, minutes, seconds } from '../../lib/clock.ts';
import { type Breaker, breaker, type Pass, sentenceFor } from '../../lib/relay/breaker.ts';
import type { Fault } from '../../lib/relay/outcome.ts';
import { pauseSwitch } from '../../lib/relay/pause.ts';
import { newRelayState, type RelayState, sharedRelayState, stateKept } from '../../lib/relay/state.ts';
import { memoryLog } from '../helpers/log.ts';
import { memoryRow, type WriteFate } from '../helpers/row.ts';
import { manualTime } from '../helpers/time.ts';

const auth: Fault = {
  class: 'auth',
  phase: 'auth',
  code: 535,
  enhanced: '5.7.3',
  reply: '535 5.7.3 no',
  rule: 'test',
  remedy: 'smtp-auth-off-for-tenant',
};
const network: Fault = { class: 'connection', phase: 'connect', reply: 'connect ECONNREFUSED', rule: 'test' };
const recipient: Fault = {
  class: 'recipient',
  phase: 'rcpt',
  code: 550,
  enhanced: '5.1.1',
  reply: '550 5.1.1 unknown',
  rule: 'test',
};
const admin = { id: 'a', name: 'ada@example.com' };

const setting = (turns: number[] = [0]) => {
  const time = manualTime();
  const log = memoryLog();
  let turn = 0;
  const fates: WriteFate[] = [];
  const row = memoryRow<RelayState>(
    async () => {
      const rounds = turns[turn++ % turns.length] ?? 0;
      for (let i = 0; i < rounds; i++) await Promise.resolve();
    },
    () => fates.shift() ?? 'done',
  );
  const process = () => {
    const state = sharedRelayState({ row, clock: time });
    return { ...breaker({ state, clock: time, random: () => 0, log }), pause: pauseSwitch({ state, clock: time }) };
  };
  const now = () => row.now() ?? newRelayState;
  return { time, log, row, fates, process, now, events: () => log.alerts().map(({ event }) => event) };
};

/** Leave to try a mail; fails the test where there is none. */
const passOf = async (room: Breaker): Promise<Pass> => {
  const gate = await room.gate();
  if (!gate.pass) throw new Error('the breaker is open');
  return gate.pass;
};

const opened = 'postern.relay.opened';
const closed = 'postern.relay.closed';

describe('the breaker', () => {
  test.each([
    auth,
    { ...auth, class: 'sender', phase: 'mail' } as Fault,
  ])('opens at once on $class fault', async (fault) => {
    const { time, process, events } = setting();
    const room = process();
    await room.fault(fault, await passOf(room));
    expect(await room.gate()).toMatchObject({
      open: true,
      probe: false,
      cause: { class: fault.class },
      since: time.now(),
      remedy: 'smtp-auth-off-for-tenant',
    });
    expect(events()).toEqual([opened]);
  });

  test('opens after three network faults in a row, counted over all processes', async () => {
    const { process, events } = setting();
    const rooms = [process(), process(), process()];
    for (const room of rooms) {
      expect(await room.gate()).toMatchObject({ open: false });
      await room.fault(network, await passOf(room));
    }
    expect(await rooms[2]?.gate()).toMatchObject({ open: true });
    expect(events()).toEqual([opened]);
  });

  test('one failure that several mails of a process share is one fault, whenever they tell of it', async () => {
    const { process, events, now } = setting();
    const room = process();
    const failures = [new Error('connect'), new Error('connect'), new Error('connect')];
    const shared = (n: number): Fault => ({ ...network, failure: failures[n] });
    const passes = await Promise.all(Array.from({ length: 11 }, () => passOf(room)));
    for (const pass of passes.slice(0, 6)) await room.fault(shared(0), pass);
    await Promise.all(passes.slice(6, 9).map((pass) => room.fault(shared(1), pass)));
    await room.fault(shared(0), passes[9] as Pass);
    expect(now()).toMatchObject({ faults: 2 });
    expect(events()).toEqual([]);
    await room.fault(shared(2), passes[10] as Pass);
    expect(events()).toEqual([opened]);
  });

  test('law 4: a failure whose report could not be written is told by the next mail that it stops', async () => {
    const { process, fates, events } = setting();
    const room = process();
    const shared = { ...auth, failure: new Error('535') };
    const [first, ...others] = await Promise.all(Array.from({ length: 5 }, () => passOf(room)));
    fates.push('refused');
    await expect(room.fault(shared, first as Pass)).rejects.toThrow('503');
    for (const pass of others) await room.fault(shared, pass);
    expect(events()).toEqual([opened]);
    expect(await room.gate()).toMatchObject({ open: true });
  });

  test('a failure that outlives an opening opens it again, though it was told of too late for the first', async () => {
    const { time, process, events } = setting();
    const [one, other] = [process(), process()];
    const shared = { ...auth, failure: new Error('535') };
    const early = await passOf(other);
    await one.fault(network, await passOf(one));
    await one.fault(auth, await passOf(one));
    time.advance(minutes(1));
    await one.success(await passOf(one));
    await other.fault(shared, early);
    expect(events()).toEqual([opened, closed]);
    await other.fault(shared, await passOf(other));
    expect(events()).toEqual([opened, closed, opened]);
  });

  test.each([
    ['connect ECONNREFUSED', 'connect ECONNREFUSED.'],
    ['Key Vault does not answer (RestError).', 'Key Vault does not answer (RestError).'],
    ['535 5.7.3 why?', '535 5.7.3 why?'],
  ])('a mail that waits is told since when, why and until when, in whole sentences: %s', async (reply, told) => {
    const { time, process } = setting();
    const room = process();
    await room.fault({ ...auth, reply }, await passOf(room));
    const gate = await room.gate();
    expect(gate.open && sentenceFor(gate)).toBe(
      `Mail waits for the relay, which is out of order since ${iso(time.now())}: ${told} One mail is tried at ${iso(time.now() + minutes(1))}.`,
    );
  });

  test('a success between network faults starts the count again, and costs nothing while there are none', async () => {
    const { row, process } = setting();
    const room = process();
    for (const outcome of [network, network, undefined, network, network, recipient, network, network]) {
      const pass = await passOf(room);
      await (outcome ? room.fault(outcome, pass) : room.success(pass));
    }
    expect(await room.gate()).toMatchObject({ open: false });
    await room.success(await passOf(room));
    const before = row.operations();
    for (let i = 0; i < 1000; i++) await room.success(await passOf(room));
    expect(row.operations()).toBe(before);
  });

  test('a fault of the mail, of its recipient or of the quota never opens it', async () => {
    const { process, row } = setting();
    const room = process();
    for (const kind of ['recipient', 'message', 'quota', 'temporary', 'unknown'] as const) {
      for (let i = 0; i < 5; i++) await room.fault({ ...recipient, class: kind }, await passOf(room));
    }
    expect(await room.gate()).toMatchObject({ open: false });
    expect(row.now()).toBeUndefined();
  });

  test('law 4: while it is open, thousands of mails wait with one read in two seconds and one probe', async () => {
    const { time, row, process, log } = setting();
    const room = process();
    await room.fault(auth, await passOf(room));
    const before = row.operations();
    let tries = 0;
    for (let second = 0; second < 60; second++) {
      for (let mail = 0; mail < 100; mail++) {
        const gate = await room.gate();
        if (gate.pass) tries += 1;
      }
      time.advance(seconds(1));
    }
    expect(tries).toBe(0);
    expect(row.operations() - before).toBeLessThanOrEqual(30);
    const gates = await Promise.all(Array.from({ length: 50 }, () => room.gate()));
    expect(gates.filter((gate) => gate.pass)).toHaveLength(1);
    expect(log.alerts()).toHaveLength(1);
  });

  test('exactly one process probes; a failure makes the next interval longer, a success closes', async () => {
    const { time, process, events, now } = setting();
    const rooms = Array.from({ length: 4 }, process);
    await rooms[0]?.fault(auth, await passOf(rooms[0]));
    const intervals: number[] = [];
    for (let round = 0; round < 7; round++) {
      const due = now().open?.nextProbe ?? 0;
      intervals.push((due - time.now()) / minutes(1));
      time.advance(due - time.now());
      const gates = await Promise.all(rooms.map((room) => room.gate()));
      const probing = gates.flatMap((gate, i) => (gate.pass ? [{ room: rooms[i], pass: gate.pass }] : []));
      expect(probing).toHaveLength(1);
      for (const { room, pass } of probing) await room?.fault(network, pass);
    }
    expect(intervals).toEqual([1, 2, 5, 10, 15, 30, 30]);
    expect(now().open).toMatchObject({ probes: 7, cause: { class: 'connection' } });
    expect(events()).toEqual([opened]);

    time.advance(minutes(30));
    const prober = process();
    expect(await prober.success(await passOf(prober))).toEqual({ released: true });
    expect(events()).toEqual([opened, closed]);
    time.advance(stateKept);
    for (const room of rooms) expect(await room.gate()).toMatchObject({ open: false });
  });

  test('a probe that the relay refuses for its recipient closes it: the relay works', async () => {
    const { time, process } = setting();
    const room = process();
    await room.fault(auth, await passOf(room));
    time.advance(minutes(1));
    expect(await room.fault(recipient, await passOf(room))).toEqual({ released: true });
  });

  test('reports of mails that were on their way when it opened neither open nor close it', async () => {
    const { time, process, events, now } = setting();
    const [one, other] = [process(), process()];
    const early = await Promise.all(Array.from({ length: 6 }, () => passOf(other)));
    await one.fault(auth, await passOf(one));
    const state = now();
    await other.success(early[0] as Pass);
    for (const pass of early.slice(1, 5)) await other.fault(network, pass);
    expect(now()).toEqual(state);

    time.advance(minutes(1));
    await one.success(await passOf(one));
    for (const pass of early.slice(2)) await other.fault(auth, pass);
    expect(now()).toMatchObject({ faults: 0 });
    expect(now().open).toBeUndefined();
    expect(events()).toEqual([opened, closed]);
  });

  test('a prober that died leaves the probe to another, and its late report counts for nothing', async () => {
    const { time, process, now } = setting();
    const [dead, alive] = [process(), process()];
    await dead.fault(auth, await passOf(dead));
    time.advance(minutes(1));
    const lost = await passOf(dead);
    time.advance(minutes(2));
    expect(await alive.gate()).toMatchObject({ open: true, probe: false });
    time.advance(minutes(1));
    const pass = await passOf(alive);
    await dead.fault(network, lost);
    expect(await dead.success(lost)).toEqual({ released: false });
    expect(now().open?.probing?.id).toBe(pass.probe);
    expect(await alive.success(pass)).toEqual({ released: true });
  });

  test('new credentials are tried with the next mail, and the old probe says nothing about them', async () => {
    const { process, time, now } = setting();
    const room = process();
    expect(await room.probeNow()).toEqual({ released: false });
    await room.fault(auth, await passOf(room));
    time.advance(minutes(1));
    const old = await passOf(room);
    expect(await room.probeNow()).toEqual({ released: true });
    await room.fault(auth, old);
    expect(now().open).toMatchObject({ probes: 0 });
    expect(await room.gate()).toMatchObject({ open: true, probe: true });
  });

  test('a mail that another gate stopped hands the probe back', async () => {
    const { process, time } = setting();
    const room = process();
    await room.fault(auth, await passOf(room));
    time.advance(minutes(1));
    await room.handBack(await passOf(room));
    expect(await room.gate()).toMatchObject({ open: true, probe: true });
  });

  type Step =
    | { advance: number }
    | { try: number[] }
    | { report: number[] }
    | { relay: 'well' | 'down' | 'locked' }
    | { now: number };
  const aProcess = fc.nat(3);
  const steps = fc.array(
    fc.oneof(
      {
        weight: 3,
        arbitrary: fc.record({ advance: fc.oneof(fc.nat(seconds(3)), fc.nat(minutes(4)), fc.nat(minutes(31))) }),
      },
      { weight: 5, arbitrary: fc.record({ try: fc.array(aProcess, { minLength: 1, maxLength: 6 }) }) },
      { weight: 5, arbitrary: fc.record({ report: fc.array(fc.nat(30), { minLength: 1, maxLength: 6 }) }) },
      { weight: 2, arbitrary: fc.record({ relay: fc.constantFrom('well', 'down', 'locked') }) },
      { weight: 1, arbitrary: fc.record({ now: aProcess }) },
    ) as fc.Arbitrary<Step>,
    { minLength: 10, maxLength: 80 },
  );

  test('under any interleaving of processes and stale reports: openings and closings alternate, one probe at a time, and it closes when the relay is well', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat(5), { minLength: 1, maxLength: 30 }), steps, async (turns, plan) => {
        const { time, process, events, now } = setting(turns);
        const rooms = Array.from({ length: 4 }, process);
        let relay: 'well' | 'down' | 'locked' = 'well';
        let inFlight: { room: Breaker; pass: Pass; outcome: Fault | undefined }[] = [];
        let lastProbe = { at: 0, generation: -1 };
        const attempt = async (n: number) => {
          const room = rooms[n];
          const gate = await room?.gate();
          if (!room || !gate?.pass) return;
          const open = now().open;
          if (gate.open) {
            const { generation } = gate.pass;
            if (lastProbe.generation === generation)
              expect(time.now() - lastProbe.at).toBeGreaterThanOrEqual(minutes(1));
            lastProbe = { at: time.now(), generation };
          }
          if (!gate.open && open) expect(time.now() - open.since).toBeLessThan(stateKept);
          inFlight.push({ room, pass: gate.pass, outcome: { well: undefined, down: network, locked: auth }[relay] });
        };
        const report = async ({ room, pass, outcome }: (typeof inFlight)[number]) => {
          const before = now();
          const stale =
            pass.probe === undefined ? pass.generation !== before.generation : before.open?.probing?.id !== pass.probe;
          const { released } = await (outcome ? room.fault(outcome, pass) : room.success(pass));
          if (stale) expect(released).toBe(false);
          if (pass.probe === undefined) expect(released).toBe(false);
        };
        for (const step of plan) {
          const { generation, open } = now();
          if ('advance' in step) time.advance(step.advance);
          else if ('relay' in step) relay = step.relay;
          else if ('now' in step) {
            // Who asks for a probe now gets one.
            lastProbe = { at: 0, generation: -1 };
            await rooms[step.now]?.probeNow();
          } else if ('try' in step) await Promise.all(step.try.map(attempt));
          else {
            const chosen = new Set(
              step.report.map((n) => inFlight[n % Math.max(1, inFlight.length)]).filter((it) => it !== undefined),
            );
            inFlight = inFlight.filter((it) => !chosen.has(it));
            await Promise.all([...chosen].map(report));
          }
          // At most one opening or closing is new, since each needs a report of the generation before it.
          if (open) expect(now().generation - generation).toBeLessThanOrEqual(1);
          const seen = events();
          expect(seen).toEqual(seen.map((_, i) => (i % 2 === 0 ? opened : closed)));
          expect(seen).toHaveLength(now().generation);
        }
        relay = 'well';
        inFlight = [];
        for (let i = 0; i < 3 && now().open; i++) {
          time.advance(minutes(34));
          await attempt(0);
          for (const mail of inFlight.splice(0)) await report(mail);
        }
        expect(now().open).toBeUndefined();
      }),
      { numRuns: 200 },
    );
  });
});

test('the kill switch leaves the breaker alone, and the breaker leaves it alone', async () => {
  const { process, time, now } = setting();
  const room = process();
  await room.pause.pause('ordinary', 'stop', admin);
  await room.fault(auth, await passOf(room));
  await room.pause.resume();
  expect(now().open).toBeDefined();
  await room.pause.pause('all', 'stop', admin);
  time.advance(minutes(1));
  await room.success(await passOf(room));
  expect(now()).toMatchObject({ pause: { scope: 'all' } });
  expect(now().open).toBeUndefined();
});
