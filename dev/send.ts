import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { parseArgs, parseEnv } from 'node:util';
import { BlobServiceClient } from '@azure/storage-blob';
import { QueueServiceClient } from '@azure/storage-queue';
import { check } from '../lib/faults.ts';
import { type Content, type Mail, mail } from '../lib/message/contract.ts';
import { laneOf, lanes } from '../lib/message/kinds.ts';

/** Puts a mail on the queue as a platform service would, from the command line, with the local stack's `.dev/env`. */
const usage = `npm run send -- --to ana@example.com [--to "Bo <bo@example.com>"] [options]

  --kind share            share, file-change, error, notice, password-recovery, two-factor, test
  --from "Bo <bo@…>"      the user on whose behalf it is sent
  --reply-to bo@…
  --subject --text --html what the recipient reads
  --attach plan.pdf       a file, may be repeated
  --key share-8841        idempotency key
  --expires 2026-…Z       not sent after this time
  --not-before 2026-…Z    not sent before this time
  --raw '{"v":1}'         puts this text on the queue as it is, to see what becomes of bad messages`;

const { values } = parseArgs({
  options: {
    kind: { type: 'string', default: 'share' },
    to: { type: 'string', multiple: true, default: [] },
    from: { type: 'string' },
    'reply-to': { type: 'string' },
    subject: { type: 'string', default: 'Hello from Postern' },
    text: { type: 'string' },
    html: { type: 'string' },
    attach: { type: 'string', multiple: true, default: [] },
    key: { type: 'string' },
    expires: { type: 'string' },
    'not-before': { type: 'string' },
    raw: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
});

/** What fits a storage queue's 64 KiB after Base64. */
const queueBytes = 48 * 1024;

if (values.help) console.log(usage);
else await send(await environment());

async function send(env: Record<string, string | undefined>): Promise<void> {
  const connection = env.AZURE_STORAGE_CONNECTION_STRING;
  if (!connection) return fail('AZURE_STORAGE_CONNECTION_STRING is not set. Start the local stack first: npm start');
  if (values.raw !== undefined) return enqueue(connection, lanes.ordinary, values.raw, env);
  const read = check(mail, await asked());
  if ('faults' in read) {
    const lines = read.faults.map(({ path, reason }) => `  ${path} ${reason}`);
    return fail(['This is not by the queue contract:', ...lines, '', usage].join('\n'));
  }
  const inline = JSON.stringify({ v: 1, mail: read.value }, null, 2);
  const text = Buffer.byteLength(inline) <= queueBytes ? inline : await withBlob(connection, read.value);
  await enqueue(connection, laneOf(read.value.kind), text, env);
}

async function asked(): Promise<unknown> {
  const attachments = await Promise.all(
    values.attach.map(async (path) => ({ name: basename(path), content: (await readFile(path)).toString('base64') })),
  );
  return {
    kind: values.kind,
    to: values.to.map(mailboxOf),
    subject: values.subject,
    text: values.text ?? (values.html === undefined ? 'A mail to try the way from the queue to the inbox.' : undefined),
    ...(values.html !== undefined && { html: values.html }),
    ...(values.key !== undefined && { key: values.key }),
    ...(values.from !== undefined && { from: mailboxOf(values.from) }),
    ...(values['reply-to'] !== undefined && { replyTo: mailboxOf(values['reply-to']) }),
    ...(values.expires !== undefined && { expiresAt: values.expires }),
    ...(values['not-before'] !== undefined && { notBefore: values['not-before'] }),
    ...(attachments.length > 0 && { attachments }),
  };
}

/** `Ana <ana@example.com>` or the bare address. */
function mailboxOf(text: string): { address: string; name?: string } {
  const [, name, address] = /^\s*(.*?)\s*<([^<>]*)>\s*$/.exec(text) ?? [];
  return address === undefined ? { address: text } : { address, ...(name && { name }) };
}

async function withBlob(connection: string, { text, html, attachments, ...rest }: Mail): Promise<string> {
  const blob = `sent/${randomUUID()}.json`;
  const content: Content = { text, html, attachments };
  const body = Buffer.from(JSON.stringify(content));
  const container = BlobServiceClient.fromConnectionString(connection).getContainerClient('content');
  await container
    .getBlockBlobClient(blob)
    .uploadData(body, { blobHTTPHeaders: { blobContentType: 'application/json' } });
  return JSON.stringify({ v: 1, mail: { ...rest, content: { blob } } }, null, 2);
}

async function enqueue(connection: string, lane: string, text: string, env: Record<string, string | undefined>) {
  const queue = QueueServiceClient.fromConnectionString(connection).getQueueClient(lane);
  const { messageId } = await queue.sendMessage(Buffer.from(text).toString('base64'), { messageTimeToLive: -1 });
  console.log(text);
  console.log(`\nOn the queue ${lane} as ${messageId}.`);
  if (env.INBOX_URL) console.log(`Inbox:   ${env.INBOX_URL}`);
  if (env.POSTERN_URL) console.log(`History: ${env.POSTERN_URL}/api/messages`);
}

/** `.dev/env` of the local stack, where there is one; what is set outside wins. */
async function environment(): Promise<Record<string, string | undefined>> {
  const file = new URL('../.dev/env', import.meta.url);
  const text = await readFile(file, 'utf8').catch(() => '');
  return { ...parseEnv(text), ...process.env };
}

function fail(words: string): void {
  console.error(words);
  process.exitCode = 1;
}
