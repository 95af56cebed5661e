import { expect, test } from 'vitest';
import { messageRoutes } from '../../functions/http/messages.ts';
import type { Call } from '../../lib/http/route.ts';
import type { Mail } from '../../lib/message/contract.ts';

test('a message with too many recipients to wait for is not held back for a wait that nobody does', async () => {
  const heldBack: (number | undefined)[] = [];
  const needs = {
    acceptance: {
      overHttp: async (_mail: Mail, _owner: string, seconds?: number) => {
        heldBack.push(seconds);
        return { messageId: 'm', deliveries: [], replayed: false, settled: async () => undefined };
      },
    },
  } as unknown as Parameters<typeof messageRoutes>[0];
  const post = messageRoutes(needs).find(({ name }) => name === 'postMessage');
  const to = Array.from({ length: 11 }, (_, i) => ({ address: `u${i}@example.com` }));
  const body = { v: 1, mail: { kind: 'share', to, subject: 'Plans', text: 'x' } };
  const headers = new Headers({ prefer: 'wait=60' });
  const answer = await post?.handle({ body, headers } as unknown as Call);
  expect(answer?.status).toBe(202);
  expect(answer?.headers).not.toHaveProperty('preference-applied');
  expect(heldBack).toEqual([undefined]);
});
