import { randomBytes, timingSafeEqual } from 'node:crypto';
import { expect, test, vi } from 'vitest';

vi.mock('node:crypto', async (original) => {
  const crypto = await original<typeof import('node:crypto')>();
  return { ...crypto, timingSafeEqual: vi.fn(crypto.timingSafeEqual) };
});

test('a signature is compared in constant time, right or nearly right (trap 10)', async () => {
  // Another test file of this process may have loaded it with the real function.
  vi.resetModules();
  const { unsubscribeTokens } = await import('../../lib/do-not-email/token.ts');
  const key = { version: '1', key: randomBytes(32) };
  const keys = { newest: async () => key, byVersion: async () => key.key, rotate: async () => key };
  const tokens = unsubscribeTokens({ keys, clock: { now: () => 0 } });
  const link = { recipient: 'ana@example.com', scope: 'share' } as const;
  const token = await tokens.sign(link);
  const [payload = '', mac = ''] = token.split('.');
  const nearly = Buffer.from(mac, 'base64url');
  nearly[31] = (nearly[31] ?? 0) ^ 1;

  expect(await tokens.read(token)).toEqual(link);
  expect(await tokens.read(`${payload}.${nearly.toString('base64url')}`)).toBeUndefined();
  const compared = vi.mocked(timingSafeEqual).mock.calls.map(([one, other]) => [one.byteLength, other.byteLength]);
  expect(compared).toEqual([
    [32, 32],
    [32, 32],
  ]);
});
