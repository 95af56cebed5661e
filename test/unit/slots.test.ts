import { expect, onTestFinished, test, vi } from 'vitest';
import { slots } from '../../lib/relay/slots.ts';

/** Lets everything happen that can happen without time passing. */
const settle = () => new Promise((done) => setImmediate(done));

test('as many slots are given out as the limit allows, and no more', async () => {
  const line = slots();
  const given: number[] = [];
  for (const n of [1, 2, 3, 4]) void line.take('ordinary', 2).then(() => given.push(n));
  await settle();
  expect(given).toEqual([1, 2]);
});

test('priority mail goes before ordinary mail that has waited longer, each class in its own order', async () => {
  const line = slots();
  const release = await line.take('ordinary', 1);
  const order: string[] = [];
  const ask = (kindClass: 'priority' | 'ordinary', name: string) =>
    line.take(kindClass, 1).then((give) => {
      order.push(name);
      give();
    });
  const all = [
    ask('ordinary', 'share 1'),
    ask('ordinary', 'share 2'),
    ask('priority', 'code 1'),
    ask('priority', 'code 2'),
  ];
  await settle();
  expect(order).toEqual([]);
  release();
  await Promise.all(all);
  expect(order).toEqual(['code 1', 'code 2', 'share 1', 'share 2']);
});

test('a slot given back twice counts once', async () => {
  const line = slots();
  const release = await line.take('ordinary', 1);
  release();
  release();
  const given: number[] = [];
  for (const n of [1, 2]) void line.take('ordinary', 1).then(() => given.push(n));
  await settle();
  expect(given).toEqual([1]);
});

test('a raised limit lets those in who wait already', async () => {
  const line = slots();
  await line.take('ordinary', 1);
  const given: number[] = [];
  for (const n of [2, 3]) void line.take('ordinary', 1).then(() => given.push(n));
  await settle();
  expect(given).toEqual([]);
  await line.take('ordinary', 4);
  await settle();
  expect(given).toEqual([2, 3]);
});

test('after a lowered limit nobody enters until enough have left', async () => {
  const line = slots();
  const releases = await Promise.all([1, 2, 3].map(() => line.take('ordinary', 3)));
  const given: string[] = [];
  void line.take('ordinary', 1).then(() => given.push('in'));
  releases[0]?.();
  releases[1]?.();
  await settle();
  expect(given).toEqual([]);
  releases[2]?.();
  await settle();
  expect(given).toEqual(['in']);
});

test('who stops waiting gives its place to the next', async () => {
  const line = slots();
  const release = await line.take('ordinary', 1);
  const stop = new AbortController();
  const stopped = line.take('priority', 1, stop.signal);
  const next = line.take('ordinary', 1);
  stop.abort(new Error('shut down'));
  await expect(stopped).rejects.toThrow('shut down');
  release();
  expect(await next).toBeTypeOf('function');
});

test('who has stopped before asking never takes a slot', async () => {
  const line = slots();
  await expect(line.take('ordinary', 1, AbortSignal.abort(new Error('too late')))).rejects.toThrow('too late');
  expect(await line.take('ordinary', 1)).toBeTypeOf('function');
});

test('while a priority mail is on its way ordinary mail begins nothing new, until it is through', async () => {
  const line = slots();
  const code = await line.take('priority', 3);
  const given: string[] = [];
  void line.take('ordinary', 3).then(() => given.push('share'));
  void line.take('priority', 3).then((release) => {
    given.push('code');
    release();
  });
  await settle();
  expect(given).toEqual(['code']);
  code();
  await settle();
  expect(given).toEqual(['code', 'share']);
});

/** The clock of the turns stands still but for what the test lets pass. */
const manualTurns = () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  onTestFinished(() => {
    vi.useRealTimers();
  });
};

test('a priority mail on which the relay hangs holds ordinary mail back for a second and no longer', async () => {
  manualTurns();
  const line = slots();
  const hanging = await line.take('priority', 2);
  const given: string[] = [];
  void line.take('ordinary', 2).then(() => given.push('share'));
  vi.advanceTimersByTime(999);
  await settle();
  expect(given).toEqual([]);
  vi.advanceTimersByTime(1);
  await settle();
  expect(given).toEqual(['share']);
  hanging();
  vi.advanceTimersByTime(1000);
  expect(vi.getTimerCount()).toBe(0);
});

test('under priority mail without end ordinary mail has every other second', async () => {
  manualTurns();
  const line = slots();
  const shares: number[] = [];
  let moment = 0;
  const mailShares = async () => {
    for (;;) {
      const release = await line.take('ordinary', 3);
      shares.push(moment);
      setTimeout(release, 100);
    }
  };
  void mailShares();
  // Each takes 300 ms and one begins every 250, so that there is always one on its way.
  for (; moment < 8000; moment += 50) {
    if (moment % 250 === 0) void line.take('priority', 3).then((release) => setTimeout(release, 300));
    await settle();
    vi.advanceTimersByTime(50);
    await settle();
  }
  const bySecond = Array.from({ length: 8 }, (_, n) => shares.filter((at) => Math.floor(at / 1000) === n).length);
  expect(bySecond.filter((count) => count >= 5).length).toBeGreaterThanOrEqual(3);
  expect(bySecond.filter((count) => count <= 2).length).toBeGreaterThanOrEqual(3);
});
