import { expect, test } from 'vitest';
import { smtpSettings, submission } from '../helpers/relay.ts';
import { relayStack, scripted, sized } from '../helpers/relay-server.ts';

const { smtp, relayWith, clear } = await relayStack();

test.each([
  ['before the server stored it', 'before', 0],
  ['after the server stored it', 'after', 1],
] as const)('law 5: a connection lost after the final dot, %s, is unknown', async (_, drop, stored) => {
  smtp.faults.set([{ at: 'accept', drop }]);
  expect(await relayWith().submit(submission(), clear())).toMatchObject({ class: 'unknown', phase: 'accept' });
  expect(smtp.accepted).toHaveLength(stored);
});

test('law 5: a server that is silent after the final dot until the time-out is unknown', async () => {
  smtp.faults.set([{ at: 'accept', delayMs: 60_000 }]);
  const relay = relayWith({ submitTimeout: 300 });
  expect(await relay.submit(submission(), clear())).toMatchObject({ class: 'unknown', phase: 'accept' });
});

test('law 5: a reply to the final dot that ends the session is a reply, not unknown', async () => {
  smtp.faults.set([{ at: 'accept', reply: '421 4.3.0 shutting down', drop: 'before' }]);
  expect(await relayWith().submit(submission(), clear())).toMatchObject({
    phase: 'accept',
    code: 421,
    class: 'temporary',
  });
});

test.each([
  ['a small mail', 100],
  ['a large mail', 12_000_000],
])('a connection lost right after 354 has not taken %s: it may be sent again', async (_, bytes) => {
  smtp.faults.set([{ at: 'data', drop: 'after' }]);
  expect(await relayWith().submit(sized(bytes), clear())).toMatchObject({ class: 'connection', phase: 'data' });
});

test('a connection lost in the middle of the mail has not taken it', async () => {
  const server = await scripted({ DATA: '354 go' }, (bytes, socket) => {
    if (bytes > 100_000) socket.destroy();
  });
  const outcome = await relayWith().submit(sized(20_000_000), smtpSettings(server));
  expect(outcome).toMatchObject({ class: 'connection', phase: 'data' });
});

test('a mail that the server stopped reading in the middle has not been taken', async () => {
  const stop = new AbortController();
  const server = await scripted({ DATA: '354 go' }, (_, socket) => {
    socket.pause();
    setImmediate(() => stop.abort());
  });
  const settings = smtpSettings(server);
  const outcome = await relayWith().submit(sized(30_000_000), settings, { signal: stop.signal });
  expect(outcome).toMatchObject({ phase: 'data' });
  expect(outcome.class).not.toBe('unknown');
});

test('stopped before the mail went: nothing is unknown about it', async () => {
  smtp.faults.set([{ at: 'mail', delayMs: 60_000 }]);
  const stop = new AbortController();
  const submitted = relayWith().submit(submission(), clear(), { signal: stop.signal });
  await expect.poll(() => smtp.faults.list()[0]?.hits).toBe(1);
  stop.abort();
  const outcome = await submitted;
  expect(outcome.class).not.toBe('unknown');
  expect(outcome.class).not.toBe('accepted');
  expect(outcome).toMatchObject({ phase: 'mail' });
});

test('stopped after the final dot: unknown', async () => {
  smtp.faults.set([{ at: 'accept', delayMs: 60_000 }]);
  const stop = new AbortController();
  const submitted = relayWith().submit(submission(), clear(), { signal: stop.signal });
  await expect.poll(() => smtp.faults.list()[0]?.hits).toBe(1);
  stop.abort();
  expect(await submitted).toMatchObject({ class: 'unknown', phase: 'accept' });
});
