import { expect, test } from 'vitest';
import { days, iso, minutes } from '../../lib/clock.ts';
import { type Delivery, newDelivery } from '../../lib/delivery/delivery.ts';
import { messageIdOf } from '../../lib/delivery/id.ts';
import { ledger } from '../../lib/delivery/ledger.ts';
import type { State } from '../../lib/delivery/states.ts';
import { stoppedMail } from '../../lib/delivery/stopped-mail.ts';
import { ownStorage } from '../helpers/storage.ts';

const now = Date.parse('2026-11-22T09:00:00Z');
const to = { address: 'ana@example.com' };
const mail = { kind: 'share' as const, to: [to], subject: 'Plans', text: 'See the plans.' };

test('mail that the list stopped is found behind hundreds that were sent since, and as far as asked only', async () => {
  const { azure } = await ownStorage();
  const book = ledger(azure.table('deliveries'), azure.table('recipients'));
  const indexed = async (age: number, state: State): Promise<Delivery> => {
    const at = now - age;
    const fresh = newDelivery({ messageId: messageIdOf(`${age}`, at), n: 0, at, mail, to });
    const delivery = { ...fresh, state, changedAt: iso(at) };
    await book.index(delivery);
    return delivery;
  };
  for (let i = 0; i < 250; i += 25) {
    await Promise.all(Array.from({ length: 25 }, (_, j) => indexed(minutes(i + j), 'sent')));
  }
  const stopped = await indexed(days(1), 'suppressed');
  await indexed(days(9), 'suppressed');
  const found = await stoppedMail(book)('ana@example.com', now - days(7));
  expect(found.map(({ id }) => id)).toEqual([stopped.id]);
});

test('one page of a state holds what the first pages of all states hold, and goes on behind it', async () => {
  const { azure } = await ownStorage();
  const book = ledger(azure.table('deliveries'), azure.table('recipients'));
  for (let i = 0; i < 12; i++) {
    const at = now - minutes(i);
    const fresh = newDelivery({ messageId: messageIdOf(`${i}`, at), n: 0, at, mail, to });
    await book.index({ ...fresh, state: i % 3 === 2 ? 'failed' : 'sent' });
  }
  const first = await book.byRecipient('ana@example.com', { state: 'failed' }, 2);
  expect(first.items).toHaveLength(2);
  const rest = await book.byRecipient('ana@example.com', { state: 'failed' }, 10, first.next);
  expect(rest.items).toHaveLength(2);
  expect(new Set([...first.items, ...rest.items].map(({ id }) => id)).size).toBe(4);
});
