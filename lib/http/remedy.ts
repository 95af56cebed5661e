import { z } from 'zod';

/** What an administrator can do about a fault. Shown by the settings check, the OAuth pages, relay state and history. */
export const remedySchema = z
  .object({
    title: z.string().meta({ description: 'A few words.' }),
    means: z.string().meta({ description: 'What has happened, in a sentence or two.' }),
    doThis: z.array(z.string()).meta({ description: 'Steps in order, with the switch or the command.' }),
    takes: z.string().meta({ description: 'How long until it works again.' }),
  })
  .meta({ id: 'Remedy' });
export type Remedy = z.output<typeof remedySchema>;

/** A remedy with the stable name that rows and logs have of it. */
export const keyedRemedy = remedySchema.extend({ key: z.string() }).meta({ id: 'KeyedRemedy' });
export type KeyedRemedy = z.output<typeof keyedRemedy>;
