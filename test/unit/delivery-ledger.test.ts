import type { TableClient } from '@azure/data-tables';
import { expect, test } from 'vitest';
import { newDelivery } from '../../lib/delivery/delivery.ts';
import { newMessageId } from '../../lib/delivery/id.ts';
import { ledger } from '../../lib/delivery/ledger.ts';

test('a long mail is cut into properties that the service takes, and never within a character', async () => {
  const written: Record<string, string>[] = [];
  const table = {
    createEntity: async (entity: Record<string, string>) => {
      written.push(entity);
      return { etag: '1' };
    },
  } as unknown as TableClient;
  const to = { address: 'ana@example.com' };
  // Surrogate pairs at even and at odd places, so that some pair lies across every possible cut.
  const mail = {
    kind: 'share' as const,
    to: [to],
    subject: 'Plans',
    text: `${'😀'.repeat(20_000)}a${'😀'.repeat(20_000)}`,
  };
  const at = Date.UTC(2026, 10, 22);
  await ledger(table, table).open(newDelivery({ messageId: newMessageId(at), n: 0, at, mail, to }), 'w', mail);
  const [entity = {}] = written;
  const parts = Object.entries(entity).flatMap(([name, value]) => (/^mail\d+$/.test(name) ? [value] : []));
  expect(parts.length).toBeGreaterThan(2);
  expect(parts.filter((part) => part.length > 32 * 1024 || !part.isWellFormed())).toEqual([]);
  expect(JSON.parse(parts.join(''))).toEqual(mail);
});
