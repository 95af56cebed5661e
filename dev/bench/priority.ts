/**
 * `npm run bench:priority [-- mails]`: how long a priority mail takes from its queue to the relay, on an idle system and
 * then, in the same run, with thousands of ordinary mails waiting and a relay that takes 20 ms for each.
 * Ends with 1 where the median is more than twice the idle one.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { QueueServiceClient } from '@azure/storage-queue';
import { type Stand, withStand } from './stand.ts';

const mails = Number(process.argv[2] ?? 5000);
const samples = 12;
const relayDelay = 20;

await withStand(async (stand) => {
  await stand.api.setFaults([{ at: 'accept', delayMs: relayDelay }]);
  // What a process does once, such as opening its connections.
  await stand.put('warm', 100, 'share', 'mail');
  await stand.put('warm', 20, 'two-factor', 'mail-priority');
  await stand.untilArrived(120);

  const idle = await measure(stand, 'idle');
  const start = Date.now() + putting(mails);
  await stand.put('flood', mails, 'share', 'mail', start);
  await delay(start + 2000 - Date.now());
  const before = await waiting(stand);
  const busy = await measure(stand, 'busy');
  const after = await waiting(stand);

  console.log(
    `\nRelay: ${relayDelay} ms a mail. Milliseconds from the queue into the inbox, ${samples} priority mails each:`,
  );
  console.log(`  idle                                         median ${median(idle)}, worst ${Math.max(...idle)}`);
  console.log(
    `  with ${before} to ${after} ordinary mails on the queue  median ${median(busy)}, worst ${Math.max(...busy)}`,
  );
  const ratio = median(busy) / median(idle);
  console.log(`The median is ${ratio.toFixed(2)} times the idle one; must not be above 2.`);
  if (after === 0) console.log('The ordinary mails were gone before the end: give more of them.');
  if (ratio > 2 || after === 0) process.exitCode = 1;
});

/** Milliseconds in which so many mails are put on the queue, before they appear there together. */
function putting(count: number): number {
  return 10_000 + count * 12;
}

/** One priority mail after another, each when the lane's listener is at rest again and at another moment of its second. */
async function measure({ put, api }: Stand, name: string): Promise<number[]> {
  const times: number[] = [];
  for (let n = 0; n < samples; n++) {
    const subject = `${name}${n}`;
    const start = Date.now();
    await put(subject, 1, 'two-factor', 'mail-priority');
    let arrived: string | undefined;
    while (!arrived) {
      await delay(100);
      arrived = (await api.inbox('?limit=200')).find((line) => line.subject === `${subject} 0`)?.date;
    }
    times.push(Date.parse(arrived) - start);
    await delay(2600 + 170 * (n % 6));
  }
  return times;
}

async function waiting({ stack }: Stand): Promise<number> {
  const queue = QueueServiceClient.fromConnectionString(stack.storage.direct).getQueueClient('mail');
  return (await queue.getProperties()).approximateMessagesCount ?? 0;
}

function median(times: number[]): number {
  return [...times].sort((a, b) => a - b)[Math.floor(times.length / 2)] ?? 0;
}
