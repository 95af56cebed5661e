import { expect, test } from 'vitest';
import { minutes, seconds } from '../../lib/clock.ts';
import { share, stack } from '../helpers/postern.ts';

const bodies = (count: number) => Array.from({ length: count }, (_, i) => share(`p${i}@example.com`));

test('30 mails a minute across two processes: a short wait is in the process, a longer one outside it', async () => {
  const waits: number[] = [];
  const all = await stack({
    settings: { limit: { perMinute: 30 } },
    world: { wait: async (milliseconds) => waits.push(milliseconds) },
  });
  const { postern, peer, putAll, smtp } = all;
  const on = [postern, peer()];
  await putAll(bodies(20), { on });
  // One may go at once, and one each two seconds for as long as a mail waits in a process.
  expect(smtp.accepted).toHaveLength(6);
  expect(waits.toSorted((a, b) => a - b)).toEqual([2, 4, 6, 8, 10].map(seconds));
  expect((await postern.rooms.parking.waiting()).pace.ordinary).toBe(14);
  await on[1]?.close();
});

test('mail that waits for its turn follows at the pace, in the order of its acceptance, without a try lost', async () => {
  const turns: number[] = [];
  const all = await stack({
    settings: { limit: { perMinute: 30 } },
    world: { wait: async (milliseconds) => turns.push(time.now() + milliseconds) },
  });
  const { postern, peer, put, workNow, smtp, time, deliveryTo } = all;
  const on = [postern, peer()];
  for (const body of bodies(40)) {
    await put(body);
    time.advance(1);
  }
  const start = time.now();
  const sentBy: number[] = [];
  for (let at = 0; smtp.accepted.length < 40; at += 1) {
    if (at % 15 === 0) await postern.timers.drain();
    time.advance(seconds(1));
    await workNow({ on });
    sentBy.push(smtp.accepted.length);
    expect(at).toBeLessThan(240);
  }
  // No two mails had the same turn, and no two turns are closer than the pace.
  const sorted = turns.toSorted((a, b) => a - b);
  expect(sorted.slice(1).every((turn, i) => turn - (sorted[i] ?? 0) >= seconds(2))).toBe(true);
  // Whatever minute one looks at: 30, and those who had been let into the process before it with a later turn.
  for (const [second, sent] of sentBy.entries()) {
    expect(sent - (sentBy[second - 60] ?? 0)).toBeLessThanOrEqual(30 + 6);
  }
  expect(time.now() - start).toBeGreaterThan(minutes(1));
  const arrived = smtp.accepted.map((it) => Number(/\d+/.exec(it.envelope.to[0] ?? '')?.[0]));
  const inversions = arrived.filter((n, i) => arrived.slice(i + 1).some((later) => later < n - 8));
  expect(inversions).toEqual([]);
  expect(await deliveryTo('p39@example.com')).toMatchObject({ state: 'sent', attempt: 1, tries: 0 });
  await on[1]?.close();
});

test('law 2: the list is looked at after the wait for the turn, not before it', async () => {
  const { postern, put, smtp, deliveryTo } = await stack({
    settings: { limit: { perMinute: 30 } },
    world: {
      wait: async () => {
        const bounce = { address: 'bea@example.com', scope: 'all', reason: 'admin', source: 'test' } as const;
        await postern.rooms.list.add({ ...bounce, actor: 'admin', note: '' } as never);
      },
    },
  });
  await put(share('ana@example.com'));
  await put(share('bea@example.com'));
  expect(smtp.accepted.map((it) => it.envelope.to[0])).toEqual(['ana@example.com']);
  expect(await deliveryTo('bea@example.com')).toMatchObject({ state: 'suppressed' });
});
