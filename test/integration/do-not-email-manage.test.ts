import type { TableClient } from '@azure/data-tables';
import fc from 'fast-check';
import { beforeEach, describe, expect, test } from 'vitest';
import { days, minutes } from '../../lib/clock.ts';
import { ageOutDoNotEmail } from '../../lib/do-not-email/age-out.ts';
import { csvLine, readCsv } from '../../lib/do-not-email/csv.ts';
import { importEntries } from '../../lib/do-not-email/import.ts';
import { type DoNotEmailList, doNotEmailList } from '../../lib/do-not-email/list.ts';
import type { AnyRoute } from '../../lib/http/route.ts';
import { type DoNotEmailAdmin, doNotEmailAdmin } from '../helpers/do-not-email.ts';
import { assertClosed } from '../helpers/routes.ts';

let table: TableClient;
let list: DoNotEmailList;
let routes: AnyRoute[];
let audit: DoNotEmailAdmin['audit'];
let stopped: DoNotEmailAdmin['stopped'];
let call: DoNotEmailAdmin['call'];
let add: DoNotEmailAdmin['add'];
let actions: DoNotEmailAdmin['actions'];
let now = Date.parse('2026-11-22T12:00:00Z');
const clock = { now: () => now };
const wait = async (milliseconds: number) => {
  now += milliseconds;
};

beforeEach(async () => {
  ({ table, list, routes, audit, stopped, call, add, actions } = await doNotEmailAdmin(clock, wait));
});

const get = async (query = '') => (await call('listDoNotEmail', query)).json as { entries: unknown[]; next?: string };
const csv = { 'content-type': 'text/csv' };
const importCsv = async (text: string, query = '') =>
  (await call('importDoNotEmail', `/import${query}`, text, csv)).json;
const exported = async () => String((await call('exportDoNotEmail', '/export')).body);

test('law 8: every route is closed', () => assertClosed(routes, []));

describe('the Manage dialog', () => {
  test('adds, shows and removes, and says so in the audit', async () => {
    expect((await add({ address: ' Ana@Example.com ', note: 'asked by phone' })).status).toBe(201);
    expect((await add({ address: 'ana@example.com' })).status).toBe(200);
    expect(await get()).toMatchObject({
      entries: [{ address: 'ana@example.com', scope: 'all', reason: 'admin', actor: 'ana@example.com' }],
    });
    expect(await get('?address=ANA@example.com')).toMatchObject({ entries: [{ note: 'asked by phone' }] });
    now += 1000;
    const removed = await call('removeDoNotEmail', '?address=Ana@example.com');
    expect(removed.json).toEqual({ removed: ['ana@example.com'], missing: [], stopped: [] });
    expect(await get()).toEqual({ entries: [] });
    expect(await actions()).toEqual([
      ['do-not-email.remove', 'ana@example.com'],
      ['do-not-email.add', 'ana@example.com'],
    ]);
  });

  test('changes nothing that could not be put into the audit before', async () => {
    await add({ address: 'ana@example.com' });
    audit.begin = async () => {
      throw new Error('no storage');
    };
    expect((await add({ address: 'bo@example.com' })).status).toBe(500);
    expect((await call('removeDoNotEmail', '?address=ana@example.com')).status).toBe(500);
    expect(await get()).toMatchObject({ entries: [{ address: 'ana@example.com' }] });
    expect((await add({ address: 'ana@example.com' })).status).toBe(200);
  });

  test('records a complaint that somebody told of, and it stays one', async () => {
    await add({ address: 'ana@example.com', reason: 'complaint', note: 'rang us' });
    await add({ address: 'ana@example.com' });
    expect(await get()).toMatchObject({ entries: [{ reason: 'complaint', source: 'api', note: 'rang us' }] });
    expect((await add({ address: 'ana@example.com', reason: 'imported' })).status).toBe(400);
  });

  test('removes many at once, and tells which were not there', async () => {
    await add({ address: 'ana@example.com', scope: ['share'] });
    const answer = await call('removeDoNotEmail', '', { addresses: ['ana@example.com', 'bo@example.com'] });
    expect(answer.json).toEqual({ removed: ['ana@example.com'], missing: ['bo@example.com'], stopped: [] });
  });

  test('removing an entry offers the mails that it stopped in the last days', async () => {
    await add({ address: 'ana@example.com' });
    const mail = (id: string, ago: number) => ({
      ...{ id, kind: 'share', subject: 'Plans', time: new Date(now - ago).toISOString() },
    });
    stopped['ana@example.com'] = [mail('new', days(1)), mail('old', days(9))];
    const answer = await call('removeDoNotEmail', '?address=ana@example.com&days=7');
    expect(answer.json).toMatchObject({
      stopped: [{ address: 'ana@example.com', deliveries: [{ id: 'new', subject: 'Plans' }] }],
    });
  });

  test('refuses what is no address, by field', async () => {
    expect((await add({ address: 'ana' })).json).toMatchObject({ code: 'invalid-request' });
    expect((await add({ address: 'ana@example.com', scope: ['newsletter'] })).status).toBe(400);
    expect((await call('listDoNotEmail', '?after=AAAA')).status).toBe(400);
  });

  test('pages and searches over HTTP', async () => {
    for (const address of ['ana@example.com', 'bo@example.com', 'ana@bücher.example']) await add({ address });
    const first = await get('?limit=2');
    expect(first.entries).toHaveLength(2);
    const second = await get(`?limit=2&after=${first.next}`);
    expect(second).toMatchObject({ entries: [{ address: 'bo@example.com' }] });
    expect(second).not.toHaveProperty('next');
    expect((await get('?prefix=ANA')).entries).toHaveLength(2);
    expect((await get(`?domain=${encodeURIComponent('Bücher.example')}`)).entries).toHaveLength(1);
  });
});

describe('import', () => {
  test('takes a byte order mark, CRLF, quotes and columns in any order', async () => {
    const file =
      '\ufeffnote,Address,scope\r\n"said ""no"", twice",Ana@Example.com,\r\n,bo@example.com,share;notice\r\n';
    expect(await importCsv(file)).toMatchObject({ new: 2, known: 0, invalid: [], dryRun: false });
    expect(await list.get('ana@example.com')).toMatchObject({
      ...{ scope: 'all', reason: 'imported', source: 'import', note: 'said "no", twice' },
    });
    expect(await list.get('bo@example.com')).toMatchObject({ scope: ['share', 'notice'] });
    expect((await actions())[0]?.[0]).toBe('do-not-email.import');
  });

  test('names each invalid line and takes the others', async () => {
    const file = 'address,scope\nana@example.com,all\nana\nbo@example.com,newsletter\n\n=1+1,\ncy@example.com\n';
    expect(await importCsv(file)).toMatchObject({
      ...{ new: 2, invalidLines: 3 },
      invalid: [
        { line: 3, reason: expect.stringContaining('address') },
        { line: 4, reason: expect.stringContaining('newsletter') },
        { line: 6, reason: expect.stringContaining('address') },
      ],
    });
  });

  test('a dry run counts the same and writes nothing', async () => {
    await add({ address: 'ana@example.com' });
    const file = 'address\nana@example.com\nbo@example.com\nbo@example.com\n@example.org\n';
    const dry = await importCsv(file, '?dryRun=true');
    expect(dry).toMatchObject({ new: 2, known: 2, dryRun: true });
    expect((await get()).entries).toHaveLength(1);
    expect(await importCsv(file)).toMatchObject({ new: 2, known: 2 });
    expect((await get()).entries).toHaveLength(3);
    expect(await importCsv(file)).toMatchObject({ new: 0, known: 4 });
  });

  test('keeps the reason that the file names, and takes no other', async () => {
    const file =
      'address,reason\nana@example.com,Complaint\nbo@example.com,\ncy@example.com,angry\nbo@example.com,complaint\n';
    expect(await importCsv(file)).toMatchObject({
      ...{ new: 2, known: 1, invalidLines: 1 },
      invalid: [{ line: 4, reason: expect.stringContaining('reason must be one of') }],
    });
    expect(await list.get('ana@example.com')).toMatchObject({ reason: 'complaint', source: 'import' });
    expect(await list.get('bo@example.com')).toMatchObject({ reason: 'complaint' });
  });

  test('is forgotten after a while', async () => {
    await importCsv('address\nana@example.com\n', '?id=old');
    now += days(2);
    await importCsv('address\nana@example.com\n', '?id=new');
    expect(await ageOutDoNotEmail(table)(now - days(1), 100)).toBe(1);
    expect((await call('readDoNotEmailImport', '/import/old')).status).toBe(404);
    expect((await call('readDoNotEmailImport', '/import/new')).status).toBe(200);
    expect(await list.get('ana@example.com')).toBeDefined();
  });

  test('never makes an entry narrower or weaker', async () => {
    await add({ address: 'ana@example.com' });
    await add({ address: 'bo@example.com', scope: ['share'] });
    expect(await importCsv('address,scope\nana@example.com,share\nbo@example.com,notice\n')).toMatchObject({
      ...{ new: 1, known: 1 },
    });
    expect(await list.get('ana@example.com')).toMatchObject({ scope: 'all', reason: 'admin' });
    expect(await list.get('bo@example.com')).toMatchObject({ scope: ['share', 'notice'] });
  });

  test('a whole domain of a file is in force in every process when it is done', async () => {
    const other = doNotEmailList({ table, clock, wait });
    expect(await other.find('ana@example.org', 'share')).toBeUndefined();
    const lines = readCsv('address\n@example.org\n').lines;
    const progress = { report: async () => {}, end: async () => {} };
    await importEntries({ table, clock, wait })({ lines, actor: 'Bo', dryRun: false }, progress);
    expect(await other.find('ana@example.org', 'share')).toMatchObject({ address: '@example.org' });
  });

  test('law 2: every transaction of whole domains tells the other processes, so that dying after any of them hides none', async () => {
    const other = doNotEmailList({ table, clock, wait });
    expect(await other.find('ana@d0.example', 'share')).toBeUndefined();
    const submit = table.submitTransaction.bind(table);
    table.submitTransaction = async (actions) => {
      if (actions.length < 50) throw new Error('the process died');
      return submit(actions);
    };
    const text = Array.from({ length: 110 }, (_, i) => `@d${i}.example\n`).join('');
    const lines = readCsv(`address\n${text}`).lines;
    const progress = { report: async () => {}, end: async () => {} };
    const dies = importEntries({ table, clock, wait })({ lines, actor: 'Bo', dryRun: false }, progress);
    await expect(dies).rejects.toThrow('died');
    now += minutes(1);
    expect(await other.find('ana@d0.example', 'share')).toMatchObject({ address: '@d0.example' });
  });

  test('that runs out of time goes on with the same file, and ends complete', async () => {
    const addresses = Array.from({ length: 300 }, (_, i) => `user${i}@example.com`);
    const lines = readCsv(`address\n${addresses.join('\n')}\n`).lines;
    let parts = 0;
    let after: string | undefined;
    const total = { new: 0, known: 0 };
    const slow = { report: () => wait(minutes(1)), end: async () => {} };
    do {
      const part = await importEntries({ table, clock, wait })({ lines, actor: 'Bo', dryRun: false, after }, slow);
      total.new += part.new;
      total.known += part.known;
      after = part.next;
      parts += 1;
    } while (after !== undefined);
    expect(parts).toBeGreaterThan(3);
    expect(total).toEqual({ new: 300, known: 0 });
    expect((await list.search({ limit: 500 })).entries).toHaveLength(300);
  });

  test('can be followed by its id', async () => {
    await importCsv('address\nana@example.com\nana\n', '?id=mine');
    expect((await call('readDoNotEmailImport', '/import/mine')).json).toMatchObject({
      ...{ id: 'mine', state: 'done', lines: 2, new: 1, invalid: 1, progress: 1 },
    });
    expect((await call('readDoNotEmailImport', '/import/other')).status).toBe(404);
  });

  test('of many addresses of few partitions meets an unsubscribing half-way without losing either', async () => {
    const addresses = Array.from({ length: 200 }, (_, i) => `user${i}@example.com`);
    const clicks = addresses.slice(0, 20).map((address) =>
      list.add({
        ...{ address, scope: 'all', reason: 'unsubscribed', source: 'one-click', actor: 'recipient', note: '' },
      }),
    );
    const file = `address,scope\n${addresses.map((address) => `${address},share`).join('\n')}\n`;
    await Promise.all([importCsv(file), ...clicks]);
    for (const address of addresses) expect(await list.find(address, 'share'), address).toBeDefined();
    for (const address of addresses.slice(0, 20)) expect(await list.find(address, 'two-factor')).toBeDefined();
  });

  test('refuses a file without the column', async () => {
    expect(await importCsv('email\nana@example.com\n')).toMatchObject({ code: 'invalid-request' });
  });
});

describe('export', () => {
  test('has every entry, and can be imported again', async () => {
    await add({ address: '=cmd@example.com', note: '=1+1' });
    await add({ address: '@example.org', scope: ['share'], note: 'a, "b"' });
    const file = await exported();
    expect(file).toContain("'=cmd@example.com,all,admin");
    expect(file).toContain(`'@example.org,share,`);
    for (const address of ['=cmd@example.com', '@example.org']) await list.remove(address);
    expect(await importCsv(file)).toMatchObject({ new: 2, invalid: [] });
    expect(await list.get('=cmd@example.com')).toMatchObject({ note: '=1+1' });
    expect(await list.get('@example.org')).toMatchObject({ scope: ['share'], note: 'a, "b"' });
  });

  test('has no cell that a spreadsheet would run, whatever somebody wrote', () => {
    const evil = fc.tuple(fc.constantFrom('=', '+', '-', '@', '\t', ''), fc.string()).map((parts) => parts.join(''));
    fc.assert(
      fc.property(evil, (note) => {
        const line = csvLine({
          ...{ address: 'ana@example.com', scope: 'all', reason: 'admin', source: 'api', actor: note },
          ...{ time: '2026-11-22T00:00:00.000Z', note },
        });
        const cells = line.slice(0, -2).match(/(?<=^|,)(?:"(?:[^"]|"")*"|[^",]*)(?=,|$)/g) ?? [];
        expect(cells).toHaveLength(7);
        for (const cell of cells) expect(cell.replace(/^"/, '')).not.toMatch(/^[=+\-@\t\r\n]/);
      }),
    );
  });
});
