import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { stripTypeScriptTypes } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, test } from 'vitest';
import { content } from '../../lib/message/contract.ts';
import { parseQueueBody } from '../../lib/message/queue-body.ts';
import type { AzureClients } from '../../lib/storage/azure.ts';
import { ownStorage } from '../helpers/storage.ts';

const run = promisify(execFile);
const root = new URL('../../', import.meta.url);
let azure: AzureClients;
let env: Record<string, string | undefined>;
let samples: Map<string, string>;

beforeAll(async () => {
  const own = await ownStorage();
  azure = own.azure;
  env = { ...process.env, AZURE_STORAGE_CONNECTION_STRING: own.environment.AzureWebJobsStorage };
  const readme = await readFile(new URL('README.md', root), 'utf8');
  const [, text = ''] = /\n## The queue contract\n(.*?)\n## /s.exec(readme) ?? [];
  samples = new Map([...text.matchAll(/```(\w+)\n(.*?)```/gs)].map(([, language = '', code = '']) => [language, code]));
});

/** The one message on a queue, decoded as the Functions host decodes it, and taken off. */
const received = async (name: string): Promise<string> => {
  const queue = azure.queue(name);
  const [first, second] = (await queue.receiveMessages({ numberOfMessages: 2 })).receivedMessageItems;
  expect(second).toBeUndefined();
  await queue.deleteMessage(first!.messageId, first!.popReceipt);
  return Buffer.from(first!.messageText, 'base64').toString('utf8');
};

const sharedByBo = {
  body: {
    mail: {
      kind: 'share',
      key: 'share-8841-ana',
      to: [{ address: 'ana@example.com', name: 'Ana' }],
      from: { address: 'bo@example.com', name: 'Bo' },
      subject: 'Bo shared “Plans” with you',
    },
  },
};

describe('the samples of the queue contract', () => {
  test('the JSON is by the contract, and the same in its description', async () => {
    const json = samples.get('json') ?? '';
    expect(parseQueueBody(json)).toMatchObject(sharedByBo);
    expect(await readFile(new URL('docs/queue-contract.md', root), 'utf8')).toContain(json);
  });

  test('the TypeScript runs as it stands and puts a message by the contract on the queue', async () => {
    const code = stripTypeScriptTypes(samples.get('ts') ?? '');
    await run(process.execPath, ['--input-type=module', '--eval', code], { cwd: root, env });
    expect(parseQueueBody(await received('mail'))).toMatchObject(sharedByBo);
  });

  test('the Azure CLI line encodes a message by the contract', async () => {
    const shell = (samples.get('sh') ?? '').replace(
      /^az /m,
      'stand_in_for_az() { while [ "$1" != --content ]; do shift; done; printf %s "$2"; }\nstand_in_for_az ',
    );
    const { stdout } = await run('sh', ['-c', shell], { env });
    expect(parseQueueBody(Buffer.from(stdout, 'base64').toString('utf8'))).toMatchObject(sharedByBo);
  });

  test.each(['csharp', 'python'])('the %s sample has the fields of the contract', (language) => {
    for (const word of ['share-8841-ana', 'ana@example.com', 'bo@example.com', 'kind', 'subject', 'text', 'Base64']) {
      expect(samples.get(language)).toContain(word);
    }
  });
});

describe('npm run send', () => {
  const send = (...args: string[]) => run(process.execPath, [new URL('dev/send.ts', root).pathname, ...args], { env });

  test('puts a share on the ordinary queue, with names and several recipients', async () => {
    const { stdout } = await send(
      ...['--kind', 'share', '--to', 'ana@example.com', '--to', 'Cy <cy@example.com>', '--from', 'Bo <bo@example.com>'],
      ...['--subject', 'Plans', '--text', 'Hello', '--key', 'k1'],
    );
    expect(stdout).toContain('On the queue mail as ');
    expect(parseQueueBody(await received('mail'))).toEqual({
      body: {
        v: 1,
        mail: {
          kind: 'share',
          key: 'k1',
          to: [{ address: 'ana@example.com' }, { address: 'cy@example.com', name: 'Cy' }],
          from: { address: 'bo@example.com', name: 'Bo' },
          subject: 'Plans',
          text: 'Hello',
        },
      },
    });
  });

  test('puts a code on the priority queue', async () => {
    await send('--kind', 'two-factor', '--to', 'ana@example.com', '--html', '<b>123456</b>');
    expect(parseQueueBody(await received('mail-priority'))).toMatchObject({
      body: { mail: { html: '<b>123456</b>' } },
    });
  });

  test('takes what does not fit the queue by a blob', async () => {
    const file = join(tmpdir(), `postern-attachment-${process.pid}.bin`);
    await writeFile(file, Buffer.alloc(100_000, 'x'));
    await send('--to', 'ana@example.com', '--attach', file);
    const read = parseQueueBody(await received('mail'));
    if ('faults' in read) throw new Error(JSON.stringify(read.faults));
    const blob = azure.container('content').getBlobClient(read.body.mail.content!.blob);
    const held = content.parse(JSON.parse((await blob.downloadToBuffer()).toString('utf8')));
    expect(Buffer.from(held.attachments![0]!.content, 'base64')).toHaveLength(100_000);
  });

  test('refuses what is not by the contract, with the fields, and puts nothing on the queue', async () => {
    await expect(send('--to', 'ana example', '--kind', 'spam')).rejects.toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/kind must be one of.*to\.0\.address has a space/s),
    });
    expect((await azure.queue('mail').peekMessages()).peekedMessageItems).toEqual([]);
  });

  test('puts any text on the queue with --raw, to see what becomes of it', async () => {
    await send('--raw', '{"v":1,');
    expect(await received('mail')).toBe('{"v":1,');
  });
});
