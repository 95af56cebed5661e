import { expect, test, vi } from 'vitest';
import { type Answer, bundledStack } from '../helpers/bundled-stack.ts';
import { clumsyClient, plainClient, tomorrow } from '../helpers/producer.ts';

const stack = bundledStack();

const mail = (more: object) => ({
  kind: 'share',
  to: [{ address: 'ana@example.com' }],
  subject: 'Plans',
  text: 'See the plans.',
  expiresAt: tomorrow(),
  ...more,
});

/** The failed rows of the history for which it holds, once there are any. */
const failedRows = (fits: (row: Answer['json']) => boolean): Promise<Answer['json'][]> =>
  vi.waitFor(
    async () => {
      const { json } = await stack().ask('GET', '/api/messages?state=failed&limit=200', { as: 'ADMIN_TOKEN' });
      const rows = json.items.filter(fits);
      if (rows.length === 0) throw new Error(`no such row yet: ${JSON.stringify(json)}`);
      return rows;
    },
    { timeout: 20_000, interval: 100 },
  );

const cases: [what: string, text: string, path: string][] = [
  ['malformed JSON', '{"v":1,"mail":{"subject":"cut off', ''],
  ['an unknown version', JSON.stringify({ v: 2, mail: mail({ ref: { case: 'v' } }) }), 'v'],
  ['an unknown kind', JSON.stringify({ v: 1, mail: mail({ kind: 'spam' }) }), 'mail.kind'],
  ['no recipients', JSON.stringify({ v: 1, mail: mail({ to: [] }) }), 'mail.to'],
  [
    'an address with a line break',
    JSON.stringify({ v: 1, mail: mail({ to: [{ address: 'ana@example.com\r\nBcc: all@example.com' }] }) }),
    'mail.to.0.address',
  ],
  [
    'a subject with a header in it',
    JSON.stringify({ v: 1, mail: mail({ subject: 'a\r\nBcc: b@c.de' }) }),
    'mail.subject',
  ],
  ['something that is not under mail', JSON.stringify({ ...mail({}), v: 1 }), 'mail'],
];

test.each(
  cases,
)('law 1: %s on the queue is one failed row that names the fault, and no mail', async (_, text, path) => {
  await stack().client(plainClient('mail', text));
  const begins = path === '' ? 'not valid JSON' : `${path}:`;
  const rows = await failedRows(({ reason }) => reason.code === 'not-valid' && reason.detail.includes(begins));
  expect(rows).toHaveLength(1);
  expect(await stack().inbox('ana@example.com')).toEqual([]);
});

test('law 1: what is not even Base64 is a failed row by way of the poison queue', async () => {
  const { client, ask, variable } = stack();
  const mails = JSON.stringify({ v: 1, mail: mail({ to: [{ address: 'plain@example.com' }] }) });
  await client(clumsyClient('mail', `¡ ${mails}`));
  const host = variable('POSTERN_HOST_URLS').split(' ')[0] as string;
  const emptied = () => ask('POST', '/admin/functions/emptyPoisonQueues', { at: host, body: {} });
  const [row] = await vi.waitFor(
    async () => {
      expect((await emptied()).status).toBe(202);
      const { json } = await ask('GET', '/api/messages?state=failed&limit=200', { as: 'ADMIN_TOKEN' });
      const rows = json.items.filter(({ reason }: Answer['json']) => reason.code === 'poison');
      expect(rows).toHaveLength(1);
      return rows;
    },
    { timeout: 20_000, interval: 200 },
  );
  expect(row).toMatchObject({ state: 'failed', kind: 'unknown' });
  expect(await stack().inbox('plain@example.com')).toEqual([]);
});

test('of several recipients one bad address fails, the others get their mail', async () => {
  const to = [{ address: 'good@example.com' }, { address: 'bad address@example.com' }];
  await stack().client(plainClient('mail', JSON.stringify({ v: 1, mail: mail({ to }) })));
  await stack().settled('good@example.com', 'sent');
  const rows = await failedRows((row) => row.to === 'bad address@example.com');
  expect(rows).toHaveLength(1);
  expect(rows[0].reason.detail).toContain('mail.to.1.address');
  expect(await stack().inbox('good@example.com')).toHaveLength(1);
});

test('the queues are empty in the end: nothing goes round and round', async () => {
  const left = await stack().client(`
    import { QueueServiceClient } from '@azure/storage-queue';
    const service = QueueServiceClient.fromConnectionString(process.env.AZURE_STORAGE_CONNECTION_STRING!);
    for (const name of ['mail', 'mail-priority', 'mail-poison', 'mail-priority-poison']) {
      console.log((await service.getQueueClient(name).getProperties()).approximateMessagesCount);
    }`);
  expect(left.trim().split('\n')).toEqual(['0', '0', '0', '0']);
});
