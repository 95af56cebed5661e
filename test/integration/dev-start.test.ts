import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { get as httpGet } from 'node:http';
import { get as httpsGet } from 'node:https';
import { createServer } from 'node:net';
import { delimiter, join } from 'node:path';
import { QueueServiceClient } from '@azure/storage-queue';
import { beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest';
import { portTable } from '../../dev/start/ports.ts';
import { appFolder } from '../helpers/functions-app.ts';
import { type LocalStack, ownFolder, refusedStart, startStack, type WhenDone } from '../helpers/local-stack.ts';

/** An app as the stack needs it, which tells its process and puts queue messages where they can be read. */
const smallApp = (whenDone?: WhenDone) =>
  appFolder(
    `const open = { authLevel: 'anonymous' };
     app.http('health', { ...open, route: 'api/health', methods: ['GET'], handler: () => ({ jsonBody: { pid: process.pid } }) });
     app.http('putSettings', { ...open, route: 'api/settings', methods: ['PUT'], handler: async (request) => {
       console.log('settings by ' + request.user.username + ' ' + await request.text());
       return { status: 200 };
     } });
     app.http('kill', { ...open, route: 'api/throw', methods: ['GET'], handler: () => { setImmediate(() => { throw new Error('uncaught'); }); } });
     app.storageQueue('mail', { queueName: 'mail', connection: 'AzureWebJobsStorage', handler: (item) => { console.log('got ' + JSON.stringify(item)); } });
     app.hook.appTerminate(() => { console.log('terminated'); });`,
    { queues: { maxPollingInterval: '00:00:00.2' } },
    whenDone,
  );

const ports = (base: number) => Object.values(portTable).map(({ offset }) => base + offset);

const isTaken = (port: number) =>
  new Promise<boolean>((resolve) => {
    const server = createServer().once('error', () => resolve(true));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(false)));
  });

const alive = (pid: number) => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

const pidOf = async (url: string) => ((await (await fetch(`${url}/api/health`)).json()) as { pid: number }).pid;

/** One stack after the other on one folder and the same ports, each as the one before left them. */
describe('the life of a stack', () => {
  const cleanUps: Parameters<WhenDone>[0][] = [];
  const later: WhenDone = (cleanUp) => void cleanUps.unshift(cleanUp);
  let app: string;
  let stack: LocalStack;

  beforeAll(async () => {
    app = await smallApp(later);
    stack = await startStack({ POSTERN_APP: app, POSTERN_HOSTS: '2' }, undefined, later);
    return async () => {
      for (const cleanUp of cleanUps) await cleanUp();
    };
  }, 120_000);

  const again = async (...args: string[]): Promise<LocalStack> => {
    stack = await startStack(
      { POSTERN_APP: app, POSTERN_HOSTS: '2', POSTERN_PORT_BASE: String(stack.base) },
      stack.folder,
      later,
      args,
    );
    return stack;
  };

  const other = () =>
    QueueServiceClient.fromConnectionString(stack.env.AZURE_STORAGE_CONNECTION_STRING as string).getQueueClient(
      'other',
    );

  test('every part is its own process, and a mail on the queue reaches the app', async () => {
    const { env } = stack;
    const pids = await stack.pids();
    expect(Object.keys(pids).sort()).toEqual([
      'azurite',
      'entra',
      'gate',
      'host1',
      'host2',
      'identity',
      'mail',
      'start',
      'vault',
    ]);
    expect(new Set(Object.values(pids)).size).toBe(9);
    expect(stack.output()).toContain('settings by mara@example.com');

    const queues = QueueServiceClient.fromConnectionString(env.AZURE_STORAGE_CONNECTION_STRING as string);
    await queues.getQueueClient('mail').sendMessage(Buffer.from('{"a":1}').toString('base64'));
    await vi.waitFor(() => expect(stack.output()).toContain('got {"a":1}'), 5000);
    expect((await fetch(`${env.INBOX_URL}/api/messages`)).status).toBe(200);
    expect((await fetch(env.SMTP_FAULTS_URL as string)).status).toBe(200);
  }, 30_000);

  test('each address of the printed table leads somewhere', async () => {
    const ca = await readFile(stack.env.NODE_EXTRA_CA_CERTS as string, 'utf8');
    const addresses = stack.output().match(/https?:\/\/localhost:\S+/g) ?? [];
    expect(addresses).toHaveLength(7);
    const statusOf = async (address: string) => {
      const request = address.startsWith('https') ? httpsGet(address, { ca }) : httpGet(address);
      const [answer] = await once(request, 'response');
      answer.resume();
      return answer.statusCode;
    };
    const statuses = await Promise.all(addresses.map(async (it) => [it, await statusOf(it)]));
    const vault = stack.env.KEY_VAULT_URI;
    // The vault asks for the app's own token.
    expect(statuses).toEqual(addresses.map((it) => [it, it === vault ? 401 : 200]));
  });

  test('a second start on the same ports or the same folder is refused in words', async () => {
    const { start } = await stack.pids();
    const same = await refusedStart({ POSTERN_PORT_BASE: String(stack.base), POSTERN_DEV_FOLDER: await ownFolder() });
    expect(same.output).toContain(
      `Port ${stack.base + portTable.portal.offset} (portal and API) is taken. Set POSTERN_PORT`,
    );
    const folder = await refusedStart({ POSTERN_PORT_BASE: '31000', POSTERN_DEV_FOLDER: stack.folder });
    expect(folder).toMatchObject({ code: 1, output: expect.stringContaining(`process ${start}`) });
    expect(folder.output).toContain('POSTERN_DEV_FOLDER');
  }, 30_000);

  test('a host that is killed is started again', async () => {
    const pids = await stack.pids();
    process.kill(pids.host1 as number, 'SIGKILL');
    await vi.waitFor(async () => expect((await stack.pids()).host1).not.toBe(pids.host1), 5000);
    const seen = new Set<number>();
    await vi.waitFor(async () => {
      seen.add(await pidOf(stack.env.POSTERN_URL as string));
      expect([...seen]).toContain((await stack.pids()).host1);
    }, 10_000);
    expect(seen).toContain(pids.host2);
  }, 30_000);

  test('an uncaught exception kills the host process, as it kills the worker in the cloud', async () => {
    const before = await stack.pids();
    await fetch(`${stack.env.POSTERN_URL}/api/throw`);
    const revived = async () => {
      const now = await stack.pids();
      return ['host1', 'host2'].filter((name) => now[name] !== before[name]);
    };
    await vi.waitFor(async () => expect(await revived()).toHaveLength(1), 5000);
    const [name = ''] = await revived();
    await vi.waitFor(async () => {
      expect(await pidOf(stack.env.POSTERN_URL as string)).toBe((await stack.pids())[name]);
    }, 10_000);
    expect(stack.output()).toContain('uncaught');
  }, 30_000);

  test('Ctrl-C leaves nothing behind', async () => {
    await other().create();
    const pids = await stack.pids();
    expect(await stack.end('SIGINT')).toBe(0);
    expect(stack.output().match(/terminated/g)).toHaveLength(2);
    expect(Object.values(pids).filter(alive)).toEqual([]);
    expect((await Promise.all(ports(stack.base).map(isTaken))).includes(true)).toBe(false);
    await expect(stack.pids()).rejects.toThrow('ENOENT');
  }, 30_000);

  test('tokens and state survive a restart', async () => {
    const { env } = stack;
    expect((await again()).env).toEqual(env);
    expect(await other().exists()).toBe(true);
  }, 60_000);

  test('parts end by themselves when the process that started them is killed', async () => {
    const { start, ...parts } = await stack.pids();
    await stack.end('SIGKILL');
    await vi.waitFor(() => expect(Object.values(parts).filter(alive)).toEqual([]), 15_000);
  }, 30_000);

  test('with --fresh nothing is left of the state, and what a killed stack left in pids keeps no start away', async () => {
    const { env, folder } = stack;
    const { start } = await stack.pids();
    expect((await again('--fresh')).folder).toBe(folder);
    expect((await stack.pids()).start).not.toBe(start);
    expect(stack.env.POSTERN_URL).toBe(env.POSTERN_URL);
    expect(stack.env.ADMIN_TOKEN).not.toBe(env.ADMIN_TOKEN);
    expect(await other().exists()).toBe(false);
  }, 60_000);
});

test('with POSTERN_STORAGE=identity the app reaches storage by its identity over TLS', async () => {
  const stack = await startStack({ POSTERN_APP: await smallApp(), POSTERN_STORAGE: 'identity' });
  const { AZURE_STORAGE_CONNECTION_STRING: connection = '' } = stack.env;
  expect(connection).toContain('QueueEndpoint=https://');
  const queues = QueueServiceClient.fromConnectionString(connection);
  // This process trusts the tests' own authority; the stack has another.
  const { getCACertificates, setDefaultCACertificates } = await import('node:tls');
  const before = getCACertificates('default');
  setDefaultCACertificates([...before, await readFile(stack.env.NODE_EXTRA_CA_CERTS as string, 'utf8')]);
  onTestFinished(() => setDefaultCACertificates(before));
  await queues.getQueueClient('mail').sendMessage(Buffer.from('{"by":"identity"}').toString('base64'));
  await vi.waitFor(() => expect(stack.output()).toContain('got {"by":"identity"}'), 10_000);
}, 90_000);

test('a taken port is named, with the variable that moves it', async () => {
  const blocker = createServer().listen(0, '127.0.0.1');
  onTestFinished(() => void blocker.close());
  await once(blocker, 'listening');
  const { port } = blocker.address() as { port: number };
  const { code, output } = await refusedStart({
    POSTERN_PORT_BASE: '31000',
    INBOX_PORT: String(port),
    POSTERN_DEV_FOLDER: await ownFolder(),
  });
  expect(code).toBe(1);
  expect(output).toBe(
    `Port ${port} (inbox) is taken. Set INBOX_PORT to another one, or POSTERN_PORT_BASE to move all.\n`,
  );
});

test('an app that cannot be loaded ends the start with its own words', async () => {
  const app = await appFolder(`throw new Error('KEY_VAULT_URI is wrong');`);
  const { code, output } = await refusedStart({
    POSTERN_PORT_BASE: '31200',
    POSTERN_APP: app,
    POSTERN_DEV_FOLDER: await ownFolder(),
  });
  expect(code).toBe(1);
  expect(output).toContain('The app could not be loaded: KEY_VAULT_URI is wrong');
}, 60_000);

test('another storage account and another mail server take the place of ours', async () => {
  const { ownConnectionString } = await import('../helpers/storage.ts');
  const connection = await ownConnectionString();
  const stack = await startStack({
    POSTERN_APP: await smallApp(),
    AZURE_STORAGE_CONNECTION_STRING: connection,
    SMTP_HOST: 'mail.example.com',
    SMTP_PORT: '2525',
  });
  expect(Object.keys(await stack.pids()).sort()).toEqual(['entra', 'gate', 'host1', 'identity', 'start', 'vault']);
  expect(stack.output()).toMatch(/settings by .*"host":"mail.example.com","port":2525/);
  const queue = QueueServiceClient.fromConnectionString(connection).getQueueClient('mail');
  await queue.sendMessage(Buffer.from('{"outside":1}').toString('base64'));
  await vi.waitFor(() => expect(stack.output()).toContain('got {"outside":1}'), 5000);
  expect(stack.env.AZURE_STORAGE_CONNECTION_STRING).toBe(connection);
}, 90_000);

test('a storage account that does not answer is named by its variable', async () => {
  const closed = ['Blob', 'Queue', 'Table'].map((service) => `${service}Endpoint=http://127.0.0.1:9/none`).join(';');
  const { code, output } = await refusedStart({
    POSTERN_PORT_BASE: '31300',
    POSTERN_APP: await smallApp(),
    POSTERN_DEV_FOLDER: await ownFolder(),
    AZURE_STORAGE_CONNECTION_STRING: `AccountName=none;AccountKey=bm9uZQ==;${closed}`,
  });
  expect(code).toBe(1);
  expect(output).toMatch(/AZURE_STORAGE_CONNECTION_STRING cannot be used.*\nUnset the variable/);
}, 90_000);

test('npm run start:func runs func as a part of the stack', async () => {
  const tools = await ownFolder();
  const func = `#!/bin/sh\nexec node -e '
    console.log("func " + process.argv.slice(1).join(" ") + " in " + process.cwd());
    require("http").createServer((_, answer) => answer.end("{}")).listen(Number(process.argv[3]), "127.0.0.1");' "$@"\n`;
  await writeFile(join(tools, 'func'), func, { mode: 0o755 });
  const app = await smallApp();
  const stack = await startStack({
    POSTERN_APP: app,
    POSTERN_HOST_BY: 'coreTools',
    PATH: `${tools}${delimiter}${process.env.PATH}`,
  });
  expect(stack.output()).toContain(`func start --port ${stack.base + portTable.host1.offset} in ${app}`);
  expect((await fetch(`${stack.env.POSTERN_URL}/api/health`)).status).toBe(200);
  expect(await stack.end('SIGINT')).toBe(0);
  expect((await Promise.all(ports(stack.base).map(isTaken))).includes(true)).toBe(false);
}, 90_000);
