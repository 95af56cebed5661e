import { beforeEach, expect, test } from 'vitest';
import { days, seconds } from '../../lib/clock.ts';
import { ageOutDoNotEmail } from '../../lib/do-not-email/age-out.ts';
import type { BounceFeedback } from '../../lib/do-not-email/bounces.ts';
import { burst } from '../../lib/do-not-email/feedback.ts';
import type { Fault } from '../../lib/relay/outcome.ts';
import { type DoNotEmailAdmin, doNotEmailAdmin } from '../helpers/do-not-email.ts';

let table: DoNotEmailAdmin['table'];
let list: DoNotEmailAdmin['list'];
let call: DoNotEmailAdmin['call'];
let add: DoNotEmailAdmin['add'];
let actions: DoNotEmailAdmin['actions'];
let newProcess: DoNotEmailAdmin['process'];
let bounces: BounceFeedback;
let now = Date.parse('2026-11-22T12:00:00Z');

beforeEach(async () => {
  const wait = async () => undefined;
  ({ table, list, call, add, actions, process: newProcess } = await doNotEmailAdmin({ now: () => now }, wait));
  bounces = newProcess();
});

const unknownUser = (address: string): Fault => ({
  ...{ class: 'recipient', phase: 'rcpt', rule: 'unknown-user', code: 550, enhanced: '5.1.1', suppressible: true },
  reply: `550 5.1.1 <${address}> no such user`,
});
const refuse = (address: string, mode: 'off' | 'suggest' | 'add', relayOpen = true) =>
  bounces.refused(address, unknownUser(address), { mode, relayOpen });
const suggested = async () =>
  (await call('listDoNotEmailSuggestions', '/suggestions')).json as { suggestions: { address: string }[] };

test('what the relay refuses is suggested once, until an admin adds or dismisses it', async () => {
  for (const address of ['Ana@example.com', 'ana@example.com', 'bo@example.com']) await refuse(address, 'suggest');
  expect((await suggested()).suggestions.map(({ address }) => address).sort()).toEqual([
    ...['ana@example.com', 'bo@example.com'],
  ]);
  expect(await list.find('ana@example.com', 'share')).toBeUndefined();
  await add({ address: 'ana@example.com' });
  expect((await call('dismissDoNotEmailSuggestion', '/suggestions?address=bo@example.com')).status).toBe(204);
  expect(await suggested()).toEqual({ suggestions: [] });
});

test('what the relay refuses goes on the list by setting, with the relay’s words', async () => {
  await refuse('ana@example.com', 'add');
  expect(await list.find('ana@example.com', 'share')).toMatchObject({
    ...{ reason: 'bounced', source: 'bounce', note: expect.stringContaining('no such user') },
  });
});

test('what the relay refuses in hundreds at once, or while the relay is closed, stays off it', async () => {
  await refuse('early@example.com', 'add', false);
  for (let i = 0; i < 100; i++) await refuse(`user${i}@example.com`, 'add');
  expect((await list.search({ limit: 100 })).entries).toEqual([]);
  now += burst.within;
  await refuse('late@example.com', 'add');
  expect((await list.search({ limit: 100 })).entries).toMatchObject([{ address: 'late@example.com' }]);
});

const processes = (count: number) => Array.from({ length: count }, newProcess);
const user = (i: number) => `user${i}@example.com`;
const met = (by: BounceFeedback, i: number, mode: 'suggest' | 'add' = 'add') =>
  by.refused(user(i), unknownUser(user(i)), { mode, relayOpen: true });
const entries = async () => (await list.search({ limit: 1000 })).entries;

test('what the relay refuses in a burst that falls on many processes is told all the same, and what its first ones did is taken back', async () => {
  await add({ address: user(1), scope: ['share'] });
  for (const [i, one] of processes(burst.dense).entries()) {
    await met(one, i, i === 2 ? 'suggest' : 'add');
    if (i === 1) expect(await list.get(user(1))).toMatchObject({ scope: 'all', reason: 'bounced' });
  }
  expect(await entries()).toMatchObject([{ address: user(1), scope: ['share'], reason: 'admin' }]);
  expect(await suggested()).toEqual({ suggestions: [] });
  expect((await actions()).filter(([action]) => action === 'do-not-email.undo')).toHaveLength(burst.dense - 2);
});

test('what the relay refuses in a burst at one moment by many processes leaves nothing behind', async () => {
  await Promise.all(processes(2 * burst.dense).map((one, i) => met(one, i)));
  expect(await entries()).toEqual([]);
});

test('law 2: what a person asked for during a burst is not taken back with it', async () => {
  const [one] = processes(1) as [BounceFeedback];
  await met(one, 0);
  await list.add({
    ...{ address: user(0), scope: 'all', reason: 'unsubscribed', source: 'one-click', actor: 'recipient', note: '' },
  });
  await met(one, 1);
  await add({ address: user(1), reason: 'bounced' });
  for (let i = 2; i < 20; i++) await met(one, i);
  expect(await entries()).toMatchObject([
    { address: user(0), reason: 'unsubscribed' },
    { address: user(1), reason: 'bounced', source: 'api' },
  ]);
});

test('what the relay refuses now and then among mails that are taken goes on the list, however many processes there are', async () => {
  const several = processes(4);
  for (let i = 0; i < 60; i++) {
    const one = several[i % 4] as BounceFeedback;
    for (let mails = 0; mails < 20; mails++) one.taken();
    await met(one, i);
    now += seconds(10);
  }
  expect(await entries()).toHaveLength(60);
});

test('what the relay refuses in a burst that goes on for long stays off the list to its end', async () => {
  const several = processes(2);
  for (let i = 0; i < 80; i++) {
    await met(several[i % 2] as BounceFeedback, i);
    now += seconds(25);
  }
  expect(await entries()).toEqual([]);
});

test('what the relay refuses in a burst whose taking back was cut off is taken back by whoever meets the next one', async () => {
  const [one, other] = processes(2) as [BounceFeedback, BounceFeedback];
  for (let i = 0; i < burst.dense - 1; i++) await met(one, i);
  const undo = list.undo;
  list.undo = async () => {
    throw new Error('the process died');
  };
  await expect(met(one, 98)).rejects.toThrow('the process died');
  list.undo = undo;
  expect(await entries()).toHaveLength(burst.dense - 1);
  await met(other, 99);
  expect(await entries()).toEqual([]);
});

test('what the relay refuses is suggested by pages, and forgotten after a while where nobody takes it up', async () => {
  const [one] = processes(1) as [BounceFeedback];
  for (let i = 0; i < 3; i++) await met(one, i, 'suggest');
  const page = (await call('listDoNotEmailSuggestions', '/suggestions?limit=2')).json as {
    suggestions: unknown[];
    next: string;
  };
  expect(page.suggestions).toHaveLength(2);
  const rest = await call('listDoNotEmailSuggestions', `/suggestions?limit=2&after=${page.next}`);
  expect(rest.json).toMatchObject({ suggestions: [{ address: user(2) }] });
  expect((await call('listDoNotEmailSuggestions', '/suggestions?after=AAAA')).status).toBe(400);
  now += days(2);
  await met(one, 3, 'suggest');
  expect(await ageOutDoNotEmail(table)(now - days(1), 100)).toBe(3);
  expect(await suggested()).toMatchObject({ suggestions: [{ address: user(3) }] });
});
