import { expect, test } from 'vitest';
import { explainer } from '../../lib/delivery/explain.ts';
import { type Gate, pass } from '../../lib/delivery/gates.ts';
import type { Mail } from '../../lib/message/contract.ts';
import { settingsSchema } from '../../lib/settings/schema.ts';
import { inSteps } from '../../lib/steps.ts';
import { share } from '../helpers/postern.ts';

const atOnce = () => {
  let running = 0;
  let most = 0;
  const visit = async () => {
    most = Math.max(most, ++running);
    await Promise.resolve();
    running--;
  };
  return { visit, most: () => most };
};

test('many are done some at a time, and answered in their order', async () => {
  const { visit, most } = atOnce();
  const numbers = Array.from({ length: 100 }, (_, i) => i);
  const squares = await inSteps(numbers, async (n, i) => {
    await visit();
    return n * i;
  });
  expect(squares).toEqual(numbers.map((n) => n * n));
  expect(most()).toBe(16);
});

test('a step that fails ends what follows', async () => {
  const done: number[] = [];
  const steps = inSteps(
    Array.from({ length: 100 }, (_, i) => i),
    async (n) => {
      if (n === 3) throw new Error('no');
      done.push(n);
    },
  );
  await expect(steps).rejects.toThrow('no');
  expect(Math.max(...done)).toBeLessThan(16);
});

test('a dry run for a thousand recipients asks the gates about some at a time', async () => {
  const { visit, most } = atOnce();
  const gate: Gate = { name: 'slow', free: false, check: async () => visit().then(() => pass) };
  const settings = { refresh: async () => settingsSchema.parse({}) };
  const explain = explainer({ gates: [gate], settings, clock: { now: () => 0 } });
  const to = Array.from({ length: 1000 }, (_, i) => `r${i}@example.com`);
  const told = await explain(share(to).mail as Mail);
  expect(told.map((it) => it.to)).toEqual(to);
  expect(most()).toBeLessThanOrEqual(16);
});
