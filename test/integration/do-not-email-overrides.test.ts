import { expect, test } from 'vitest';
import type { FaultInput } from '../../dev/smtp/faults.ts';
import { iso } from '../../lib/clock.ts';
import { ask } from '../helpers/http.ts';
import { share, stack } from '../helpers/postern.ts';

interface Answer {
  ignored?: { text: string; reason: string; since: string; by: string; until?: string };
  items: { to: string; override: string; state: string }[];
  next?: string;
}

const whole = async (options: Parameters<typeof stack>[0] = {}) => {
  const it = await stack(options);
  const route = (name: string) => it.postern.routes.find((one) => one.name === name)!;
  const overrides = async (query = '') =>
    (await ask(route('listDoNotEmailOverrides'), { path: `/api/do-not-email/overrides${query}`, as: ['Admin'] }))
      .json as Answer;
  const manage = async () =>
    (await ask(route('listDoNotEmail'), { path: '/api/do-not-email', as: ['Admin'] })).json as Pick<Answer, 'ignored'>;
  const list = (address: string) =>
    it.postern.rooms.list.add({
      ...{ address, scope: 'all', reason: 'unsubscribed', source: 'api', actor: 'admin', note: '' },
    });
  const ignoring = { ignoreForAny: true, ignoreForAnyReason: 'the office burns', ignoreForPriority: true };
  return { ...it, overrides, manage, list, ignoring };
};

test('law 2: the mails that an override let pass are listed one by one, and no others', async () => {
  const it = await whole();
  await it.save({ doNotEmail: it.ignoring });
  it.time.advance(6_000);
  for (const address of ['ana@example.com', 'bo@example.com']) await it.list(address);
  await it.put(share('ana@example.com'));
  it.time.advance(1000);
  await it.put(share('bo@example.com', { kind: 'two-factor' }), 'mail-priority');
  await it.put(share('cy@example.com'));
  expect(it.smtp.accepted).toHaveLength(3);

  const { items } = await it.overrides();
  expect(items).toMatchObject([
    { to: 'bo@example.com', override: 'ignore-for-priority', state: 'sent' },
    { to: 'ana@example.com', override: 'ignore-for-any', state: 'sent' },
  ]);
  expect((await it.overrides('?override=ignore-for-any')).items).toMatchObject([{ to: 'ana@example.com' }]);
  expect((await it.overrides('?to=Bo@example.com')).items).toMatchObject([{ to: 'bo@example.com' }]);
  expect((await it.overrides('?to=cy@example.com')).items).toEqual([]);
  const first = await it.overrides('?limit=1');
  expect(first.items).toMatchObject([{ to: 'bo@example.com' }]);
  expect((await it.overrides(`?limit=1&after=${first.next}`)).items).toMatchObject([{ to: 'ana@example.com' }]);
  expect(await it.deliveryTo('ana@example.com')).toMatchObject({
    ...{ override: 'ignore-for-any', notes: [expect.stringContaining('the office burns')] },
  });
  expect(await it.deliveryTo('cy@example.com')).not.toHaveProperty('override');
});

test('a mail that another gate stopped after all was let pass by no override', async () => {
  const it = await whole({ settings: { limit: { per24Hours: 1 } } });
  await it.save({ doNotEmail: it.ignoring, limit: { per24Hours: 1 } });
  it.time.advance(6_000);
  await it.put(share('cy@example.com'));
  await it.list('ana@example.com');
  await it.put(share('ana@example.com'));
  expect(await it.deliveryTo('ana@example.com')).toMatchObject({ state: 'parked', waitsFor: 'limit' });
  expect((await it.overrides()).items).toEqual([]);
});

/** Ana is on the list, the list is ignored, and her mail met a relay that fails once. */
const passedOnce = async (fault: FaultInput) => {
  const it = await whole();
  await it.save({ doNotEmail: it.ignoring });
  it.time.advance(6_000);
  await it.list('ana@example.com');
  it.smtp.faults.set([fault]);
  await it.put(share('ana@example.com'));
  return it;
};

const later = { at: 'rcpt', reply: '451 4.7.1 later', times: 1 } as const;

test('a mail that the relay put off, and that the list stopped in the end, was let pass by no override', async () => {
  const it = await passedOnce(later);
  expect(await it.deliveryTo('ana@example.com')).toMatchObject({ state: 'deferred', override: 'ignore-for-any' });
  await it.save();
  await it.work();
  expect(it.smtp.accepted).toHaveLength(0);
  const stopped = await it.deliveryTo('ana@example.com');
  expect(stopped).toMatchObject({ state: 'suppressed', attempt: 1 });
  expect(stopped).not.toHaveProperty('override');
  expect(stopped).not.toHaveProperty('notes');
  expect(await it.overrides()).toMatchObject({ items: [] });
  expect(await it.overrides('?to=ana@example.com')).toMatchObject({ items: [] });
});

test('a mail that the relay put off, and that needed no override when it went, was let pass by none', async () => {
  const it = await passedOnce(later);
  await it.postern.rooms.list.remove('ana@example.com');
  await it.work();
  expect(it.smtp.accepted).toHaveLength(1);
  expect(await it.deliveryTo('ana@example.com')).not.toHaveProperty('override');
  expect(await it.overrides()).toMatchObject({ items: [] });
});

test('law 2: a mail that an override let pass stays listed where it may have arrived, though the list stops it now', async () => {
  const it = await passedOnce({ at: 'accept', drop: 'after', times: 1 });
  await it.save();
  await it.work();
  expect(it.smtp.accepted).toHaveLength(1);
  const item = { to: 'ana@example.com', state: 'uncertain', override: 'ignore-for-any' };
  expect(await it.deliveryTo('ana@example.com')).toMatchObject({
    state: 'uncertain',
    reason: { code: 'do-not-email' },
  });
  expect((await it.overrides()).items).toMatchObject([item]);
  expect((await it.overrides('?to=ana@example.com')).items).toMatchObject([item]);
});

test('law 2: a mail that an override let pass and that may have arrived stays listed, though it went again without', async () => {
  const it = await passedOnce({ at: 'accept', drop: 'after', times: 1 });
  await it.postern.rooms.list.remove('ana@example.com');
  await it.work();
  expect(it.smtp.accepted).toHaveLength(2);
  expect((await it.overrides()).items).toMatchObject([{ state: 'sent', override: 'ignore-for-any' }]);
});

test('while the list is ignored for all mail a banner says who ignores it, since when and why', async () => {
  const it = await whole();
  expect(await it.overrides()).toEqual({ items: [] });
  const since = iso(it.time.now());
  await it.save({ doNotEmail: it.ignoring });
  it.time.advance(60_000);
  await it.save({ doNotEmail: it.ignoring, limit: { perMinute: 30 } });
  const { ignored } = await it.overrides();
  expect(ignored).toMatchObject({ by: 'Admin', since, reason: 'the office burns' });
  expect(ignored?.text).toContain('the office burns');
  expect(ignored?.until).toBeUndefined();
  expect((await it.manage()).ignored).toEqual(ignored);
  await it.save();
  it.time.advance(6_000);
  expect((await it.manage()).ignored).toBeUndefined();
});

test('whoever gives no reason is asked for one, and the list is ignored for a day only', async () => {
  const it = await whole();
  const { warnings, settings } = await it.save({ doNotEmail: { ignoreForAny: true } });
  expect(warnings).toContainEqual(
    expect.objectContaining({ code: 'list-ignored-without-reason', path: 'doNotEmail.ignoreForAnyReason' }),
  );
  const until = iso(it.time.now() + 86_400_000);
  expect(settings.doNotEmail.ignoreForAnyUntil).toBe(until);
  it.time.advance(6_000);
  expect((await it.manage()).ignored).toMatchObject({ reason: '', until });
  await it.list('ana@example.com');
  await it.put(share('ana@example.com'));
  it.time.advance(86_400_000);
  await it.put(share('ana@example.com', { subject: 'a day later' }));
  expect(it.smtp.accepted).toHaveLength(1);
  expect((await it.manage()).ignored).toBeUndefined();
});
