import { createHmac, randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { beforeEach, describe, expect, test } from 'vitest';
import { days, hours } from '../../lib/clock.ts';
import { signingKeys } from '../../lib/do-not-email/signing-keys.ts';
import { unsubscribeTokens } from '../../lib/do-not-email/token.ts';
import type { SecretStore } from '../../lib/storage/secrets.ts';
import { ownVault } from '../helpers/vault.ts';

let now = Date.parse('2026-11-22T12:00:00Z');
const clock = { now: () => now };

/** One process: what it knows is in its memory and in the vault. */
const process = () => {
  const keys = signingKeys({ secrets: vault.store, clock, makeKey: () => randomBytes(32) });
  return { keys, ...unsubscribeTokens({ keys, clock }) };
};

const link = { recipient: 'ana@example.com', scope: 'share' } as const;
const payloadOf = (token: string) => JSON.parse(Buffer.from(token.split('.')[0] ?? '', 'base64url').toString());

/** The vault, with a count of calls and a switch that takes it away. */
const vault = { calls: 0, away: false, store: {} as SecretStore };

beforeEach(async () => {
  const { secrets } = await ownVault();
  const called = () => {
    vault.calls += 1;
    if (vault.away) throw new Error('the vault does not answer');
  };
  vault.away = false;
  vault.store = {
    ...secrets,
    get: async (...asked) => {
      called();
      return secrets.get(...asked);
    },
    set: async (...given) => {
      called();
      return secrets.set(...given);
    },
  };
});

describe('an unsubscribe token', () => {
  test('reads back in another process, and names recipient and scope only', async () => {
    const token = await process().sign(link);
    expect(await process().read(token)).toEqual(link);
    expect(Object.keys(payloadOf(token)).sort()).toEqual(['k', 'p', 'r', 's']);
  });

  test('has no expiry (trap 9)', async () => {
    const token = await process().sign(link);
    now += days(3650);
    expect(await process().read(token)).toEqual(link);
  });

  test('outlives rotations of the key, which is one of its own (trap 9)', async () => {
    const old = await process().sign(link);
    await process().keys.rotate();
    await process().keys.rotate();
    expect(await process().read(old)).toEqual(link);
    expect(payloadOf(await process().sign(link)).k).not.toBe(payloadOf(old).k);
  });

  test('outlives two processes that make the first key at the same moment', async () => {
    const tokens = await Promise.all([process(), process(), process()].map((it) => it.sign(link)));
    for (const token of tokens) expect(await process().read(token)).toEqual(link);
  });

  test('with any character changed is refused', async () => {
    const { sign, read } = process();
    const token = await sign(link);
    for (let i = 0; i < token.length; i++) {
      const other = `${token.slice(0, i)}${token[i] === 'A' ? 'B' : 'A'}${token.slice(i + 1)}`;
      const known = await read(other).catch(() => undefined);
      // The last character of base64url carries bits that nobody reads.
      if (i < token.length - 1 && token[i] !== '.') expect(known, `character ${i}`).toBeUndefined();
    }
  });

  test('made up by anybody is refused, whatever it looks like', async () => {
    const { read } = process();
    await fc.assert(
      fc.asyncProperty(fc.oneof(fc.string(), fc.base64String(), fc.json()), async (text) => {
        expect(await read(text)).toBeUndefined();
        const payload = Buffer.from(text).toString('base64url');
        const forged = createHmac('sha256', 'guess').update(payload).digest('base64url');
        expect(await read(`${payload}.${forged}`)).toBeUndefined();
      }),
    );
  });

  test('of one purpose is not taken for another', async () => {
    const { sign, read, signUndo, readUndo } = process();
    expect(await readUndo(await sign(link))).toBeUndefined();
    const undo = await signUndo({ recipient: 'ana@example.com', time: new Date(now).toISOString() });
    expect(await read(undo)).toBeUndefined();
  });

  test('for undo is valid for 30 days', async () => {
    const { signUndo, readUndo } = process();
    const time = new Date(now).toISOString();
    const undo = await signUndo({ recipient: 'ana@example.com', time });
    now += days(30) - 1;
    expect(await readUndo(undo)).toEqual({ recipient: 'ana@example.com', time });
    now += 1;
    expect(await readUndo(undo)).toBeUndefined();
  });
});

describe('the vault', () => {
  test('is asked once for many mails', async () => {
    await process().sign(link);
    const { sign } = process();
    vault.calls = 0;
    await Promise.all(Array.from({ length: 50 }, () => sign(link)));
    for (let i = 0; i < 50; i++) await sign(link);
    expect(vault.calls).toBe(1);
  });

  test('may be away for a while once a key is known', async () => {
    const { sign, read } = process();
    const token = await sign(link);
    vault.away = true;
    now += hours(5);
    expect(await read(await sign(link))).toEqual(link);
    expect(await read(token)).toEqual(link);
  });

  test('that is away at first makes the mail wait: no token without a key', async () => {
    vault.away = true;
    const { sign } = process();
    await expect(sign(link)).rejects.toThrow('does not answer');
    vault.away = false;
    expect(await sign(link)).toContain('.');
  });

  test('is not asked for every invented version of a key', async () => {
    const { read, sign } = process();
    await sign(link);
    vault.calls = 0;
    const invented = (n: number) => {
      const payload = { p: 'unsubscribe', k: n.toString(16).padStart(32, 'f'), r: 'ana@example.com', s: 'share' };
      return `${Buffer.from(JSON.stringify(payload)).toString('base64url')}.AAAA`;
    };
    const results = await Promise.allSettled(Array.from({ length: 200 }, (_, n) => read(invented(n))));
    expect(vault.calls).toBeLessThanOrEqual(30);
    expect(results.some(({ status }) => status === 'fulfilled')).toBe(true);
    expect(await read(await sign(link))).toEqual(link);
  });
});
