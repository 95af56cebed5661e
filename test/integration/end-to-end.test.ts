import { QueueServiceClient } from '@azure/storage-queue';
import { expect, test, vi } from 'vitest';
import { bundledStack } from '../helpers/bundled-stack.ts';
import { plainClient, tomorrow } from '../helpers/producer.ts';

const stack = bundledStack();

/** The message that stands in the queue contract. */
const share = (to: string) => ({
  v: 1,
  mail: {
    kind: 'share',
    key: `share-8841-${to}`,
    to: [{ address: to, name: 'Ana' }],
    from: { address: 'bo@example.com', name: 'Bo' },
    replyTo: { address: 'bo@example.com' },
    subject: 'Bo shared “Plans” with you',
    text: 'See the folder Plans – it is yours, too.',
    html: '<p>See the folder <b>Plans</b> – it is yours, too.</p>',
    expiresAt: tomorrow(),
    ref: { share: '8841' },
  },
});

test('a message that a plain queue client puts on the queue is one mail in the inbox, and sent in the history', async () => {
  const { client, inbox, settled } = stack();
  await client(plainClient('mail', JSON.stringify(share('ana@example.com'))));

  const summary = await settled('ana@example.com', 'sent');
  const mails = await inbox('ana@example.com');
  expect(mails).toHaveLength(1);
  expect(mails[0]).toMatchObject({
    from: 'files@example.com',
    rcptTo: ['ana@example.com'],
    subject: 'Bo shared “Plans” with you',
    text: expect.stringContaining('See the folder Plans – it is yours, too.'),
    html: expect.stringContaining('<p>See the folder <b>Plans</b> – it is yours, too.</p>'),
    headers: {
      from: 'Bo <bo@example.com>',
      'reply-to': 'bo@example.com',
      to: 'Ana <ana@example.com>',
      'auto-submitted': 'auto-generated',
    },
  });
  expect(summary).toMatchObject({ kind: 'share', to: 'ana@example.com', ref: { share: '8841' } });

  const { json } = await stack().ask('GET', `/api/messages/${summary.messageId}`, { as: 'SERVICE_TOKEN' });
  expect(json.deliveries).toHaveLength(1);
  expect(json.deliveries[0].attempts).toEqual([
    expect.objectContaining({ n: 1, class: 'accepted', reply: expect.stringMatching(/^250 /) }),
  ]);
});

test('each of several recipients gets a mail of their own, which names nobody else', async () => {
  const { client, inbox, settled } = stack();
  const message = share('cy@example.com');
  const to = ['cy@example.com', 'di@example.com', 'ed@example.com'].map((address) => ({ address }));
  await client(plainClient('mail', JSON.stringify({ ...message, mail: { ...message.mail, to } })));
  for (const { address } of to) {
    await settled(address, 'sent');
    const mails = await inbox(address);
    expect(mails.map(({ rcptTo, headers }) => [rcptTo, headers.to])).toEqual([[[address], address]]);
  }
});

test('a priority kind on the ordinary queue is sent all the same', async () => {
  const { client, inbox, settled } = stack();
  const mail = { kind: 'two-factor', to: [{ address: 'code@example.com' }], subject: 'Your code', text: '123456' };
  await client(plainClient('mail', JSON.stringify({ v: 1, mail })));
  expect(await settled('code@example.com', 'sent')).toMatchObject({ kind: 'two-factor' });
  expect(await inbox('code@example.com')).toHaveLength(1);
});

test('the same key twice is one mail', async () => {
  const { client, inbox, settled, variable } = stack();
  const text = JSON.stringify(share('twice@example.com'));
  await client(plainClient('mail', text, text));
  await settled('twice@example.com', 'sent');
  // Both are taken by now: dropped as a duplicate, or meeting the first one's claim and waiting for its end.
  const lane = QueueServiceClient.fromConnectionString(variable('AZURE_STORAGE_CONNECTION_STRING')).getQueueClient(
    'mail',
  );
  await vi.waitFor(async () => expect((await lane.peekMessages()).peekedMessageItems).toEqual([]), 10_000);
  expect(await inbox('twice@example.com')).toHaveLength(1);
});

test('a relay that refuses a recipient is a failed row with its exact reply', async () => {
  const { client, ask, inbox, settled, variable } = stack();
  const reply = '550 5.1.1 <nobody@example.com>: no such user here';
  const faults = { at: variable('SMTP_FAULTS_URL'), body: [{ at: 'rcpt', match: 'nobody@', reply }] };
  expect((await ask('PUT', '', faults)).status).toBe(200);
  await client(plainClient('mail', JSON.stringify(share('nobody@example.com'))));
  const { id, messageId } = await settled('nobody@example.com', 'failed');
  const { json } = await ask('GET', `/api/messages/${messageId}`, { as: 'ADMIN_TOKEN' });
  expect(json.deliveries[0]).toMatchObject({ id, attempts: [{ phase: 'rcpt', code: 550, enhanced: '5.1.1', reply }] });
  expect(await inbox('nobody@example.com')).toEqual([]);
});

test('no token and no password of the stack stands in what it prints', async () => {
  const { output, variable } = stack();
  for (const name of ['MASTER_ADMIN_TOKEN', 'ADMIN_TOKEN', 'SERVICE_TOKEN']) {
    expect(output()).not.toContain(variable(name));
  }
});
