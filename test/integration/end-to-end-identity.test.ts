import { expect, test } from 'vitest';
import { bundledStack } from '../helpers/bundled-stack.ts';
import { plainClient, tomorrow } from '../helpers/producer.ts';

const stack = bundledStack({ POSTERN_STORAGE: 'identity' });

test('with storage by service URIs and DefaultAzureCredential a queued message becomes one mail', async () => {
  const { client, inbox, settled, variable } = stack();
  expect(variable('AZURE_STORAGE_CONNECTION_STRING')).toContain('QueueEndpoint=https://');
  const mail = {
    kind: 'share',
    to: [{ address: 'ana@example.com', name: 'Ana' }],
    from: { address: 'bo@example.com', name: 'Bo' },
    replyTo: { address: 'bo@example.com' },
    subject: 'Bo shared “Plans” with you',
    text: 'See the plans.',
    html: '<p>See the plans.</p>',
    expiresAt: tomorrow(),
  };
  await client(plainClient('mail', JSON.stringify({ v: 1, mail })));
  expect(await settled('ana@example.com', 'sent')).toMatchObject({ kind: 'share' });
  expect(await inbox('ana@example.com')).toMatchObject([
    {
      subject: 'Bo shared “Plans” with you',
      text: expect.stringContaining('See the plans.'),
      html: expect.stringContaining('<p>See the plans.</p>'),
      headers: { from: 'Bo <bo@example.com>', 'reply-to': 'bo@example.com' },
    },
  ]);
});

test('content in a blob, table rows and secrets are reached by identity too', async () => {
  const { ask, inbox, settled } = stack();
  const text = 'x'.repeat(100_000);
  const mail = { kind: 'notice', to: [{ address: 'big@example.com' }], subject: 'Big', text };
  expect((await ask('POST', '/api/messages', { as: 'SERVICE_TOKEN', body: { v: 1, mail } })).status).toBe(202);
  await settled('big@example.com', 'sent');
  const [got] = await inbox('big@example.com');
  expect(got?.text.match(/x/g)?.length).toBeGreaterThanOrEqual(text.length);
});
