import { BlobServiceClient } from '@azure/storage-blob';
import { expect, onTestFinished, test, vi } from 'vitest';
import { nextTime } from '../../dev/host/timer.ts';
import { timerLock } from '../../dev/host/timer-lock.ts';
import { runApp } from '../helpers/functions-app.ts';
import { ownConnectionString } from '../helpers/storage.ts';

const next = (schedule: string, after: string) => new Date(nextTime(schedule, Date.parse(after))).toISOString();

test.each([
  ['*/30 * * * * *', '2026-11-22T10:00:00Z', '2026-11-22T10:00:30.000Z'],
  ['0 */5 * * * *', '2026-11-22T10:01:00Z', '2026-11-22T10:05:00.000Z'],
  ['0 30 3 * * *', '2026-11-22T10:00:00Z', '2026-11-23T03:30:00.000Z'],
  ['0 0 9 * * 1-5', '2026-11-20T10:00:00Z', '2026-11-23T09:00:00.000Z'],
  ['0 0 0 13 * 5', '2026-10-14T00:00:00Z', '2026-11-13T00:00:00.000Z'],
])('NCRONTAB %s in UTC, after %s, is %s', (schedule, after, due) => {
  expect(next(schedule, after)).toBe(due);
});

test.each(['* * * * *', '61 * * * * *', 'soon'])('the schedule "%s" puts its function in error', async (schedule) => {
  const { functions } = await runApp(`app.timer('tick', { schedule: '${schedule}', handler: () => {} });`);
  expect(functions[0]?.error).toBeTruthy();
});

test('a timer runs at its time, and at start when told so', async () => {
  const { seen } = await runApp(`
    app.timer('tick', { schedule: '* * * * * *', handler: (timer) => saw(['tick', timer.isPastDue]) });
    app.timer('once', { schedule: '0 0 0 1 1 *', runOnStartup: true, handler: (timer) => saw(['once', timer.scheduleStatus.next.slice(4)]) });`);
  await vi.waitFor(() => expect(seen).toContainEqual(['once', '-01-01T00:00:00.000Z']), 5000);
  await vi.waitFor(() => expect(seen).toContainEqual(['tick', false]), 5000);
});

test('a timer can be pulled by hand over the admin address', async () => {
  const { seen, url } = await runApp(`app.timer('tick', { schedule: '0 0 0 1 1 *', handler: () => saw('ran') });`);
  expect((await fetch(`${url}/admin/functions/tick`, { method: 'POST', body: '{}' })).status).toBe(202);
  await vi.waitFor(() => expect(seen).toEqual(['ran']));
});

test('of two hosts on one storage one holds the timers’ lock, and gives it on when it ends', async () => {
  const service = BlobServiceClient.fromConnectionString(await ownConnectionString());
  const one = await timerLock(service, 'one', () => {});
  const two = await timerLock(service, 'two', () => {});
  onTestFinished(() => two.close());
  expect([one.held(), two.held()]).toEqual([true, false]);
  const oneAgain = await timerLock(service, 'one', () => {});
  expect(oneAgain.held()).toBe(true);
  await oneAgain.close();
  await one.close();
  await vi.waitFor(() => expect(two.held()).toBe(true), 10_000);
});
