import { expect, test } from 'vitest';
import { newDelivery } from '../../lib/delivery/delivery.ts';
import { askGates, type Gate } from '../../lib/delivery/gates.ts';
import { newMessageId } from '../../lib/delivery/id.ts';
import { defaultSettings } from '../../lib/settings/schema.ts';

test('what a gate gave goes back even where another gate cannot take its own back', async () => {
  const givenBack: string[] = [];
  const gate = (name: string, release: () => Promise<void>): Gate => ({
    name,
    free: false,
    check: async () => ({ pass: true, hold: { release, settle: async () => undefined } }),
  });
  const gates: Gate[] = [
    gate('relay', async () => {
      throw new Error('the row of the relay cannot be read');
    }),
    gate('limit', async () => {
      givenBack.push('limit');
    }),
    {
      name: 'last',
      free: false,
      check: async () => {
        throw new Error('the look-up failed');
      },
    },
  ];
  const to = { address: 'ana@example.com' };
  const mail = { kind: 'share', to: [to], subject: 'Plans', text: 'x' } as const;
  const delivery = newDelivery({ messageId: newMessageId(0), n: 0, at: 0, mail: { ...mail, to: [to] }, to });
  await expect(askGates(gates, delivery, { settings: defaultSettings, now: 0 })).rejects.toThrow();
  expect(givenBack).toEqual(['limit']);
});
