import { inSteps } from '../steps.ts';
import type { Keys } from './keys.ts';
import { type Ledger, openIndexed } from './ledger.ts';
import { keptOriginal, type Rejection, rejected } from './rejected.ts';

interface Parts {
  ledger: Pick<Ledger, 'open' | 'read' | 'index'>;
  keys: Pick<Keys, 'refuse'>;
  newWriter(): string;
}

/** What one alert tells of a refused message. */
export interface Refusal {
  message: string;
  /** The first of its rows. */
  delivery: string;
  kind: string;
  code: string;
  /** How many rows it has. */
  rows: number;
}

/**
 * Makes a refused message visible: its rows, findable by recipient and by its key. Harmless to repeat.
 * @param body the queue message as it came
 * @returns `undefined` where all of it was there before
 */
export const refuseMessage = async (
  { ledger, keys, newWriter }: Parts,
  rejection: Rejection,
  body: unknown,
): Promise<Refusal | undefined> => {
  const { bad, messageId, code, at } = rejection;
  const original = keptOriginal(typeof body === 'string' ? body : (JSON.stringify(body) ?? ''), bad.kind);
  const rows = rejected(rejection);
  const opened = await inSteps(rows, (row) => openIndexed(ledger, row, newWriter(), { original }));
  if (bad.key) await keys.refuse(bad.key, messageId, at);
  const [first] = rows;
  if (!first || opened.every((it) => !it.first)) return undefined;
  return { message: messageId, delivery: first.id, kind: first.kind, code, rows: rows.length };
};
