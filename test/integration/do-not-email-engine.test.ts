import PostalMime from 'postal-mime';
import { expect, test } from 'vitest';
import type { Reason } from '../../lib/do-not-email/entry.ts';
import type { Kind } from '../../lib/message/kinds.ts';
import { ask } from '../helpers/http.ts';
import { share, stack } from '../helpers/postern.ts';

type Stack = Awaited<ReturnType<typeof stack>>;

const list = ({ postern }: Stack, address: string, reason: Reason = 'unsubscribed', scope: 'all' | Kind[] = 'all') =>
  postern.rooms.list.add({ address, scope, reason, source: 'api', actor: 'admin', note: '' });

const route = ({ postern }: Stack, name: string) => postern.routes.find((it) => it.name === name)!;

const laneFor = (kind: Kind) => (kind === 'share' ? 'mail' : 'mail-priority');

/** Who is mailed although they are listed, by kind, reason, and the two switches of the settings page. */
const matrix: { kind: Kind; reason: Reason; priority: boolean; complaints: boolean; any: boolean; goes: boolean }[] = (
  ['share', 'password-recovery'] as const
).flatMap((kind) =>
  (['unsubscribed', 'complaint'] as const).flatMap((reason) =>
    [false, true].flatMap((priority) =>
      [false, true].flatMap((complaints) =>
        [false, true].map((any) => ({
          ...{ kind, reason, priority, complaints, any },
          goes: any || (priority && kind === 'password-recovery' && (reason === 'unsubscribed' || complaints)),
        })),
      ),
    ),
  ),
);

test('law 2: a listed recipient is mailed only where a setting says so, and then the row says which', async () => {
  const it = await stack();
  let n = 0;
  for (const { kind, reason, priority, complaints, any, goes } of matrix) {
    const address = `listed${n++}@example.com`;
    await it.save({
      doNotEmail: {
        ignoreForPriority: priority,
        priorityIgnoresComplaints: complaints,
        ignoreForAny: any,
        ignoreForAnyReason: any ? 'the office burns' : '',
      },
    });
    it.time.advance(6_000);
    await list(it, address, reason);
    await it.put(share(address, { kind }), laneFor(kind));
    const delivery = await it.deliveryTo(address);
    const row = { kind, reason, priority, complaints, any };
    expect({ ...row, state: delivery.state }).toEqual({ ...row, state: goes ? 'sent' : 'suppressed' });
    expect(it.smtp.accepted.some(({ envelope }) => envelope.to[0] === address)).toBe(goes);
    if (goes) {
      const by = priority && kind === 'password-recovery' && (reason === 'unsubscribed' || complaints);
      expect(delivery.notes?.join()).toContain(by ? 'ignore-for-priority' : 'the office burns');
    } else expect(delivery.reason).toMatchObject({ code: 'do-not-email', row: address });
  }
});

test('an entry for one kind stops that kind alone', async () => {
  const it = await stack();
  await list(it, 'ana@example.com', 'unsubscribed', ['file-change']);
  await it.put(share('ana@example.com', { kind: 'file-change' }));
  await it.put(share('ana@example.com'));
  expect(it.smtp.accepted).toHaveLength(1);
});

test('who is listed while a mail waits is not mailed when it goes on (trap 6)', async () => {
  const it = await stack();
  it.smtp.faults.set([{ at: 'rcpt', reply: '451 4.7.1 later', times: 1 }]);
  await it.put(share('ana@example.com'));
  expect(await it.deliveryTo('ana@example.com')).toMatchObject({ state: 'deferred' });
  await list(it, 'ana@example.com');
  await it.work();
  expect(it.smtp.accepted).toHaveLength(0);
  expect(await it.deliveryTo('ana@example.com')).toMatchObject({ state: 'suppressed' });
});

test('law 2: while the list cannot be read, mail waits and goes later by itself (trap 5)', async () => {
  const it = await stack();
  const table = it.azure.table('donotemail');
  const { getEntity } = table;
  table.getEntity = () => Promise.reject(Object.assign(new Error('out of order'), { statusCode: 503 }));
  await it.put(share('ana@example.com'));
  expect(it.smtp.accepted).toHaveLength(0);
  table.getEntity = getEntity;
  await it.work();
  expect(it.smtp.accepted).toHaveLength(1);
});

test('the link of a mail stops the next one, and taking the entry away offers what it stopped (trap 26)', async () => {
  const it = await stack();
  await it.put(share('ana@example.com'));
  const first = await PostalMime.parse(it.smtp.accepted[0]!.raw);
  const header = first.headers.find(({ key }) => key === 'list-unsubscribe')?.value ?? '';
  const url = new URL(header.replace(/^<|>.*$/g, ''));
  expect(first.text).toContain(url.href);
  expect(first.headers.find(({ key }) => key === 'list-unsubscribe-post')?.value).toBe('List-Unsubscribe=One-Click');
  const body = 'List-Unsubscribe=One-Click';
  const form = { 'content-type': 'application/x-www-form-urlencoded', 'content-length': String(body.length) };
  const token = url.pathname.split('/').at(-1) ?? '';
  const click = it.postern.routes.find(({ method, path }) => method === 'POST' && path.startsWith('unsubscribe/'))!;
  const done = await ask(click, { path: url.pathname, params: { token }, headers: form, body });
  expect(done.status).toBe(200);

  await it.put(share('ana@example.com', { subject: 'The second' }));
  expect(it.smtp.accepted).toHaveLength(1);

  const removed = await ask(route(it, 'removeDoNotEmail'), {
    path: '/api/do-not-email?address=ana@example.com',
    as: ['Admin'],
    headers: { 'content-length': '0' },
  });
  expect(removed.status).toBe(200);
  const { stopped } = removed.json as { stopped: { deliveries: { id: string }[] }[] };
  expect(stopped).toMatchObject([{ address: 'ana@example.com', deliveries: [{ subject: 'The second' }] }]);
  await it.postern.rooms.verbs.apply('resend', stopped[0]!.deliveries[0]!.id, { id: 'admin', name: 'Admin' });
  await it.work();
  expect(it.smtp.accepted).toHaveLength(2);
});

test('taking a whole domain away offers what it stopped, whoever it was for (trap 26)', async () => {
  const it = await stack();
  await list(it, '@example.org', 'admin');
  await list(it, 'ana@example.com', 'admin');
  for (const address of ['bea@example.org', 'cy@example.org', 'ana@example.com']) await it.put(share(address));
  expect(it.smtp.accepted).toHaveLength(0);
  const removed = await ask(route(it, 'removeDoNotEmail'), {
    path: '/api/do-not-email?address=@example.org',
    as: ['Admin'],
    headers: { 'content-length': '0' },
  });
  const { stopped } = removed.json as { stopped: { address: string; deliveries: unknown[] }[] };
  expect(stopped).toMatchObject([{ address: '@example.org' }]);
  expect(stopped[0]!.deliveries).toHaveLength(2);
});

test('the history tells the remedy in words', async () => {
  const it = await stack();
  it.smtp.faults.set([{ at: 'rcpt', reply: '550 5.1.1 no such user' }]);
  await it.put(share('ana@example.com'));
  const { id, messageId } = await it.deliveryTo('ana@example.com');
  const read = await ask(route(it, 'readMessage'), {
    path: `/api/messages/${messageId}`,
    params: { id: messageId },
    as: ['Admin'],
  });
  expect(read.json).toMatchObject({
    deliveries: [
      { id, reason: { remedy: 'recipient-unknown' }, remedy: { title: expect.any(String), doThis: expect.any(Array) } },
    ],
  });
});

test('mail without a link: priority kinds carry none, and no header for it', async () => {
  const it = await stack();
  await it.put(share('ana@example.com', { kind: 'two-factor' }), 'mail-priority');
  const { headers, text } = await PostalMime.parse(it.smtp.accepted[0]!.raw);
  expect(headers.some(({ key }) => key.startsWith('list-unsubscribe'))).toBe(false);
  expect(text).not.toContain('unsubscribe');
});

test('an address that the relay does not know is suggested for the list, but not when all addresses are refused at once (trap 28)', async () => {
  const it = await stack();
  it.smtp.faults.set([{ at: 'rcpt', match: 'ana@', reply: '550 5.1.1 no such user' }]);
  await it.put(share('ana@example.com'));
  const suggestions = () =>
    ask(route(it, 'listDoNotEmailSuggestions'), { path: '/api/do-not-email/suggestions', as: ['Admin'] });
  expect((await suggestions()).json).toMatchObject({ suggestions: [{ address: 'ana@example.com' }] });

  it.smtp.faults.set([{ at: 'rcpt', reply: '550 5.1.1 no such user' }]);
  for (let n = 0; n < 20; n++) await it.put(share(`n${n}@example.com`));
  expect((await suggestions()).json).toEqual({ suggestions: [] });
});

test.each([
  ['suggested', 'suggest'],
  ['put on the list', 'add'],
])('law 2: an address refused to a mail in flight when the relay fell out of order is not %s (trap 28)', async (_, bounces) => {
  const it = await stack();
  const auth = { enabled: true, type: 'basic', user: 'files@example.com', password: 'secret' };
  const smtp = { host: '127.0.0.1', port: it.smtp.ports.plain, security: 'none', auth };
  await it.save({ smtp, doNotEmail: { bounces } });
  const unknown = { at: 'rcpt', match: '@example.com', reply: '550 5.1.1 no such user' } as const;
  it.smtp.faults.set([unknown]);
  await it.put(share('ana@example.com'));

  // The relay has just refused it, and that is being recorded, when another process is not let in any more.
  const other = it.peer();
  const recipients = it.azure.table('recipients');
  const { upsertEntity } = recipients;
  recipients.upsertEntity = async (...row: Parameters<typeof upsertEntity>) => {
    recipients.upsertEntity = upsertEntity;
    it.smtp.faults.set([{ at: 'auth', reply: '535 5.7.3 Authentication unsuccessful' }]);
    it.time.advance(3_000);
    await it.put(share('cy@example.com'), 'mail', other);
    return upsertEntity.apply(recipients, row);
  };
  await it.put(share('bea@example.com'));
  expect(await it.deliveryTo('bea@example.com')).toMatchObject({
    state: 'failed',
    reason: { code: 'recipient-refused' },
  });
  expect(await it.deliveryTo('cy@example.com')).toMatchObject({ state: 'parked', reason: { code: 'relay-auth' } });
  expect((await ask(route(it, 'getRelay'), { path: '/api/relay', as: ['Admin'] })).json).toMatchObject({
    state: 'open',
  });

  const asked = { path: '/api/do-not-email/suggestions', as: ['Admin' as const] };
  const { suggestions } = (await ask(route(it, 'listDoNotEmailSuggestions'), asked)).json as { suggestions: object[] };
  const listed = await Promise.all(['ana', 'bea'].map((name) => it.postern.rooms.list.get(`${name}@example.com`)));
  // Ana's came while all was well.
  const ana = { address: 'ana@example.com' };
  expect(suggestions).toMatchObject(bounces === 'suggest' ? [ana] : []);
  expect(listed).toMatchObject(bounces === 'add' ? [ana, undefined] : [undefined, undefined]);
  await other.close();
});
