import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Delivery, keepsMail, moved, newDelivery } from '../../lib/delivery/delivery.ts';
import { messageIdOf } from '../../lib/delivery/id.ts';
import { finalStates, isFinal, mayMove, type State, states, type Verb, verbs } from '../../lib/delivery/states.ts';
import type { Kind } from '../../lib/message/kinds.ts';

const at = Date.parse('2026-11-22T09:00:00Z');
const everyVerb = Object.keys(verbs) as Verb[];
const origins = ['new', ...states] as const;
const reason = { code: 'test', detail: 'a test' };

const deliveryIn = (state: State, kind: Kind = 'share'): Delivery => {
  const to = { address: 'ana@example.com' };
  const mail = { kind, to: [to], subject: 'Your code is 123', text: 'a' };
  return { ...newDelivery({ messageId: messageIdOf('queue:a', at), n: 0, at, mail, to }), state };
};

describe('law 5: the life of a delivery is a machine', () => {
  test.each(finalStates)('%s is final: the engine moves it nowhere', (state) => {
    expect(isFinal(state)).toBe(true);
    expect(states.filter((to) => mayMove(state, to))).toEqual([]);
  });

  test('what is sent stays sent, whoever asks', () => {
    for (const verb of everyVerb) expect(states.filter((to) => mayMove('sent', to, verb))).toEqual([]);
  });

  test.each(finalStates.filter((state) => state !== 'sent'))('%s is left by a resend alone', (state) => {
    expect(everyVerb.filter((verb) => states.some((to) => mayMove(state, to, verb)))).toEqual(['resend']);
    expect(mayMove(state, 'queued', 'resend')).toBe(true);
  });

  test('every state can be reached, and a final one from every state that is none', () => {
    const next = (from: State | 'new') =>
      states.filter((to) => mayMove(from, to) || everyVerb.some((verb) => mayMove(from, to, verb)));
    const reached = (from: State | 'new') => {
      const seen = new Set<State>();
      const open: (State | 'new')[] = [from];
      for (let state = open.pop(); state; state = open.pop()) {
        for (const to of next(state)) {
          if (seen.has(to)) continue;
          seen.add(to);
          open.push(to);
        }
      }
      return seen;
    };
    expect([...reached('new')].sort()).toEqual([...states].sort());
    for (const state of states.filter((it) => !isFinal(it))) expect([...reached(state)]).toContain('sent');
  });

  test('nothing is handed over that was not claimed: only a claimed or an uncertain delivery becomes sent', () => {
    expect(origins.filter((from) => mayMove(from, 'sent'))).toEqual(['submitting', 'uncertain']);
  });

  test('a delivery that is being handed over cannot be cancelled, sent again or settled by hand', () => {
    expect(everyVerb.filter((verb) => mayMove('submitting', verbs[verb].to, verb))).toEqual([]);
  });

  test('an uncertain delivery is settled by each verb', () => {
    expect(everyVerb.filter((verb) => mayMove('uncertain', verbs[verb].to, verb))).toEqual(everyVerb);
  });

  test('a move that the machine does not know is refused, and the delivery stays as it was', () => {
    const anyMove = fc.tuple(
      fc.constantFrom(...origins),
      fc.constantFrom(...states),
      fc.option(fc.constantFrom(...everyVerb)),
    );
    fc.assert(
      fc.property(anyMove, ([from, to, verb]) => {
        const delivery = deliveryIn(from === 'new' ? 'queued' : from);
        const before = structuredClone(delivery);
        const move = () => moved(delivery, from, { to, at, by: 'test', reason, ...(verb ? { verb } : {}) });
        if (mayMove(from, to, verb ?? undefined)) expect(move()).toMatchObject({ state: to, reason });
        else expect(move).toThrow(expect.objectContaining({ code: 'illegal-state' }));
        expect(delivery).toEqual(before);
      }),
      { numRuns: 500 },
    );
  });
});

test('each move is told with time, reason and who made it; a lease or a wait of before does not stay behind', () => {
  const waiting = { ...deliveryIn('deferred'), due: '2026-11-22T10:00:00Z', leaseUntil: 'x', waitsFor: 'relay' };
  const next = moved(waiting, 'deferred', { to: 'failed', at, by: 'relay', reason });
  expect(next.trail).toEqual([{ at: '2026-11-22T09:00:00.000Z', to: 'failed', by: 'relay', reason }]);
  expect(next).toMatchObject({ due: undefined, leaseUntil: undefined, waitsFor: undefined });
});

test('a mail that waits for days keeps its first steps and its newest ones, and its row stays small', () => {
  let delivery = deliveryIn('queued');
  for (let n = 1; n <= 2000; n++) {
    const attempts = [...delivery.attempts, { n, at: '2026-11-22T09:00:00.000Z', reply: 'x'.repeat(1000) }];
    const long = { code: 'relay', detail: 'x'.repeat(1000) };
    delivery = moved(delivery, delivery.state, {
      to: 'submitting',
      at,
      by: 'e',
      reason: long,
      set: { attempts, attempt: n },
    });
    delivery = moved(delivery, 'submitting', { to: 'parked', at, by: 'e', reason: long });
  }
  expect(delivery.attempts[0]?.n).toBe(1);
  expect(delivery.attempts.at(-1)?.n).toBe(2000);
  expect(delivery.attempt).toBe(2000);
  // A row holds 1 MiB of UTF-16, and the mail itself beside this.
  expect(JSON.stringify(delivery).length * 2).toBeLessThan(400_000);
});

test('each time of being set aside is told apart', () => {
  const first = moved(deliveryIn('queued'), 'queued', { to: 'parked', at, by: 'e', reason });
  const second = moved(first, 'parked', { to: 'parked', at, by: 'e', reason });
  expect([first.parkings, second.parkings]).toEqual([1, 2]);
});

describe('what a row keeps of the mail', () => {
  test('a mail stays until it is sent, since it may be sent after all', () => {
    expect(states.filter((state) => !keepsMail(deliveryIn(state)))).toEqual(['sent']);
  });

  test('law 6: a code stays no longer than until its fate is settled, and its subject is never shown', () => {
    const kept = states.filter((state) => keepsMail(deliveryIn(state, 'two-factor')));
    expect(kept).toEqual(states.filter((state) => !isFinal(state)));
    expect(deliveryIn('queued', 'two-factor').subject).not.toContain('123');
  });
});
