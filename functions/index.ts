import { app } from '@azure/functions';
import { readConfig } from '../lib/config.ts';
import { registrations } from '../lib/http/register.ts';
import { composePostern } from './app.ts';
import { lane } from './queue/lane.ts';

/** Registers everything that Postern does with the Functions host. */
const postern = composePostern(readConfig(process.env));

for (const { name, options } of registrations(postern.routes, postern.edge)) app.http(name, options);

for (const { name, acceptance } of postern.queues) {
  app.storageQueue(functionNameOf(name), {
    queueName: name,
    connection: 'AzureWebJobsStorage',
    handler: lane(name, acceptance),
  });
}

app.timer('releaseParkedMail', { schedule: '*/15 * * * * *', handler: postern.timers.drain });
app.timer('expireParkedMail', { schedule: '0 5-59/10 * * * *', handler: postern.timers.expireParked });
app.timer('watchOldestMail', { schedule: '30 * * * * *', handler: postern.timers.oldest });
app.timer('ageOut', { schedule: '0 20 * * * *', handler: postern.timers.ageOut });
app.timer('renewToken', { schedule: '0 40 3 * * *', handler: postern.timers.renewToken });
app.timer('emptyPoisonQueues', { schedule: '*/15 * * * * *', handler: postern.timers.poison });

app.hook.appTerminate(postern.close);

/** `mail-priority` → `deliverMailPriority`. */
function functionNameOf(queue: string): string {
  return `deliver-${queue}`.replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase());
}
