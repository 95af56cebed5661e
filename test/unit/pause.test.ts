import { expect, test } from 'vitest';
import { minutes } from '../../lib/clock.ts';
import { pauseSwitch } from '../../lib/relay/pause.ts';
import { type RelayState, sharedRelayState } from '../../lib/relay/state.ts';
import { memoryRow } from '../helpers/row.ts';
import { manualTime } from '../helpers/time.ts';

const admin = { id: 'a', name: 'ada@example.com' };

const setting = () => {
  const time = manualTime();
  const row = memoryRow<RelayState>();
  const process = () => pauseSwitch({ state: sharedRelayState({ row, clock: time }), clock: time });
  return { time, row, process };
};

test('the kill switch stops ordinary mail or all mail, for every process and after a restart, until it is resumed', async () => {
  const { process, time } = setting();
  const room = process();
  await room.pause('ordinary', 'wrong template', admin);
  expect(await process().paused('ordinary')).toMatchObject({
    reason: 'wrong template',
    actor: admin,
    since: time.now(),
  });
  expect(await process().paused('priority')).toBeUndefined();
  await room.pause('all', 'stop', admin);
  expect(await process().paused('priority')).toMatchObject({ scope: 'all' });
  expect(await room.resume()).toMatchObject({ released: true, pause: { scope: 'all' } });
  expect(await room.resume()).toEqual({ released: false });
  expect(await process().paused('ordinary')).toBeUndefined();
});

test('the kill switch thrown twice stays as it was', async () => {
  const { process, time, row } = setting();
  const room = process();
  const first = await room.pause('all', 'stop', admin);
  time.advance(minutes(1));
  const again = await room.pause('all', 'stop', { id: 'b', name: 'bo' });
  expect(again).toEqual({ ...first, changed: false });
  expect(await room.pause('ordinary', 'stop', admin)).toMatchObject({ changed: true, released: true });
  expect(row.now()?.pause?.scope).toBe('ordinary');
});
