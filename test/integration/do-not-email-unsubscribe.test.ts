import { randomBytes } from 'node:crypto';
import type { TableClient } from '@azure/data-tables';
import { createTransport } from 'nodemailer';
import PostalMime from 'postal-mime';
import { beforeEach, describe, expect, test } from 'vitest';
import { unsubscribeRoutes } from '../../functions/http/unsubscribe.ts';
import { type AuditLog, auditLog } from '../../lib/audit/audit.ts';
import { days } from '../../lib/clock.ts';
import { unsubscribeLinks } from '../../lib/do-not-email/link.ts';
import { type DoNotEmailList, doNotEmailList } from '../../lib/do-not-email/list.ts';
import { signingKeys } from '../../lib/do-not-email/signing-keys.ts';
import { type UnsubscribeTokens, unsubscribeTokens } from '../../lib/do-not-email/token.ts';
import type { AnyRoute } from '../../lib/http/route.ts';
import { ask, logLines, publicUrl } from '../helpers/http.ts';
import { ownStorage } from '../helpers/storage.ts';
import { ownVault } from '../helpers/vault.ts';

let table: TableClient;
let list: DoNotEmailList;
let tokens: UnsubscribeTokens;
let now = Date.parse('2026-11-22T12:00:00Z');
let log: ReturnType<typeof logLines>;
let audit: AuditLog;
let routes: AnyRoute[];
const clock = { now: () => now };

beforeEach(async () => {
  const { azure } = await ownStorage();
  const { secrets } = await ownVault();
  table = azure.table('donotemail');
  list = doNotEmailList({ table, clock });
  tokens = unsubscribeTokens({ keys: signingKeys({ secrets, clock, makeKey: () => randomBytes(32) }), clock });
  log = logLines();
  audit = auditLog({ table: azure.table('audit'), clock });
  routes = unsubscribeRoutes({ list, tokens, audit, clock, log: log.log });
});

const named = (name: string) => routes.find((route) => route.name === name)!;
const at =
  (name: string) =>
  (token: string, asked: { body?: string; headers?: Record<string, string> } = {}) =>
    ask(named(name), { path: `/unsubscribe/${token}`, params: { token }, ...asked });
const show = (token: string, headers = {}) => at('showUnsubscribe')(token, { headers });
const form = (body: string) => ({ body, headers: { 'content-type': 'application/x-www-form-urlencoded' } });
const post = (token: string, body: string) => at('unsubscribe')(token, form(body));
const undo = (page: unknown) => {
  const token = /action="([^"]+)\/undo"/.exec(String(page))?.[1];
  if (!token) throw new Error('the page has no undo button');
  return at('undoUnsubscribe')(token);
};

const ana = { recipient: 'ana@example.com', scope: 'share' } as const;

/** A mail as its recipient gets it, with every address in it. */
const mailWithLink = async () => {
  const links = unsubscribeLinks({ tokens, publicUrl });
  const { body, headers } = await links('share', 'ana@example.com', { text: 'Hi', html: '<body>Hi</body>' });
  const transport = createTransport({ streamTransport: true, buffer: true });
  const { message } = await transport.sendMail({ from: 'a@example.com', to: 'ana@example.com', ...body, headers });
  const mail = await PostalMime.parse(message as Buffer);
  const all = [mail.text, mail.html, ...mail.headers.map(({ value }) => value)].join('\n');
  return [...new Set(all.match(/https:\/\/[^\s"<>]+/g))];
};

describe('law 7: GET never changes anything', () => {
  test('every link of a mail fetched twice with GET and HEAD, as scanners do, leaves the list as it was (trap 11)', async () => {
    const writes: string[] = [];
    const addresses = await mailWithLink();
    table.pipeline.addPolicy({
      name: 'writes',
      sendRequest: (request, next) => {
        if (request.method !== 'GET') writes.push(request.method);
        return next(request);
      },
    });
    expect(addresses).toHaveLength(1);
    for (const address of [...addresses, ...addresses]) {
      const token = new URL(address).pathname.replace('/unsubscribe/', '');
      expect((await show(token)).status).toBe(200);
      const head = { ...named('showUnsubscribe'), method: 'HEAD' as 'GET' };
      expect((await ask(head, { path: `/unsubscribe/${token}`, params: { token } })).status).toBe(200);
    }
    expect(writes).toEqual([]);
    expect(await list.search({ limit: 10 })).toEqual({ entries: [] });
  });
});

describe('one click (RFC 8058)', () => {
  const multipart = [
    '--x',
    'Content-Disposition: form-data; name="List-Unsubscribe"',
    '',
    'One-Click',
    '--x--',
    '',
  ].join('\r\n');

  test.each([
    ['urlencoded', 'application/x-www-form-urlencoded', 'List-Unsubscribe=One-Click'],
    ['multipart', 'multipart/form-data; boundary=x', multipart],
  ])('as %s puts the recipient on the list, without cookie or redirect', async (_, type, body) => {
    const answer = await at('unsubscribe')(await tokens.sign(ana), { body, headers: { 'content-type': type } });
    expect(answer.status).toBe(200);
    expect(answer.headers).not.toHaveProperty('set-cookie');
    expect(answer.headers).not.toHaveProperty('location');
    expect(await list.find('ana@example.com', 'share')).toMatchObject({
      ...{ scope: ['share'], reason: 'unsubscribed', source: 'one-click', actor: 'recipient' },
    });
  });

  test.each(['', 'List-Unsubscribe=one-click', 'x=y', 'scope=everything'])('%j is not one', async (body) => {
    const answer = await post(await tokens.sign(ana), body);
    expect(answer.status).toBe(400);
    expect(await list.find('ana@example.com', 'share')).toBeUndefined();
  });

  test('of one recipient of a mail says nothing for the others (trap 7)', async () => {
    await post(await tokens.sign(ana), 'List-Unsubscribe=One-Click');
    expect(await list.find('bo@example.com', 'share')).toBeUndefined();
    expect(await list.find('ana@example.com', 'notice')).toBeUndefined();
  });
});

describe('the page', () => {
  test('says whom and what it is about, and shows the address masked', async () => {
    const { body, headers } = await show(await tokens.sign(ana));
    expect(body).toContain('a•••@example.com');
    expect(body).not.toContain('ana@');
    expect(body).toContain('files shared with you');
    expect(headers['content-security-policy']).toContain("default-src 'none'");
    expect(headers['cache-control']).toBe('no-store');
    expect(body).not.toContain('<script');
  });

  test.each([
    ['de-DE,de;q=0.9,en;q=0.8', 'de'],
    ['fr, de;q=0.5, en;q=0.7', 'en'],
    ['fr', 'en'],
    ['*', 'en'],
    ['de;q=0, en', 'en'],
  ])('for Accept-Language %s speaks %s', async (accepted, language) => {
    const { body } = await show(await tokens.sign(ana), { 'accept-language': accepted });
    expect(body).toContain(`<html lang="${language}">`);
  });

  test('stops all mail where that was chosen', async () => {
    await post(await tokens.sign(ana), 'scope=all');
    expect(await list.find('ana@example.com', 'two-factor')).toMatchObject({ scope: 'all' });
  });

  test('is in the audit as the recipient’s act, once', async () => {
    const token = await tokens.sign(ana);
    const done = await post(token, 'scope=kind');
    await post(token, 'scope=kind');
    await undo(done.body);
    await undo(done.body);
    const { entries } = await audit.list({ limit: 10 });
    expect(entries).toMatchObject([
      { action: 'do-not-email.undo', subject: 'ana@example.com', actor: { id: 'recipient' } },
      {
        ...{ action: 'do-not-email.unsubscribe', subject: 'ana@example.com', actor: { id: 'recipient' } },
        detail: { source: 'unsubscribe-page', scope: 'share', change: 'added' },
      },
    ]);
  });

  test('holds although the audit cannot be written', async () => {
    audit.record = async () => {
      throw new Error('no storage');
    };
    expect((await post(await tokens.sign(ana), 'scope=kind')).body).toContain('unsubscribed');
    expect(await list.find('ana@example.com', 'share')).toBeDefined();
    expect(log.lines.join()).toContain('do-not-email.unaudited');
  });

  test('used twice is harmless, and says the same', async () => {
    const token = await tokens.sign(ana);
    const first = await post(token, 'scope=kind');
    now += 1000;
    const second = await post(token, 'scope=kind');
    expect([first.status, second.status]).toEqual([200, 200]);
    expect(second.body).toBe(first.body);
  });

  test('with a link that was cut off, or made up, says so', async () => {
    const token = await tokens.sign(ana);
    for (const wrong of [token.slice(0, -5), `x${token}`, 'nonsense']) {
      expect((await show(wrong)).status).toBe(404);
      expect((await post(wrong, 'scope=all')).status).toBe(404);
    }
    expect(await list.search({ limit: 10 })).toEqual({ entries: [] });
  });

  test('says it where the choice could not be saved (trap 8)', async () => {
    const token = await tokens.sign(ana);
    await table.deleteTable();
    const answer = await post(token, 'scope=all');
    expect(answer.status).toBe(503);
    expect(answer.body).toContain('could not be saved');
    expect(answer.body).not.toContain('You are unsubscribed');
    expect(log.lines.join()).toContain('do-not-email.unsubscribe-failed');
  });

  test('leaves no address and no token in the log', async () => {
    const token = await tokens.sign(ana);
    await undo((await post(token, 'scope=all')).body);
    await table.deleteTable();
    await post(token, 'scope=all');
    expect(log.lines.length).toBeGreaterThan(2);
    expect(log.lines.join()).not.toMatch(/ana|ey[A-Za-z0-9_-]{20}/);
  });
});

describe('"that wasn’t me"', () => {
  test('takes the unsubscribing back', async () => {
    const done = await post(await tokens.sign(ana), 'scope=all');
    expect((await undo(done.body)).body).toContain('gets mail as before');
    expect(await list.find('ana@example.com', 'share')).toBeUndefined();
    expect((await undo(done.body)).status).toBe(200);
  });

  test('is refused after 30 days, also on a page shown anew', async () => {
    const token = await tokens.sign(ana);
    const done = await post(token, 'scope=all');
    now += days(30);
    expect((await undo(done.body)).status).toBe(404);
    expect((await post(token, 'scope=all')).body).not.toContain('/undo"');
    expect(await list.find('ana@example.com', 'share')).toBeDefined();
  });

  test('never takes an admin’s entry back', async () => {
    const token = await tokens.sign(ana);
    await list.add({
      ...{ address: 'ana@example.com', scope: 'all', reason: 'admin', source: 'api', actor: 'Bo', note: '' },
    });
    expect((await post(token, 'scope=all')).body).not.toContain('/undo"');
  });
});
