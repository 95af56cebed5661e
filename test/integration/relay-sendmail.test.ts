import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import PostalMime from 'postal-mime';
import { afterAll, afterEach, beforeAll, beforeEach, expect, onTestFinished, test } from 'vitest';
import { type SmtpServer, startSmtp } from '../../dev/smtp/server.ts';
import { systemClock } from '../../lib/clock.ts';
import { consoleLog } from '../../lib/log.ts';
import { commandExists } from '../../lib/relay/command.ts';
import { relayRoom } from '../../lib/relay/relay.ts';
import { defaultSettings, type Settings } from '../../lib/settings/schema.ts';
import { submission } from '../helpers/relay.ts';

let smtp: SmtpServer<'clear'>;
let folder: string;
const home = process.env.HOME;

beforeAll(async () => {
  smtp = await startSmtp({ listeners: { clear: { security: 'none' } } });
  folder = await mkdtemp(join(tmpdir(), 'postern-sendmail-'));
  const config = ['account default', 'host 127.0.0.1', `port ${smtp.ports.clear}`, 'tls off', 'auth off', ''];
  await writeFile(join(folder, '.msmtprc'), config.join('\n'), { mode: 0o600 });
  process.env.HOME = folder;
});
afterAll(async () => {
  if (home === undefined) delete process.env.HOME;
  else process.env.HOME = home;
  await smtp.close();
  await rm(folder, { recursive: true });
});
beforeEach(() => {
  smtp.accepted.length = 0;
});
afterEach(() => smtp.faults.clear());

const relayWith = (submitTimeout = 10_000) => {
  const relay = relayRoom({
    settings: { secret: () => Promise.reject(new Error('a command needs no secret')) },
    tokens: { accessToken: () => Promise.reject(new Error('a command needs no token')) },
    submitTimeout,
    clock: systemClock,
    log: consoleLog,
  });
  onTestFinished(() => relay.close());
  return relay;
};

const byDefault: Settings = { ...defaultSettings, type: 'mail' };
const byPath = (path: string): Settings => ({ ...defaultSettings, type: 'sendmail', sendmail: { path } });

/** A command of its own: a shell script. */
const command = async (name: string, script: string, mode = 0o755): Promise<string> => {
  const path = join(folder, name);
  await writeFile(path, `#!/bin/sh\n${script}\n`);
  await chmod(path, mode);
  return path;
};

// A real MTA's sendmail: Debian's msmtp-mta, which hands over to the SMTP server above. The build machine must have it.
const mta = await commandExists('mail', '');
const missing = 'reason' in mta;
if (missing) console.log(`No real mail command is tried: ${mta.reason}`);
if (missing && process.env.CI === 'true') throw new Error('The build machine needs msmtp-mta');
const withMta = test.skipIf(missing);

withMta.each([
  ['mail, the default command', () => byDefault],
  ['sendmail, by its path', () => byPath('path' in mta ? mta.path : '')],
])('%s delivers by a real MTA, with the envelope sender that was given', async (_, settings) => {
  const mail = submission({ text: 'one\n.\ntwo', envelopeFrom: 'bounces@example.com' });
  expect(await relayWith().submit(mail, settings())).toMatchObject({ class: 'accepted' });
  expect(smtp.accepted).toMatchObject([{ envelope: { from: 'bounces@example.com', to: ['ana@example.com'] } }]);
  const read = await PostalMime.parse(smtp.accepted[0]?.raw ?? '');
  expect(read).toMatchObject({ messageId: mail.messageId, subject: 'Plans', text: 'one\n.\ntwo\n' });
});

withMta('a recipient that the relay behind refuses is the recipient’s fault, with the relay’s reply', async () => {
  smtp.faults.set([{ at: 'rcpt', reply: '550 5.1.1 User unknown' }]);
  expect(await relayWith().submit(submission(), byDefault)).toMatchObject({
    class: 'recipient',
    phase: 'rcpt',
    code: 550,
    reply: expect.stringContaining('User unknown'),
  });
});

withMta('a relay behind that is busy is temporary', async () => {
  smtp.faults.set([{ at: 'rcpt', reply: '451 4.7.1 try again later' }]);
  expect(await relayWith().submit(submission(), byDefault)).toMatchObject({ class: 'temporary', code: 451 });
});

test('a recipient that begins like an option is an address all the same', async () => {
  const path = await command('arguments', `cat >/dev/null; printf '%s|' "$@" > ${folder}/arguments.txt`);
  await relayWith().submit(submission({ to: { address: '-t@example.com' } }), byPath(path));
  expect(await readFile(join(folder, 'arguments.txt'), 'utf8')).toBe('-i|-f|files@example.com|--|-t@example.com|');
});

test('law 6: the command sees none of the app’s own settings', async () => {
  process.env.AzureWebJobsStorage = 'AccountKey=do-not-pass-on';
  onTestFinished(() => void delete process.env.AzureWebJobsStorage);
  const path = await command('environment', `cat >/dev/null; env > ${folder}/environment.txt`);
  await relayWith().submit(submission(), byPath(path));
  const seen = await readFile(join(folder, 'environment.txt'), 'utf8');
  expect(seen).toContain(`HOME=${folder}`);
  expect(seen).not.toContain('do-not-pass-on');
});

test.each([
  [67, 'recipient'],
  [75, 'temporary'],
  [78, 'connection'],
])('exit code %i is classified as %s, with what the command complained of', async (code, expected) => {
  const path = await command(`exit-${code}`, `cat >/dev/null; echo 'sorry, not today' >&2; exit ${code}`);
  expect(await relayWith().submit(submission(), byPath(path))).toMatchObject({
    class: expected,
    phase: 'spawn',
    reply: 'sorry, not today',
  });
});

test('a command that is not there is a fault of the connection, in words', async () => {
  expect(await relayWith().submit(submission(), byPath('/nowhere/sendmail'))).toMatchObject({
    class: 'connection',
    phase: 'spawn',
    reply: expect.stringContaining('/nowhere/sendmail'),
  });
});

test('law 5: a command that has read the whole mail and does not end is killed with all it started, and unknown', async () => {
  const path = await command('slow', `cat >/dev/null; sleep 600 & echo $! > ${folder}/pid.txt; wait`);
  expect(await relayWith(1_000).submit(submission(), byPath(path))).toMatchObject({ class: 'unknown' });
  const pid = Number(await readFile(join(folder, 'pid.txt'), 'utf8'));
  await expect.poll(() => isRunning(pid)).toBe(false);
});

test('a command that does not read the mail and is killed has not taken it', async () => {
  const path = await command('deaf', 'exec sleep 600');
  const large = submission({ text: `${'x'.repeat(76)}\n`.repeat(50_000) });
  const outcome = await relayWith(500).submit(large, byPath(path));
  expect(outcome).toMatchObject({ phase: 'spawn' });
  expect(outcome.class).not.toBe('unknown');
  expect(outcome.class).not.toBe('accepted');
});

test('a command that ends before it has read the mail is known by its exit code', async () => {
  const path = await command('hasty', 'exit 69');
  const large = submission({ text: `${'x'.repeat(76)}\n`.repeat(50_000) });
  expect(await relayWith().submit(large, byPath(path))).toMatchObject({ class: 'temporary', rule: 'EX_UNAVAILABLE' });
});

test.each([
  ['', /Give the path/],
  ['sendmail', /absolute/],
  ['/nowhere/sendmail', /no \/nowhere\/sendmail/],
  [tmpdir(), /not a file/],
])('the path %j is refused in words', async (path, reason) => {
  expect(await commandExists('sendmail', path)).toEqual({ reason: expect.stringMatching(reason) });
});

test('a file that may not be executed is refused in words', async () => {
  const path = await command('plain', '', 0o644);
  expect(await commandExists('sendmail', path)).toEqual({ reason: `${path} may not be executed.` });
});

/** A zombie, which nobody has waited for yet, has ended too. */
async function isRunning(pid: number): Promise<boolean> {
  try {
    return !/^State:\s+Z/m.test(await readFile(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}
