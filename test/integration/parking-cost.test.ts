import { expect, test } from 'vitest';
import { minutes, seconds } from '../../lib/clock.ts';
import { countedTables } from '../helpers/operations.ts';
import { share, stack } from '../helpers/postern.ts';

const mails = 160;
const bodies = Array.from({ length: mails }, (_, i) => share(`p${i}@example.com`));

test('an outage of the relay costs fewer than 3 storage operations for each mail that waits, the way out included', async () => {
  const usual = await stack();
  const usually = countedTables(usual.azure);
  await usual.putAll(bodies);
  expect(usual.smtp.accepted).toHaveLength(mails);

  const { azure, put, putAll, workNow, held, smtp, time, postern } = await stack();
  smtp.faults.set([{ at: 'connect', drop: 'before' }]);
  for (const name of ['a', 'b', 'c']) await put(share(`${name}@example.com`));
  const outage = countedTables(azure);
  await putAll(bodies);
  expect((await postern.rooms.parking.waiting()).relay.ordinary).toBe(mails + 3);
  const arriving = outage.total();

  // However long it lasts: nobody touches the mails that wait.
  for (let tick = 0; tick < 3; tick++) {
    time.advance(seconds(15));
    await postern.timers.drain();
  }
  expect(held.all()).toEqual([]);
  const ticks = outage.total() - arriving;
  expect(ticks).toBeLessThan(30);

  smtp.faults.clear();
  time.advance(minutes(2));
  let messages = 0;
  for (const round of ['probe', 'all others']) {
    await postern.timers.drain();
    expect(held.all().length, round).toBeGreaterThan(0);
    messages += held.all().length;
    time.advance(seconds(2));
    await workNow();
  }
  expect(smtp.accepted).toHaveLength(mails + 3);
  // A queue message costs its enqueuing, its deletion, and at most a whole receive.
  const extra = outage.total() - ticks + 3 * messages - usually.total();
  expect(extra / mails).toBeLessThan(3);
});
