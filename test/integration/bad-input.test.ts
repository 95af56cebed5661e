import { describe, expect, test } from 'vitest';
import { ask } from '../helpers/http.ts';
import { share, stack } from '../helpers/postern.ts';

type Stack = Awaited<ReturnType<typeof stack>>;

const mailWith = (change: object) => ({ v: 1, mail: { ...share('ana@example.com').mail, ...change } });
const to = (...addresses: unknown[]) => mailWith({ to: addresses.map((address) => ({ address })) });
const many = Array.from({ length: 1001 }, (_, i) => `r${i}@example.com`);

/** What a producer gets wrong, the field's path, and what the reason must say. */
const cases: [string, unknown, string, RegExp][] = [
  ['malformed JSON', '{"v":1,"mail":', '', /JSON|ends too early/],
  ['nothing at all', '', '', /empty/],
  ['JSON that is no object', '[]', '', /object/i],
  ['an unknown version', { ...share('ana@example.com'), v: 2 }, 'v', /1/],
  ['an unknown kind', mailWith({ kind: 'spam' }), 'mail.kind', /share/],
  ['a field beside mail', { ...share('ana@example.com'), insertionTime: '2020-01-01' }, 'insertionTime', /./],
  ['no recipients', mailWith({ to: [] }), 'mail.to', /1/],
  ['1,001 recipients', to(...many), 'mail.to', /1000/],
  ['a line break in the address', to('ana@example.com\r\nBcc: eve@example.com'), 'mail.to.0.address', /line break/],
  ['two addresses in one', to('ana@example.com,eve@example.com'), 'mail.to.0.address', /comma/],
  ['quotes in the address', to('"ana"@example.com'), 'mail.to.0.address', /quotes/],
  ['a space in the address', to('a na@example.com'), 'mail.to.0.address', /space/],
  ['a header in the subject', mailWith({ subject: 'Hi\r\nBcc: eve@example.com' }), 'mail.subject', /single line/],
  [
    'a header in the recipient’s name',
    mailWith({ to: [{ address: 'ana@example.com', name: 'A\nB' }] }),
    'mail.to.0.name',
    /single line/,
  ],
  [
    'a header in the sender’s name',
    mailWith({ from: { address: 'bo@example.com', name: 'B\r\nX: y' } }),
    'mail.from.name',
    /single line/,
  ],
  [
    'an address of two as Reply-To',
    mailWith({ replyTo: { address: 'a@example.com;b@example.com' } }),
    'mail.replyTo.address',
    /semicolon/,
  ],
  ['neither text nor html', mailWith({ text: undefined, html: undefined }), 'mail.text', /required/],
  [
    'a blob outside of its container',
    mailWith({ text: undefined, html: undefined, content: { blob: '../secrets' } }),
    'mail.content.blob',
    /./,
  ],
  [
    'a file name with a path',
    mailWith({ attachments: [{ name: '../../etc/passwd', content: 'YQ==' }] }),
    'mail.attachments.0.name',
    /path/,
  ],
  [
    'an attachment that is not Base64',
    mailWith({ attachments: [{ name: 'a', content: '%%%' }] }),
    'mail.attachments.0.content',
    /base64/i,
  ],
];

const rowsOf = async ({ postern }: Stack) => {
  const { items } = await postern.rooms.ledger.byTime({}, 50);
  return await Promise.all(items.map(async ({ id }) => (await postern.rooms.ledger.read(id))!));
};

describe('law 1: on the queue, bad input is a visible failed row with the field and the reason', () => {
  test.each(cases)('%s', async (_, body, path, words) => {
    const all = await stack();
    const { again } = await all.put(body);
    await again();
    const rows = await rowsOf(all);
    expect(rows).toHaveLength(1);
    const { delivery, original } = rows[0]!;
    expect(delivery).toMatchObject({ state: 'failed', reason: { code: 'not-valid' } });
    expect(delivery.reason.detail).toContain(path);
    expect(delivery.reason.detail).toMatch(words);
    expect(original ?? '').toBe(typeof body === 'string' ? body : JSON.stringify(body));
    expect(all.smtp.accepted).toHaveLength(0);
    expect(all.held.all()).toEqual([]);
    expect(all.log.alerts()).toHaveLength(1);
  });
});

describe('over HTTP the same input is refused with the same words, and nothing is accepted', () => {
  test.each(cases.filter(([, body]) => typeof body !== 'string'))('%s', async (_, body, path, words) => {
    const all = await stack();
    const route = all.postern.routes.find(({ name }) => name === 'postMessage')!;
    const answer = await ask(route, { path: '/api/messages', as: ['Send'], body });
    expect(answer.status).toBe(400);
    expect(answer.headers['content-type']).toContain('application/problem+json');
    const { code, faults } = answer.json as { code: string; faults: { path: string; reason: string }[] };
    expect(code).toBe('invalid-request');
    expect(JSON.stringify(faults)).toMatch(words);
    // Over HTTP content is never given by blob, so that whole field is refused.
    expect(JSON.stringify(faults)).toContain(path.replace(/^mail\.content\.blob$/, 'mail.content'));
    expect(await rowsOf(all)).toEqual([]);
    expect(all.held.all()).toEqual([]);
  });
});

test('where single addresses are bad, each has a row with its own reason, and the others get their mail', async () => {
  const all = await stack();
  await all.put(to('ana@example.com', 'no address', 'bea@example.com', 'x@example.com,y@example.com', 7));
  await all.work();
  expect(all.smtp.accepted.map(({ envelope }) => envelope.to[0]).sort()).toEqual([
    'ana@example.com',
    'bea@example.com',
  ]);
  const rows = (await rowsOf(all)).map(({ delivery }) => delivery);
  expect(rows).toHaveLength(5);
  const failed = rows.filter(({ state }) => state === 'failed').map((it) => [it.to.address, it.reason.detail]);
  expect(failed).toContainEqual(['no address', expect.stringMatching(/^mail\.to\.1\.address: [^;]*space[^;]*$/)]);
  expect(failed).toContainEqual([
    'x@example.com,y@example.com',
    expect.stringMatching(/^mail\.to\.3\.address: .*comma/),
  ]);
  expect(failed).toContainEqual(['7', expect.stringContaining('mail.to.4.address')]);
});

test('two hundred bad addresses among good ones are two hundred rows and one alert', async () => {
  const all = await stack();
  await all.put(to('ana@example.com', ...Array.from({ length: 200 }, (_, i) => `bad ${i}`)));
  await all.work();
  expect(all.smtp.accepted).toHaveLength(1);
  const { items } = await all.postern.rooms.ledger.byTime({}, 500);
  const failed = items.filter(({ state }) => state === 'failed');
  expect(failed).toHaveLength(200);
  const [alert, ...others] = all.log.alerts();
  expect(others).toEqual([]);
  expect(alert).toMatchObject({ message: failed[0]!.messageId, code: 'not-valid', rows: 200 });
});

test.each([
  [150, 'all of its 150 recipients'],
  [1001, 'all of its 1000 recipients or more'],
])('a fault of a message to %d people is one row that says to how many', async (count, words) => {
  const all = await stack();
  const people = Array.from({ length: count }, (_, i) => ({ address: `r${i}@example.com` }));
  await all.put(mailWith({ kind: 'spam', to: people }));
  const rows = await rowsOf(all);
  expect(rows.map(({ delivery }) => delivery.to.address)).toEqual(['']);
  expect(rows[0]!.delivery.reason.detail).toContain(words);
});

describe('law 1: a refused message is found by its key, and leaves the key to the one sent instead', () => {
  const underKey = async ({ postern }: Stack, key = 'k') => {
    const route = postern.routes.find(({ name }) => name === 'listMessages')!;
    const { json } = await ask(route, { path: `/api/messages?key=${key}`, as: ['Send'] });
    return (json as { items: { messageId: string; state: string; subject: string; reason: { code: string } }[] }).items;
  };
  const good = mailWith({ key: 'k', subject: 'good' });
  const bad = mailWith({ key: 'k', kind: 'spam', subject: 'bad' });
  const shown = (items: Awaited<ReturnType<typeof underKey>>) =>
    items.map(({ subject, state, reason }) => [subject, state, reason.code]);

  test('not by the contract, then mended', async () => {
    const all = await stack();
    const { again } = await all.put(bad);
    await again();
    expect(shown(await underKey(all))).toEqual([['bad', 'failed', 'not-valid']]);
    all.time.advance(1000);
    await all.put(good);
    await all.work();
    expect(all.smtp.accepted).toHaveLength(1);
    expect(shown(await underKey(all))).toEqual([
      ['good', 'sent', 'sent'],
      ['bad', 'failed', 'not-valid'],
    ]);
    expect(await underKey(all, 'nobodys')).toEqual([]);
  });

  test('a key used for another message', async () => {
    const all = await stack();
    await all.put(good);
    all.time.advance(1000);
    await all.put(mailWith({ key: 'k', subject: 'other' }));
    expect(shown(await underKey(all))).toEqual([
      ['other', 'failed', 'key-reused'],
      ['good', 'sent', 'sent'],
    ]);
  });

  test('with some bad addresses, once', async () => {
    const all = await stack();
    await all.put(mailWith({ key: 'k', to: [{ address: 'ana@example.com' }, { address: 'no address' }] }));
    await all.work();
    expect((await underKey(all)).map(({ state }) => state).sort()).toEqual(['failed', 'sent']);
  });

  test('not by the contract, and given up on', async () => {
    const all = await stack();
    await all.azure.queue('mail-poison').sendMessage(Buffer.from(JSON.stringify(bad)).toString('base64'));
    await all.postern.timers.poison();
    expect(shown(await underKey(all))).toEqual([['bad', 'failed', 'poison']]);
  });
});

test('law 6: the subject of a refused code is not shown', async () => {
  const all = await stack();
  await all.put(mailWith({ kind: 'two-factor', subject: 'Your code is 123', text: undefined, html: undefined }));
  const [row] = await rowsOf(all);
  expect(row!.delivery.subject).not.toContain('123');
});
