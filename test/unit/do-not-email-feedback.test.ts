import { describe, expect, test } from 'vitest';
import { minutes } from '../../lib/clock.ts';
import { type BounceContext, burst, onRefusal, recentRefusals } from '../../lib/do-not-email/feedback.ts';
import type { Fault } from '../../lib/relay/outcome.ts';

const now = Date.parse('2026-11-22T12:00:00Z');
const unknownUser: Fault = {
  ...{ class: 'recipient', phase: 'rcpt', rule: 'unknown-user', code: 550, enhanced: '5.1.1', suppressible: true },
  reply: '550 5.1.1 no such user',
};
const refusalsOf = (count: number, at = now) =>
  Array.from({ length: count }, (_, i) => ({ address: `a${i}@x.example`, at }));
const calm: BounceContext = { mode: 'add', relayOpen: true, refusals: refusalsOf(1), now };

describe('an address that the relay refuses', () => {
  test.each(['add', 'suggest'] as const)('goes on the list or is suggested, by setting: %s', (mode) => {
    expect(onRefusal(unknownUser, { ...calm, mode })).toEqual({ act: mode });
  });

  test('stays off the list where the setting is off', () => {
    expect(onRefusal(unknownUser, { ...calm, mode: 'off' })).toMatchObject({ act: 'nothing' });
  });

  test.each<[string, Partial<Fault>]>([
    ['a refusal that is not about the address', { suppressible: undefined }],
    ['a refusal after DATA', { phase: 'accept' }],
    ['a sender fault at RCPT', { class: 'sender' }],
    ['a temporary fault', { class: 'temporary', code: 450 }],
  ])('stays off the list for %s', (_, fault) => {
    expect(onRefusal({ ...unknownUser, ...fault }, calm)).toMatchObject({ act: 'nothing' });
  });
});

describe('our own fault puts nobody on the list', () => {
  test('while the breaker is open', () => {
    expect(onRefusal(unknownUser, { ...calm, relayOpen: false })).toMatchObject({ act: 'nothing' });
  });

  test('when many addresses are refused at once', () => {
    expect(onRefusal(unknownUser, { ...calm, refusals: refusalsOf(burst.addresses - 1) })).toEqual({ act: 'add' });
    expect(onRefusal(unknownUser, { ...calm, refusals: refusalsOf(burst.addresses) })).toMatchObject({
      act: 'nothing',
    });
  });

  test('while one address that is refused often, or refusals of long ago, are no burst', () => {
    const often = Array.from({ length: 50 }, () => ({ address: 'ana@x.example', at: now }));
    const longAgo = refusalsOf(50, now - minutes(11));
    expect(onRefusal(unknownUser, { ...calm, refusals: [...often, ...longAgo] })).toEqual({ act: 'add' });
  });

  test('and what is kept to tell a burst stays small', () => {
    let kept = recentRefusals([], { address: 'old@x.example', at: now - burst.within });
    for (let i = 0; i < 500; i++) kept = recentRefusals(kept, { address: `a${i}@x.example`, at: now });
    for (let i = 0; i < 50; i++) kept = recentRefusals(kept, { address: 'ana@x.example', at: now });
    expect(kept).toHaveLength(2 * burst.addresses);
    expect(kept.some(({ address }) => address === 'old@x.example')).toBe(false);
  });
});
