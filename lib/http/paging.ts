import { z } from 'zod';

/**
 * A continuation token: where a list goes on, as opaque text for the caller. It holds no authority; what comes back
 * is validated like any input, so that a forged one can at most ask for another place in the same list.
 */
export const continuationOf = (place: unknown): string => Buffer.from(JSON.stringify(place)).toString('base64url');

/** zod: the query parameter that brings a token back, as the place in it. */
export const continuation = <T extends z.ZodType>(place: T) =>
  z
    .string()
    .max(1024)
    .regex(/^[A-Za-z0-9_-]+$/, 'is not a continuation of this list')
    .transform((token, context): z.output<T> => {
      const read = place.safeParse(decoded(token));
      if (read.success) return read.data;
      context.addIssue({ code: 'custom', message: 'is not a continuation of this list' });
      return z.NEVER;
    });

/** zod: the query parameter `limit`, how many entries one page may have. */
export const pageLimit = (most: number, usual: number) => z.coerce.number().int().min(1).max(most).default(usual);

const decoded = (token: string): unknown => {
  try {
    return JSON.parse(Buffer.from(token, 'base64url').toString('utf8'));
  } catch {
    return undefined;
  }
};
