import { randomUUID } from 'node:crypto';
import type { TableClient } from '@azure/data-tables';
import fc from 'fast-check';
import { beforeEach, describe, expect, test } from 'vitest';
import { doNotEmailRoutes, type StoppedMail } from '../../functions/http/do-not-email.ts';
import { doNotEmailCsvRoutes } from '../../functions/http/do-not-email-csv.ts';
import { auditLog } from '../../lib/audit/audit.ts';
import { days, minutes, seconds } from '../../lib/clock.ts';
import { ageOutDoNotEmail } from '../../lib/do-not-email/age-out.ts';
import { type BounceFeedback, bounceFeedback } from '../../lib/do-not-email/bounces.ts';
import { csvLine, readCsv } from '../../lib/do-not-email/csv.ts';
import { burst } from '../../lib/do-not-email/feedback.ts';
import { importEntries } from '../../lib/do-not-email/import.ts';
import { type DoNotEmailList, doNotEmailList } from '../../lib/do-not-email/list.ts';
import type { AnyRoute } from '../../lib/http/route.ts';
import type { Fault } from '../../lib/relay/outcome.ts';
import { settingsRoom } from '../../lib/settings/room.ts';
import { ask, logLines } from '../helpers/http.ts';
import { assertClosed } from '../helpers/routes.ts';
import { ownStorage } from '../helpers/storage.ts';
import { ownVault } from '../helpers/vault.ts';

let table: TableClient;
let list: DoNotEmailList;
let routes: AnyRoute[];
let bounces: BounceFeedback;
let audit: ReturnType<typeof auditLog>;
let stopped: Record<string, StoppedMail[]>;
let now = Date.parse('2026-11-22T12:00:00Z');
const clock = { now: () => now };
const wait = async (milliseconds: number) => {
  now += milliseconds;
};

beforeEach(async () => {
  const { azure } = await ownStorage();
  const { secrets } = await ownVault();
  table = azure.table('donotemail');
  list = doNotEmailList({ table, clock, wait });
  audit = auditLog({ table: azure.table('audit'), clock });
  bounces = bounceFeedback({ table, list, audit, clock, log: logLines().log });
  const settings = settingsRoom({ table: azure.table('settings'), secrets, clock, log: logLines().log });
  stopped = {};
  const stoppedBy = async (address: string, since: number) =>
    (stopped[address] ?? []).filter(({ time }) => Date.parse(time) >= since);
  routes = [
    ...doNotEmailRoutes({ list, table, audit, settings, clock, bounces, stoppedBy }),
    ...doNotEmailCsvRoutes({ list, table, audit, clock, uniqueId: randomUUID, wait }),
  ];
});

const call = async (name: string, path: string, body?: unknown, headers = {}) => {
  const route = routes.find((it) => it.name === name)!;
  const params = { id: path.split('/').at(-1) ?? '' };
  return ask(route, { path: `/api/do-not-email${path}`, params, as: ['Admin'], body, headers });
};
const get = async (query = '') => (await call('listDoNotEmail', query)).json as { entries: unknown[]; next?: string };
const add = (body: unknown) => call('addDoNotEmail', '', body);
const csv = { 'content-type': 'text/csv' };
const importCsv = async (text: string, query = '') =>
  (await call('importDoNotEmail', `/import${query}`, text, csv)).json;
const exported = async () => String((await call('exportDoNotEmail', '/export')).body);
const actions = async () => (await audit.list({ limit: 50 })).entries.map(({ action, subject }) => [action, subject]);

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

describe('what the relay refuses', () => {
  const unknownUser = (address: string): Fault => ({
    ...{ class: 'recipient', phase: 'rcpt', rule: 'unknown-user', code: 550, enhanced: '5.1.1', suppressible: true },
    reply: `550 5.1.1 <${address}> no such user`,
  });
  const refuse = (address: string, mode: 'off' | 'suggest' | 'add', relayOpen = true) =>
    bounces.refused(address, unknownUser(address), { mode, relayOpen });
  const suggested = async () =>
    (await call('listDoNotEmailSuggestions', '/suggestions')).json as { suggestions: { address: string }[] };

  test('is suggested once, until an admin adds or dismisses it', async () => {
    for (const address of ['Ana@example.com', 'ana@example.com', 'bo@example.com']) await refuse(address, 'suggest');
    expect((await suggested()).suggestions.map(({ address }) => address).sort()).toEqual([
      ...['ana@example.com', 'bo@example.com'],
    ]);
    expect(await list.find('ana@example.com', 'share')).toBeUndefined();
    await add({ address: 'ana@example.com' });
    expect((await call('dismissDoNotEmailSuggestion', '/suggestions?address=bo@example.com')).status).toBe(204);
    expect(await suggested()).toEqual({ suggestions: [] });
  });

  test('goes on the list by setting, with the relay’s words', async () => {
    await refuse('ana@example.com', 'add');
    expect(await list.find('ana@example.com', 'share')).toMatchObject({
      ...{ reason: 'bounced', source: 'bounce', note: expect.stringContaining('no such user') },
    });
  });

  test('in hundreds at once, or while the relay is closed, stays off it', async () => {
    await refuse('early@example.com', 'add', false);
    for (let i = 0; i < 100; i++) await refuse(`user${i}@example.com`, 'add');
    expect((await list.search({ limit: 100 })).entries).toEqual([]);
    now += burst.within;
    await refuse('late@example.com', 'add');
    expect((await list.search({ limit: 100 })).entries).toMatchObject([{ address: 'late@example.com' }]);
  });

  const processes = (count: number) =>
    Array.from({ length: count }, () => bounceFeedback({ table, list, audit, clock, log: logLines().log }));
  const user = (i: number) => `user${i}@example.com`;
  const met = (by: BounceFeedback, i: number, mode: 'suggest' | 'add' = 'add') =>
    by.refused(user(i), unknownUser(user(i)), { mode, relayOpen: true });
  const entries = async () => (await list.search({ limit: 1000 })).entries;

  test('in a burst that falls on many processes is told all the same, and what its first ones did is taken back', async () => {
    await add({ address: user(1), scope: ['share'] });
    for (const [i, one] of processes(burst.dense).entries()) {
      await met(one, i, i === 2 ? 'suggest' : 'add');
      if (i === 1) expect(await list.get(user(1))).toMatchObject({ scope: 'all', reason: 'bounced' });
    }
    expect(await entries()).toMatchObject([{ address: user(1), scope: ['share'], reason: 'admin' }]);
    expect(await suggested()).toEqual({ suggestions: [] });
    expect((await actions()).filter(([action]) => action === 'do-not-email.undo')).toHaveLength(burst.dense - 2);
  });

  test('in a burst at one moment by many processes leaves nothing behind', async () => {
    await Promise.all(processes(2 * burst.dense).map((one, i) => met(one, i)));
    expect(await entries()).toEqual([]);
  });

  test('law 2: what a person asked for during a burst is not taken back with it', async () => {
    const [one] = processes(1) as [BounceFeedback];
    await met(one, 0);
    await list.add({
      ...{ address: user(0), scope: 'all', reason: 'unsubscribed', source: 'one-click', actor: 'recipient', note: '' },
    });
    for (let i = 1; i < 20; i++) await met(one, i);
    expect(await entries()).toMatchObject([{ address: user(0), reason: 'unsubscribed' }]);
  });

  test('now and then among mails that are taken goes on the list, however many processes there are', async () => {
    const several = processes(4);
    for (let i = 0; i < 60; i++) {
      const one = several[i % 4] as BounceFeedback;
      for (let mails = 0; mails < 20; mails++) one.taken();
      await met(one, i);
      now += seconds(10);
    }
    expect(await entries()).toHaveLength(60);
  });

  test('in a burst that goes on for long stays off the list to its end', async () => {
    const several = processes(2);
    for (let i = 0; i < 80; i++) {
      await met(several[i % 2] as BounceFeedback, i);
      now += seconds(25);
    }
    expect(await entries()).toEqual([]);
  });

  test('in a burst whose taking back was cut off is taken back by whoever meets the next one', async () => {
    const [one, other] = processes(2) as [BounceFeedback, BounceFeedback];
    for (let i = 0; i < burst.dense - 1; i++) await met(one, i);
    const undo = list.undo;
    list.undo = async () => {
      throw new Error('the process died');
    };
    await expect(met(one, 98)).rejects.toThrow('the process died');
    list.undo = undo;
    expect(await entries()).toHaveLength(burst.dense - 1);
    await met(other, 99);
    expect(await entries()).toEqual([]);
  });

  test('is suggested by pages, and forgotten after a while where nobody takes it up', async () => {
    const [one] = processes(1) as [BounceFeedback];
    for (let i = 0; i < 3; i++) await met(one, i, 'suggest');
    const page = (await call('listDoNotEmailSuggestions', '/suggestions?limit=2')).json as {
      suggestions: unknown[];
      next: string;
    };
    expect(page.suggestions).toHaveLength(2);
    const rest = await call('listDoNotEmailSuggestions', `/suggestions?limit=2&after=${page.next}`);
    expect(rest.json).toMatchObject({ suggestions: [{ address: user(2) }] });
    expect((await call('listDoNotEmailSuggestions', '/suggestions?after=AAAA')).status).toBe(400);
    now += days(2);
    await met(one, 3, 'suggest');
    expect(await ageOutDoNotEmail(table)(now - days(1), 100)).toBe(3);
    expect(await suggested()).toMatchObject({ suggestions: [{ address: user(3) }] });
  });
});
