import { describe, expect, test } from 'vitest';
import { minutes } from '../../lib/clock.ts';
import {
  type BounceContext,
  burst,
  isBurst,
  onRefusal,
  type Refusal,
  recentRefusals,
} from '../../lib/do-not-email/feedback.ts';
import type { Fault } from '../../lib/relay/outcome.ts';

const now = Date.parse('2026-11-22T12:00:00Z');
const unknownUser: Fault = {
  ...{ class: 'recipient', phase: 'rcpt', rule: 'unknown-user', code: 550, enhanced: '5.1.1', suppressible: true },
  reply: '550 5.1.1 no such user',
};
const refusalsOf = (count: number, at = now, taken = 0): Refusal[] =>
  Array.from({ length: count }, (_, i) => ({ address: `a${i}@x.example`, at, taken, acted: false }));
const remembered = (...parts: Refusal[][]) => recentRefusals([], parts.flat(), now);
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

  test('when many addresses are refused at once, with hardly a mail taken between them', () => {
    expect(onRefusal(unknownUser, { ...calm, refusals: refusalsOf(burst.dense - 1) })).toEqual({ act: 'add' });
    expect(onRefusal(unknownUser, { ...calm, refusals: refusalsOf(burst.dense) })).toMatchObject({ act: 'nothing' });
    const hardly = refusalsOf(burst.dense, now, burst.between);
    expect(onRefusal(unknownUser, { ...calm, refusals: hardly })).toMatchObject({ act: 'nothing' });
  });

  test('also where each process had taken many mails before its first refusal', () => {
    const firsts = refusalsOf(burst.latest - burst.dense, now - 1000, 5000);
    expect(isBurst(remembered(firsts, refusalsOf(40)), now)).toBe(true);
  });

  test('while one address that is refused often, or refusals of long ago, are no burst', () => {
    const often = Array.from({ length: 50 }, () => ({ address: 'ana@x.example', at: now, taken: 0, acted: false }));
    const longAgo = refusalsOf(50, now - minutes(11));
    expect(onRefusal(unknownUser, { ...calm, refusals: remembered(often, longAgo) })).toEqual({ act: 'add' });
  });

  test('nor are the bad addresses that a busy platform meets every day', () => {
    expect(isBurst(remembered(refusalsOf(500, now, 20)), now)).toBe(false);
    const some = refusalsOf(100).map((one, i) => ({ ...one, taken: i % 7 === 0 ? 0 : 20 }));
    expect(isBurst(remembered(some), now)).toBe(false);
  });

  test('and what is kept to tell a burst stays small, and forgets nothing that was done', () => {
    const old = { address: 'old@x.example', at: now - burst.within, taken: 0, acted: true };
    const acted = { address: 'a1@x.example', at: now - 1000, taken: 0, acted: true };
    const kept = recentRefusals([old, acted], refusalsOf(500).slice(0, 64), now);
    expect(kept).toHaveLength(64);
    expect(kept.some(({ address }) => address === 'old@x.example')).toBe(false);
    expect(kept.find(({ address }) => address === 'a1@x.example')).toMatchObject({ at: now, acted: true });
  });
});
