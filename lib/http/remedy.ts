import { z } from 'zod';

/** What an administrator can do about a fault, as answers show it. */
export const remedySchema = z
  .object({
    title: z.string(),
    means: z.string(),
    doThis: z.array(z.string()),
    takes: z.string(),
  })
  .meta({ id: 'Remedy' });
