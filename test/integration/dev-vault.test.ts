import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TokenCredential } from '@azure/identity';
import { SecretClient } from '@azure/keyvault-secrets';
import { afterEach, beforeAll, expect, test } from 'vitest';
import { startVault, type Vault, type VaultOptions } from '../../dev/vault/server.ts';
import { vaultSecrets } from '../../lib/storage/secrets.ts';
import { trustedCertificates } from '../helpers/relay.ts';

let files: Awaited<ReturnType<typeof trustedCertificates>>;
let vault: Vault;

beforeAll(async () => {
  files = await trustedCertificates();
});
afterEach(() => vault.close());

const tokenOf = (claims: object) => `e30.${Buffer.from(JSON.stringify(claims)).toString('base64url')}.x`;
const inAnHour = () => Math.floor(Date.now() / 1000) + 3600;
const good = () => tokenOf({ aud: 'https://vault.azure.net', exp: inAnHour() });

const credential = (token: string, asked: string[] = []): TokenCredential => ({
  getToken: async (scopes) => {
    asked.push(...[scopes].flat());
    return { token, expiresOnTimestamp: Date.now() + 3_600_000 };
  },
});

const client = (from: TokenCredential = credential(good())) =>
  new SecretClient(vault.url, from, {
    disableChallengeResourceVerification: true,
    retryOptions: { maxRetries: 0 },
  });

const start = async (options: Partial<VaultOptions> = {}) => {
  vault = await startVault({ ...files, ...options });
  return client();
};

const all = async <Item>(pages: AsyncIterable<Item>): Promise<Item[]> => {
  const items: Item[] = [];
  for await (const item of pages) items.push(item);
  return items;
};

/** Status and codes of a refusal, as the SDK's error carries them. */
const refusal = async (call: Promise<unknown>) => {
  const error = (await call.catch((thrown: unknown) => thrown)) as {
    statusCode?: number;
    code?: string;
    message: string;
  };
  return { status: error.statusCode, code: error.code, message: error.message };
};

test('the real client sets and reads secrets, the newest and by version', async () => {
  const secrets = await start();
  const first = await secrets.setSecret('smtp-password', 'one', { contentType: 'text/plain', tags: { of: 'smtp' } });
  const second = await secrets.setSecret('smtp-password', 'two');
  expect(first.properties.version).not.toBe(second.properties.version);
  expect(await secrets.getSecret('smtp-password')).toMatchObject({ name: 'smtp-password', value: 'two' });
  const version = first.properties.version ?? '';
  expect(await secrets.getSecret('smtp-password', { version })).toMatchObject({
    value: 'one',
    properties: {
      version,
      contentType: 'text/plain',
      tags: { of: 'smtp' },
      enabled: true,
      createdOn: expect.any(Date),
    },
  });
});

test('versions and secrets are listed over several pages, without values', async () => {
  const secrets = await start();
  for (let n = 0; n < 27; n++) await secrets.setSecret('many', String(n));
  await secrets.setSecret('other', 'x');
  const versions = await all(secrets.listPropertiesOfSecretVersions('many'));
  expect(new Set(versions.map((one) => one.version)).size).toBe(27);
  const names = (await all(secrets.listPropertiesOfSecrets())).map((one) => one.name);
  expect(names.sort()).toEqual(['many', 'other']);
});

test('what is not there is 404 SecretNotFound, and the store reads it as none', async () => {
  const secrets = await start();
  expect(await refusal(secrets.getSecret('nothing'))).toMatchObject({ status: 404, code: 'SecretNotFound' });
  expect(await vaultSecrets(() => secrets).get('smtp-password')).toBeUndefined();
  await vaultSecrets(() => secrets).delete('smtp-password');
});

test('a deleted secret keeps its name taken: 409 until it is recovered or purged', async () => {
  const secrets = await start();
  await secrets.setSecret('a', 'one');
  await (await secrets.beginDeleteSecret('a')).pollUntilDone();
  expect(await refusal(secrets.getSecret('a'))).toMatchObject({ status: 404 });
  expect(await refusal(secrets.setSecret('a', 'two'))).toMatchObject({
    status: 409,
    message: expect.stringContaining('deleted but recoverable state'),
  });
  expect(await secrets.getDeletedSecret('a')).toMatchObject({ name: 'a', deletedOn: expect.any(Date) });
  expect((await all(secrets.listDeletedSecrets())).map((one) => one.name)).toEqual(['a']);
  await (await secrets.beginRecoverDeletedSecret('a')).pollUntilDone();
  expect((await secrets.getSecret('a')).value).toBe('one');
  await (await secrets.beginDeleteSecret('a')).pollUntilDone();
  await secrets.purgeDeletedSecret('a');
  expect(await refusal(secrets.getDeletedSecret('a'))).toMatchObject({ status: 404 });
  expect(await secrets.setSecret('a', 'three')).toMatchObject({ value: 'three' });
});

test('the store of secrets sets one again that was deleted', async () => {
  const secrets = vaultSecrets(() => stored);
  const stored = await start();
  await secrets.set('smtp-password', 'one');
  await secrets.delete('smtp-password');
  expect(await secrets.get('smtp-password')).toBeUndefined();
  const version = await secrets.set('smtp-password', 'two');
  expect(await secrets.get('smtp-password')).toEqual({ value: 'two', version });
});

test('25 KB fit, one byte more does not; a name has letters, digits and hyphens', async () => {
  const secrets = await start();
  await secrets.setSecret('big', 'x'.repeat(25_600));
  expect(await refusal(secrets.setSecret('big', 'x'.repeat(25_601)))).toMatchObject({
    status: 400,
    code: 'BadParameter',
  });
  expect(await refusal(secrets.setSecret('a_b', 'x'))).toMatchObject({ status: 400, code: 'BadParameter' });
});

test('a disabled version is not readable', async () => {
  const secrets = await start();
  const { properties } = await secrets.setSecret('a', 'one');
  await secrets.updateSecretProperties('a', properties.version ?? '', { enabled: false });
  expect(await refusal(secrets.getSecret('a'))).toMatchObject({ status: 403, code: 'Forbidden' });
});

test('the challenge leads the client to the scope of the vault, and only a token for it is let in', async () => {
  await start();
  const asked: string[] = [];
  await client(credential(good(), asked)).setSecret('a', 'one');
  expect(asked).toEqual(['https://vault.azure.net/.default']);
  expect(vault.requests).toMatchObject({ challenge: 1, set: 1 });
  const wrong = [
    tokenOf({ aud: 'https://storage.azure.com', exp: inAnHour() }),
    tokenOf({ aud: 'https://vault.azure.net', exp: 1 }),
    'no token at all',
  ];
  for (const token of wrong)
    expect(await refusal(client(credential(token)).getSecret('a'))).toMatchObject({ status: 401 });
});

test('with a token given, no other is let in', async () => {
  await start({ token: 'the one' });
  await client(credential('the one')).setSecret('a', 'one');
  expect(await refusal(client().getSecret('a'))).toMatchObject({ status: 401 });
});

test.each([
  [403, 'Forbidden'] as const,
  [429, 'Throttled'] as const,
  [500, 'InternalServerError'] as const,
])('a scripted %i strikes the named operation as often as it was told to', async (status, code) => {
  const secrets = await start();
  await secrets.setSecret('a', 'one');
  vault.faults.set([{ op: 'get', status, times: 2 }]);
  expect(await refusal(secrets.getSecret('a'))).toMatchObject({ status, code });
  await secrets.setSecret('a', 'two');
  expect(await refusal(secrets.getSecret('a'))).toMatchObject({ status, code });
  expect((await secrets.getSecret('a')).value).toBe('two');
  expect(vault.requests).toMatchObject({ get: 3, set: 2 });
  vault.faults.set([{ op: 'set', status }]);
  expect(await refusal(secrets.setSecret('a', 'three'))).toMatchObject({ status });
  vault.faults.clear();
  expect((await secrets.getSecret('a')).value).toBe('two');
});

test('secrets survive a restart, in a file that only its owner can read', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'postern-vault-'));
  const stateFile = join(folder, 'vault.json');
  await (await start({ stateFile })).setSecret('a', 'one');
  await vault.close();
  expect((await stat(stateFile)).mode & 0o777).toBe(0o600);
  expect(await readFile(stateFile, 'utf8')).toContain('one');
  expect((await (await start({ stateFile })).getSecret('a')).value).toBe('one');
  await rm(folder, { recursive: true });
});
