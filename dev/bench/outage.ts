/**
 * `npm run bench:outage [-- mails]`: what a relay outage costs in storage requests for each mail that waits for its end.
 * The same number of mails goes once without an outage and once through one; the difference is the price of waiting.
 * Ends with 1 where that is 3 requests a mail or more.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { QueueServiceClient } from '@azure/storage-queue';
import { patiently, type RelayView } from '../chaos/api.ts';
import { type Stand, since, total, withStand } from './stand.ts';

const mails = Number(process.argv[2] ?? 5000);
const most = 3;

await withStand({ counted: true }, async (stand) => {
  const { api, stack } = stand;
  const untilQueued = async (waiting: (view: RelayView) => boolean) => {
    while (!waiting(await patiently(() => api.admin<RelayView>('GET', '/api/relay')))) await delay(1000);
  };
  // A first mail by each host, so that what a process learns once is not counted.
  await stand.put('warm', 200, 'share', 'mail');
  await stand.untilArrived(200);

  const quiet = await counted(stand, async () => {
    await stand.put('quiet', mails, 'share', 'mail');
    await stand.untilArrived(200 + mails);
  });
  console.log(
    `\n${mails} mails without an outage: ${perMail(quiet.requests)} storage requests a mail, ${quiet.seconds} s`,
  );

  const hard = await counted(stand, async () => {
    await api.setFaults([
      { at: 'mail', drop: 'before' },
      { at: 'connect', reply: '421 4.3.2 Service not available' },
    ]);
    await stand.put('outage', mails, 'share', 'mail');
    const client = QueueServiceClient.fromConnectionString(stack.storage.direct).getQueueClient('mail');
    while (((await client.getProperties()).approximateMessagesCount ?? 0) > 0) await delay(1000);
    await untilQueued(({ state }) => state === 'open');
    await delay(20_000);
    await api.setFaults([]);
    await patiently(() => api.admin('POST', '/api/relay/probe'));
    await stand.untilArrived(200 + 2 * mails);
  });
  console.log(`${mails} mails through an outage: ${perMail(hard.requests)} storage requests a mail, ${hard.seconds} s`);

  const names = [...new Set([...Object.keys(quiet.requests), ...Object.keys(hard.requests)])].sort();
  const width = Math.max(...names.map((name) => name.length));
  for (const name of names) {
    const [a, b] = [quiet.requests[name] ?? 0, hard.requests[name] ?? 0];
    console.log(`  ${name.padEnd(width)}  ${String(a).padStart(7)}  ${String(b).padStart(7)}  ${perOne(b - a)}`);
  }
  const price = (total(hard.requests) - total(quiet.requests)) / mails;
  console.log(`A mail that waits costs ${price.toFixed(2)} storage requests more; must be below ${most}.`);
  if (price >= most) process.exitCode = 1;
});

function perMail(requests: Record<string, number>): string {
  return (total(requests) / mails).toFixed(2);
}

function perOne(more: number): string {
  return `${more < 0 ? '' : '+'}${(more / mails).toFixed(3)} a mail`;
}

async function counted(stand: Stand, work: () => Promise<void>) {
  const before = stand.requests();
  const start = Date.now();
  await work();
  const seconds = Math.round((Date.now() - start) / 1000);
  return { requests: since(stand.requests(), before), seconds };
}
