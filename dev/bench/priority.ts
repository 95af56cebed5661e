/**
 * `npm run bench:priority [-- mails [rounds]]`: how long a priority mail takes from its queue to the relay, on an idle
 * system and then, in the same run, with thousands of ordinary mails waiting and a relay that takes 20 ms for each. Most
 * of an idle mail's time is the queue trigger's pause between two looks, up to a second and as chance will have it: hence
 * several rounds of both. Ends with 1 where the median is more than twice the idle one.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { QueueServiceClient } from '@azure/storage-queue';
import { type Stand, withStand } from './stand.ts';

const mails = Number(process.argv[2] ?? 5000);
const rounds = Number(process.argv[3] ?? 3);
const samples = 12;
const relayDelay = 20;

await withStand(async (stand) => {
  await stand.api.setFaults([{ at: 'accept', delayMs: relayDelay }]);
  // What a process does once, such as opening its connections.
  await stand.put('warm', 100, 'share', 'mail');
  await stand.put('warm', 20, 'two-factor', 'mail-priority');
  let arrived = 120;
  await stand.untilArrived(arrived);

  const idle: number[] = [];
  const busy: number[] = [];
  let exhausted = false;
  for (let round = 0; round < rounds; round++) {
    idle.push(...(await measure(stand, `idle${round}-`)));
    const start = Date.now() + putting(mails);
    await stand.put(`flood${round}`, mails, 'share', 'mail', start);
    await delay(start + 2000 - Date.now());
    const before = await waiting(stand);
    busy.push(...(await measure(stand, `busy${round}-`)));
    const after = await waiting(stand);
    exhausted ||= after === 0;
    console.log(`Round ${round + 1}: ${before} to ${after} ordinary mails on the queue.`);
    arrived += mails + 2 * samples;
    await stand.untilArrived(arrived);
  }

  console.log(
    `\nRelay: ${relayDelay} ms a mail. Milliseconds from the queue into the inbox, ${idle.length} mails each:`,
  );
  console.log(`  idle                    median ${median(idle)}, worst ${Math.max(...idle)}`);
  console.log(`  ordinary mails waiting  median ${median(busy)}, worst ${Math.max(...busy)}`);
  const ratio = median(busy) / median(idle);
  console.log(`The median is ${ratio.toFixed(2)} times the idle one; must not be above 2.`);
  if (exhausted) console.log('The ordinary mails were gone before the end: give more of them.');
  if (ratio > 2 || exhausted) process.exitCode = 1;
});

/** Milliseconds in which so many mails are put on the queue, before they appear there together. */
function putting(count: number): number {
  return 10_000 + count * 12;
}

/** One priority mail after another, each when the lane's listener is at rest again and at another moment of its second. */
async function measure({ put, arrivalOf }: Stand, name: string): Promise<number[]> {
  const times: number[] = [];
  for (let n = 0; n < samples; n++) {
    const subject = `${name}${n}`;
    const arrival = arrivalOf(`${subject} 0`);
    const start = Date.now();
    await put(subject, 1, 'two-factor', 'mail-priority');
    times.push((await arrival) - start);
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
