/**
 * `npm run bench:priority [-- mails [delay]]`: how long a priority mail takes from its queue to the relay, on an idle
 * system and then, in the same run, with thousands of ordinary mails waiting and a relay that takes `delay` milliseconds
 * for each. Most of an idle mail's time is the queue trigger's pause between two looks, up to a second and as chance will
 * have it: hence many samples. Ends with 1 where the median is more than twice the idle one.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { QueueServiceClient } from '@azure/storage-queue';
import { type Stand, withStand } from './stand.ts';

const mails = Number(process.argv[2] ?? 5000);
const each = 20;
const relayDelay = Number(process.argv[3] ?? 150);

await withStand({ counted: false }, async (stand) => {
  await stand.api.setFaults([{ at: 'accept', delayMs: relayDelay }]);
  // What a process does once, such as opening its connections.
  await stand.put('warm', 60, 'share', 'mail');
  await stand.put('warm', 20, 'two-factor', 'mail-priority');
  await stand.untilArrived(80);

  const idle = await measure(stand, 'idle');
  const start = Date.now() + putting(mails);
  await stand.put('flood', mails, 'share', 'mail', start);
  await delay(start + 2000 - Date.now());
  const before = await waiting(stand);
  const busy = await measure(stand, 'busy');
  const after = await waiting(stand);

  console.log(
    `\nRelay: ${relayDelay} ms a mail. ${before} to ${after} ordinary mails on the queue. ` +
      `Milliseconds from the queue into the inbox, ${each} priority mails each:`,
  );
  const told = (samples: Sample[]) => {
    const all = samples.map(({ arrived }) => arrived);
    const claims = samples.map(({ claimed }) => claimed);
    return `median ${median(all)}, worst ${Math.max(...all)}; until the claim median ${median(claims)}`;
  };
  console.log(`  idle                    ${told(idle)}`);
  console.log(`  ordinary mails waiting  ${told(busy)}`);
  const [ordinary = 0, still = 1] = [busy, idle].map((samples) => median(samples.map(({ arrived }) => arrived)));
  const ratio = ordinary / still;
  console.log(`The median is ${ratio.toFixed(2)} times the idle one; must not be above 2.`);
  if (after === 0) console.log('The ordinary mails were gone before the end: give more of them.');
  if (ratio > 2 || after === 0) process.exitCode = 1;
});

/** Milliseconds in which so many mails are put on the queue, before they appear there together. */
function putting(count: number): number {
  return 10_000 + count * 12;
}

/** Milliseconds from the queue. */
interface Sample {
  claimed: number;
  arrived: number;
}

/** One priority mail after another, each when the lane's listener is at rest again and at another moment of its second. */
async function measure({ put, arrivalOf, api }: Stand, name: string): Promise<Sample[]> {
  const samples: Sample[] = [];
  for (let n = 0; n < each; n++) {
    const subject = `${name}${n}`;
    const arrival = arrivalOf(`${subject} 0`);
    await put(subject, 1, 'two-factor', 'mail-priority');
    // The queue has it: what the producer's own client does before is not ours.
    const start = Date.now();
    const arrived = (await arrival) - start;
    const { items } = await api.admin<{ items: { id: string }[] }>('GET', '/api/messages?kind=two-factor&limit=1');
    const { deliveries } = await api.admin<{ deliveries: { attempts: { at: string }[] }[] }>(
      'GET',
      `/api/messages/${items[0]?.id}`,
    );
    samples.push({ arrived, claimed: Date.parse(deliveries[0]?.attempts[0]?.at ?? '') - start });
    await delay(2600 + 170 * (n % 6));
  }
  return samples;
}

async function waiting({ stack }: Stand): Promise<number> {
  const queue = QueueServiceClient.fromConnectionString(stack.storage.direct).getQueueClient('mail');
  return (await queue.getProperties()).approximateMessagesCount ?? 0;
}

function median(times: number[]): number {
  return [...times].sort((a, b) => a - b)[Math.floor(times.length / 2)] ?? 0;
}
