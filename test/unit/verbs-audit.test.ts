import { expect, test } from 'vitest';
import { auditLog } from '../../lib/audit/audit.ts';
import type { Verb } from '../../lib/delivery/states.ts';
import { type DeliveryWorld, deliveryWorld, storageInMemory } from '../helpers/delivery-world.ts';
import type { Fate } from '../helpers/mortal.ts';
import { share } from '../helpers/postern.ts';

const actor = { id: 'u-1', name: 'Ana' };

/** Brings the one mail of a world to where the verb may be asked for. */
const ripe: Record<Verb, (world: DeliveryWorld) => void> = {
  resend: (world) => world.setGate('listed'),
  cancel: (world) => world.setGate('closed'),
  'mark-sent': (world) => void world.answers.push('lost mail'),
};

/** A verb asked for by a process that suffers one blow. @returns what became of it, and what the audit says */
const struck = async (verb: Verb, call: number, fate: Fate) => {
  const storage = storageInMemory();
  const world = deliveryWorld(storage, 'hold', () => 0);
  ripe[verb](world);
  await world.deliver(world.enqueue('mail', share('ana@example.com')), world.start());
  const { ledger } = world.start();
  const only = async () => {
    const { items } = await ledger.byTime({}, 10);
    expect(items).toHaveLength(1);
    return (await ledger.read(items[0]!.id))!.delivery;
  };
  const before = await only();
  const process = world.start([{ call, fate }]);
  await process.live(() => process.verbs.apply(verb, before.id, actor).catch(() => undefined));
  const { entries } = await auditLog({ table: storage.table('audit'), clock: world.time }).list({ limit: 10 });
  const done = (await only()).trail.some(({ reason }) => reason.code === verb);
  return { done, outcomes: entries.map(({ detail }) => detail.outcome), id: before.id, entries, blow: process.calls() };
};

const everyBlow = (['resend', 'cancel', 'mark-sent'] as const).flatMap((verb) =>
  (['dies before', 'dies after', 'fails before', 'fails after'] as const).map((fate) => [verb, fate] as const),
);

test.each(
  everyBlow,
)('a process that does %s and %s a call leaves nothing done out of the audit', async (verb, fate) => {
  let halfWay = 0;
  for (let call = 1; ; call++) {
    const { done, outcomes, entries, id, blow } = await struck(verb, call, fate);
    if (blow < call) break;
    expect(outcomes.length, `an entry for what was done, call ${call}`).toBeGreaterThanOrEqual(done ? 1 : 0);
    for (const entry of entries) expect(entry).toMatchObject({ action: `delivery.${verb}`, subject: id, actor });
    expect(outcomes.includes('done') && !done, `claimed and not done, call ${call}`).toBe(false);
    if (done && outcomes.includes('begun')) halfWay++;
  }
  expect(halfWay, 'blows between the act and its end').toBeGreaterThan(0);
});
