import type { TableClient } from '@azure/data-tables';
import { describe, expect, test } from 'vitest';
import { auditRoutes } from '../../functions/http/audit.ts';
import { doNotEmailCsvRoutes } from '../../functions/http/do-not-email-csv.ts';
import { auditLog } from '../../lib/audit/audit.ts';
import { days } from '../../lib/clock.ts';
import { readImport } from '../../lib/do-not-email/import-progress.ts';
import { doNotEmailList } from '../../lib/do-not-email/list.ts';
import { continuationOf } from '../../lib/http/paging.ts';
import { ask } from '../helpers/http.ts';
import { ownStorage } from '../helpers/storage.ts';

const stack = async () => {
  const { azure } = await ownStorage();
  let now = Date.UTC(2026, 10, 22, 12);
  const audit = auditLog({ table: azure.table('audit'), clock: { now: () => now } });
  const record = (subject: string, detail = {}) =>
    audit.record({ actor: { id: 'u-1', name: 'ana@example.com' }, action: 'do-not-email.add', subject, detail });
  const pass = (ms: number) => {
    now += ms;
  };
  return { azure, audit, record, pass, route: auditRoutes(audit)[0]!, clock: { now: () => now } };
};

describe('the audit log', () => {
  test('tells who did what, newest first, over the days', async () => {
    const { audit, record, pass } = await stack();
    for (const subject of ['one', 'two', 'three', 'four']) {
      await record(subject, { reason: 'asked', count: 1 });
      pass(days(0.4));
    }
    const { entries, next } = await audit.list({ limit: 10 });
    expect(entries.map(({ subject }) => subject)).toEqual(['four', 'three', 'two', 'one']);
    expect(next).toBeUndefined();
    expect(entries[3]).toMatchObject({
      at: '2026-11-22T12:00:00.000Z',
      actor: { id: 'u-1', name: 'ana@example.com' },
      action: 'do-not-email.add',
      detail: { reason: 'asked', count: 1 },
    });
  });

  test('is read page by page without gap or repeat, also among entries of one millisecond', async () => {
    const { audit, record, pass } = await stack();
    for (let n = 0; n < 7; n++) {
      await record(`s${n}`);
      if (n % 3 === 2) pass(days(1));
    }
    const all = (await audit.list({ limit: 100 })).entries.map(({ id }) => id);
    const paged: string[] = [];
    let after: Awaited<ReturnType<typeof audit.list>>['next'];
    do {
      const { entries, next } = await audit.list({ limit: 2, after });
      expect(entries.length).toBeLessThanOrEqual(2);
      paged.push(...entries.map(({ id }) => id));
      after = next;
    } while (after);
    expect(new Set(all).size).toBe(7);
    expect(paged).toEqual(all);
  });

  test('can be asked for one subject, whatever characters it has', async () => {
    const { audit, record } = await stack();
    await record("o'brien@example.com");
    await record('other');
    const { entries } = await audit.list({ limit: 10, subject: "o'brien@example.com" });
    expect(entries.map(({ subject }) => subject)).toEqual(["o'brien@example.com"]);
    expect((await audit.list({ limit: 10, subject: "x' or subject ne 'x" })).entries).toEqual([]);
  });

  test('of a subject that is rare is read some pages at a time, and goes on where it stopped', async () => {
    let asked = 0;
    // The service ends a page where a scan gets long, also before it found anything; its stand-in scans all at once.
    const table = {
      listEntities: () => ({
        async *byPage({ continuationToken = '0' }) {
          asked++;
          const next = Number(continuationToken) + 1;
          yield Object.assign([], next < 50 ? { continuationToken: String(next) } : {});
        },
      }),
    } as unknown as TableClient;
    const audit = auditLog({ table, clock: { now: () => 0 } });
    const first = await audit.list({ limit: 10, subject: 'rare' });
    expect(first.entries).toEqual([]);
    expect(asked).toBeLessThanOrEqual(5);
    const { next } = await audit.list({ limit: 10, subject: 'rare', after: first.next });
    expect(Number(next)).toBe(2 * Number(first.next));
  });

  test('cuts what is too long instead of failing what it records', async () => {
    const { audit, record } = await stack();
    await record('x'.repeat(40_000), { value: 'y'.repeat(40_000) });
    const { entries } = await audit.list({ limit: 1 });
    expect(entries[0]).toMatchObject({ subject: 'x'.repeat(1000), detail: { value: 'y'.repeat(1000) } });
  });
});

test.each([
  ['the list cannot be written', []],
  ['neither the list can be written nor how far it is', ['updateEntity']],
] as const)('an import that breaks off, since %s, is told as failed', async (_, also) => {
  const { azure, audit, clock } = await stack();
  const table = azure.table('donotemail');
  const wait = async () => undefined;
  const list = doNotEmailList({ table, clock, wait });
  const routes = doNotEmailCsvRoutes({ list, table, audit, clock, uniqueId: () => 'one', wait });
  for (const write of ['submitTransaction', ...also] as const) {
    table[write] = () => Promise.reject(new Error('503 the list does not answer'));
  }
  const answer = await ask(routes.find(({ name }) => name === 'importDoNotEmail')!, {
    ...{ path: '/api/do-not-email/import', as: ['Admin'] },
    ...{ headers: { 'content-type': 'text/csv' }, body: 'address\nana@example.com\n' },
  });
  expect(answer.status).toBe(500);
  const { entries } = await audit.list({ limit: 10 });
  expect(entries).toMatchObject([
    { action: 'do-not-email.import', subject: 'one', detail: { lines: 1, outcome: 'failed' } },
  ]);
  const state = also.length > 0 ? 'running' : 'failed';
  expect(await readImport(table, 'one')).toMatchObject({ state });
});

describe('GET api/audit', () => {
  test('pages by an opaque token', async () => {
    const { record, route } = await stack();
    for (const subject of ['a', 'b', 'c']) await record(subject);
    const first = await ask(route, { path: '/api/audit?limit=2', as: ['Admin'] });
    const { entries, next } = first.json as { entries: { id: string }[]; next: string };
    const second = await ask(route, { path: `/api/audit?limit=2&after=${next}`, as: ['Admin'] });
    const rest = second.json as { entries: { id: string }[]; next?: string };
    expect(new Set([...entries, ...rest.entries].map(({ id }) => id)).size).toBe(3);
    expect(rest.next).toBeUndefined();
  });

  test.each([
    'x',
    'e30',
    '*',
    'bnVsbA',
    continuationOf('x'),
    continuationOf('e30='),
    continuationOf('bnVsbA=='),
  ])('refuses the token %s, which it has not given', async (token) => {
    const { route } = await stack();
    const answer = await ask(route, { path: `/api/audit?after=${token}`, as: ['Admin'] });
    expect(answer).toMatchObject({
      status: 400,
      json: { faults: [{ path: 'after', reason: 'is not a continuation of this list' }] },
    });
  });
});
