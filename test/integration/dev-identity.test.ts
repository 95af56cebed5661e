import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createRequire } from 'node:module';
import { type AddressInfo, createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { TableClient, TableServiceClient } from '@azure/data-tables';
import { DefaultAzureCredential } from '@azure/identity';
import { SecretClient } from '@azure/keyvault-secrets';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { type Identity, startIdentity } from '../../dev/identity/server.ts';
import { startVault, type Vault } from '../../dev/vault/server.ts';
import { trustedCertificates } from '../helpers/relay.ts';

const account = 'devstoreaccount1';
let identity: Identity;
let vault: Vault;
let azurite: ChildProcess;
let tables: string;

beforeAll(async () => {
  const files = await trustedCertificates();
  identity = await startIdentity({ header: 'shared', clientIds: ['11111111-2222-4333-8444-555555555555'] });
  for (const [name, value] of Object.entries(identity.environment)) vi.stubEnv(name, value);
  vault = await startVault(files);
  const port = await freePort();
  azurite = startAzurite(port, files);
  tables = `https://127.0.0.1:${port}/${account}`;
  await said(azurite, 'Azurite Table service successfully started');
});
afterAll(async () => {
  azurite.kill();
  await once(azurite, 'exit');
  await Promise.all([vault.close(), identity.close()]);
  vi.unstubAllEnvs();
});

test('DefaultAzureCredential finds the endpoint, and Azurite with OAuth over TLS lets its token in', async () => {
  const credential = new DefaultAzureCredential();
  await new TableServiceClient(tables, credential).createTable('rows');
  const table = new TableClient(tables, 'rows', credential);
  await table.createEntity({ partitionKey: 'a', rowKey: 'b', text: 'hello' });
  expect(await table.getEntity('a', 'b')).toMatchObject({ text: 'hello' });
  expect(identity.requests).toContainEqual({ resource: 'https://storage.azure.com', clientId: undefined });
});

test('the same credential opens the vault', async () => {
  const secrets = new SecretClient(vault.url, new DefaultAzureCredential(), {
    disableChallengeResourceVerification: true,
  });
  await secrets.setSecret('smtp-password', 'one');
  expect((await secrets.getSecret('smtp-password')).value).toBe('one');
  expect(identity.requests).toContainEqual({ resource: 'https://vault.azure.net', clientId: undefined });
});

test('a user-assigned identity is asked for by its client id', async () => {
  const clientId = '11111111-2222-4333-8444-555555555555';
  const credential = new DefaultAzureCredential({ managedIdentityClientId: clientId });
  const { token, expiresOnTimestamp } = await credential.getToken('https://storage.azure.com/.default');
  expect(JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString())).toMatchObject({
    aud: 'https://storage.azure.com',
    appid: clientId,
  });
  expect(expiresOnTimestamp).toBeGreaterThan(Date.now() + 3_600_000);
});

test.each<[string, string, Record<string, string>, number]>([
  ['without the header', '?resource=https://a&api-version=2019-08-01', {}, 401],
  ['with a wrong header', '?resource=https://a&api-version=2019-08-01', { 'x-identity-header': 'guessed' }, 401],
  ['with another api-version', '?resource=https://a&api-version=2017-09-01', { 'x-identity-header': 'shared' }, 400],
  ['without a resource', '?api-version=2019-08-01', { 'x-identity-header': 'shared' }, 400],
  [
    'for an unknown client id',
    '?resource=https://a&api-version=2019-08-01&client_id=x',
    { 'x-identity-header': 'shared' },
    400,
  ],
])('no token %s', async (_, query, headers, status) => {
  const answer = await fetch(identity.environment.IDENTITY_ENDPOINT + query, { headers });
  expect(answer.status).toBe(status);
  expect(await answer.json()).toEqual({ statusCode: status, message: expect.any(String) });
});

const startAzurite = (port: number, files: { cert: string; key: string }): ChildProcess => {
  const bin = dirname(createRequire(import.meta.url).resolve('azurite/package.json'));
  return spawn(
    process.execPath,
    [
      join(bin, 'dist/src/table/main.js'),
      ...[
        '--tablePort',
        String(port),
        '--inMemoryPersistence',
        '--silent',
        '--skipApiVersionCheck',
        '--disableTelemetry',
      ],
      ...['--oauth', 'basic', '--cert', files.cert, '--key', files.key],
    ],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
};

const said = (child: ChildProcess, words: string): Promise<void> =>
  new Promise((resolve, reject) => {
    let text = '';
    child.stdout?.on('data', (chunk: Buffer) => {
      text += chunk.toString();
      if (text.includes(words)) resolve();
    });
    child.once('exit', (code) => reject(new Error(`Azurite ended with ${code}: ${text}`)));
  });

const freePort = async (): Promise<number> => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  await new Promise((done) => server.close(done));
  return port;
};
