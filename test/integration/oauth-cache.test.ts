import { expect, test } from 'vitest';
import { minutes } from '../../lib/clock.ts';
import { tokenCache } from '../../lib/oauth/cache.ts';
import type { Connection, ConnectionState } from '../../lib/oauth/state.ts';
import { memoryLog } from '../helpers/log.ts';
import { ownVault } from '../helpers/vault.ts';

const person = { id: 'm', name: 'M' };
const account = { homeAccountId: 'o.t', username: 'files@example.com', tenantId: 't' };
const cacheOf = (secret: string) => JSON.stringify({ Account: {}, RefreshToken: { r: { secret } }, AppMetadata: {} });

/** Two hosts with one vault and one row. */
const hosts = async () => {
  const { secrets, vault } = await ownVault();
  let row: ConnectionState = { v: 1, told: {}, history: [] };
  let now = 0;
  const host = () => tokenCache({ secrets, state: async () => row, clock: { now: () => now }, log: memoryLog() });
  const connect = async (cache: ReturnType<typeof host>, id: string): Promise<Connection> => {
    const version = await cache.put(id, cacheOf(`first of ${id}`));
    const connection = { id, seal: 's', version, account, at: 0, by: person, renewedAt: 0 };
    row = { ...row, connection };
    return connection;
  };
  return {
    ...{ secrets, vault, host, connect, one: host(), other: host() },
    disconnect: () => {
      const { connection: _, ...rest } = row;
      row = rest;
    },
    pass: (milliseconds: number) => {
      now += milliseconds;
    },
  };
};

test('a host that renewed the former connection does not store over the new one', async () => {
  const { one, other, connect } = await hosts();
  const former = await connect(one, 'a');
  const present = await connect(one, 'b');
  await other.save(former, cacheOf('late'));
  expect(await other.load(present)).toBe(cacheOf('first of b'));
});

test('even where it did, between the look and the write, the new connection is found by its version', async () => {
  const { one, host, connect, secrets } = await hosts();
  const present = await connect(one, 'b');
  await secrets.set('oauth-token-cache', JSON.stringify({ v: 1, connection: 'a', cache: cacheOf('late') }));
  expect(await host().load(present)).toBe(cacheOf('first of b'));
});

test('a renewal that ends after the disconnection leaves nothing in the vault', async () => {
  const { one, other, connect, disconnect, secrets } = await hosts();
  const connection = await connect(one, 'a');
  disconnect();
  await one.forget();
  await other.save(connection, cacheOf('late'));
  expect(await secrets.get('oauth-token-cache')).toBeUndefined();
});

test('a cache that did not change is not written again', async () => {
  const { one, connect, vault } = await hosts();
  const connection = await connect(one, 'a');
  const writes = vault.requests.set;
  await one.save(connection, cacheOf('first of a'));
  expect(vault.requests.set).toBe(writes);
});

test('what the vault does not take is tried again, once a minute at most', async () => {
  const { one, connect, vault, pass, host } = await hosts();
  const connection = await connect(one, 'a');
  vault.faults.set([{ op: 'set', status: 403 }]);
  await one.save(connection, cacheOf('second'));
  const writes = vault.requests.set;
  for (let n = 0; n < 5; n++) await one.retry();
  expect(vault.requests.set).toBe(writes);
  expect(await one.load(connection)).toBe(cacheOf('second'));
  vault.faults.clear();
  pass(minutes(1));
  await one.retry();
  expect(await host().load(connection)).toBe(cacheOf('second'));
});
