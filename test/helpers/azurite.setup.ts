import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { type AddressInfo, createServer as createTcpServer } from 'node:net';
import { dirname, join } from 'node:path';
import type { TestProject } from 'vitest/node';
import { ensureCertificates } from '../../dev/certificates.ts';

/**
 * One Azurite in memory for the whole run, with many accounts: each stack of a test gets an account of its own from a
 * small counter over HTTP, so that tests run side by side without seeing each other's tables and queues.
 */
const accountCount = 600;
const accountKey = Buffer.from('a key of the test run, not of any real account').toString('base64');
const nameOf = (n: number) => `posterntest${n}`;

declare module 'vitest' {
  export interface ProvidedContext {
    azurite: { ports: { blob: number; queue: number; table: number }; accountKey: string; nextAccount: string };
  }
}

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  // Every process of the tests trusts the stand-ins' authority, and so does every process that they start.
  const { ca } = await ensureCertificates(join(import.meta.dirname, '../../.dev/test-certs'));
  process.env.NODE_EXTRA_CA_CERTS = ca;
  const [blob, queue, table] = await freePorts(3);
  const bin = join(dirname(createRequire(import.meta.url).resolve('azurite/package.json')), 'dist/src/azurite.js');
  const child = spawn(
    process.execPath,
    [
      bin,
      ...['--inMemoryPersistence', '--silent', '--loose', '--skipApiVersionCheck', '--disableTelemetry'],
      ...['--blobPort', String(blob), '--queuePort', String(queue), '--tablePort', String(table)],
    ],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: {
        ...process.env,
        AZURITE_ACCOUNTS: Array.from({ length: accountCount }, (_, n) => `${nameOf(n)}:${accountKey}`).join(';'),
      },
    },
  );
  await listening(child);
  let next = 0;
  const counter = createServer((_, answer) => {
    // A kept connection ends while a test keeps its process busy, and the next one would ask on what is closed.
    answer.setHeader('connection', 'close');
    if (next === accountCount) answer.writeHead(507).end('no test account left, raise accountCount');
    else answer.end(nameOf(next++));
  }).listen(0, '127.0.0.1');
  await once(counter, 'listening');
  const { port } = counter.address() as AddressInfo;
  project.provide('azurite', { ports: { blob, queue, table }, accountKey, nextAccount: `http://127.0.0.1:${port}/` });
  return async () => {
    counter.close();
    child.kill();
    await once(child, 'exit');
  };
}

function listening(child: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    let text = '';
    child.stdout?.on('data', (chunk: Buffer) => {
      text += chunk.toString();
      if (text.includes('Table service is successfully listening')) resolve();
    });
    child.once('exit', (code) => reject(new Error(`Azurite ended with ${code}: ${text}`)));
  });
}

async function freePorts(count: number): Promise<[number, number, number]> {
  const servers = Array.from({ length: count }, () => createTcpServer().listen(0, '127.0.0.1'));
  await Promise.all(servers.map((server) => once(server, 'listening')));
  const ports = servers.map((server) => (server.address() as AddressInfo).port);
  await Promise.all(servers.map((server) => new Promise((done) => server.close(done))));
  return ports as [number, number, number];
}
