import { expect, test } from 'vitest';
import { delivery, deliveryView } from '../../functions/http/delivery-schema.ts';
import type { Delivery } from '../../lib/delivery/delivery.ts';
import { remedyOf } from '../../lib/relay/remedies.ts';

const at = '2026-11-22T09:00:00.000Z';
const reason = { code: 'recipient-refused', detail: '550 5.1.1 no such user', remedy: 'recipient-unknown' };

/** Everything that an answer may show of a delivery. */
const shown: Delivery = {
  ...{ id: 'm-0', messageId: 'm', state: 'failed', kind: 'share', to: { address: 'ana@example.com', name: 'Ana' } },
  ...{ from: { address: 'files@example.com' }, subject: 'Plans', key: 'k', owner: 'files', ref: { share: '8841' } },
  ...{ acceptedAt: at, changedAt: at, expiresAt: at, notBefore: at, due: at, waitsFor: 'relay' },
  ...{ override: 'ignore-for-any', notes: ['a note'], mayHaveArrived: true, messageIdHeader: '<m@example.com>' },
  ...{ reason, attempt: 1, tries: 1, attempts: [{ n: 1, at, class: 'recipient', reply: '550' }] },
  trail: [{ at, to: 'failed', reason, by: 'relay' }],
};

test('an answer about a delivery has all that the schema names, with the words of the remedy', () => {
  expect(deliveryView(shown)).toEqual({ ...shown, remedy: remedyOf('recipient-unknown') });
  expect(delivery.parse(deliveryView(shown))).toEqual(deliveryView(shown));
});

test('what the engine keeps for itself is in no answer, also what it keeps one day only, and at any depth', () => {
  const own = { blob: 'b', leaseUntil: at, parkings: 2, resends: 1, seal: 's' };
  const [attempt, step] = [shown.attempts[0], shown.trail[0]];
  const row = {
    ...{ ...shown, ...own, to: { ...shown.to, seal: 's' }, reason: { ...reason, seal: 's' } },
    ...{ attempts: [{ ...attempt, seal: 's' }], trail: [{ ...step, reason: { ...reason, seal: 's' } }] },
  };
  expect(deliveryView(row as unknown as Delivery)).toEqual(deliveryView(shown));
});

test('an odd row is shown as it is', () => {
  const odd = { ...shown, kind: 'of yore', to: null, attempts: 'none', trail: [null, 1], acceptedAt: 0 };
  const { remedy, ...view } = deliveryView(odd as unknown as Delivery);
  expect(view).toEqual(odd);
});
