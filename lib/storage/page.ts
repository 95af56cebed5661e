import type { TableClient, TableEntityResult } from '@azure/data-tables';
import { z } from 'zod';

export interface Page<T> {
  items: T[];
  /** Pass back to go on; absent at the end. */
  next?: string | undefined;
}

export interface Span {
  /** Items at most, up to 1,000. */
  size: number;
  /** `next` of the page before. */
  after?: string | undefined;
}

/** Service pages read for one page of ours: a filter that matches little must not run through the whole table. */
const mostServicePages = 5;

/**
 * One page of what a query finds. A page may hold fewer items than there are, even none, and still have a `next`.
 * @param toItem `undefined` for a row that is not meant
 */
export const readPage = async <R extends object, T>(
  table: TableClient,
  queryOptions: { filter?: string; select?: string[] },
  { size, after }: Span,
  toItem: (row: TableEntityResult<R>) => Promise<T | undefined>,
): Promise<Page<T>> => {
  const items: T[] = [];
  let next = after;
  for (let read = 0; read < mostServicePages && items.length < size; read++) {
    const pages = table
      .listEntities<R>({ queryOptions })
      .byPage({ maxPageSize: size - items.length, ...(next ? { continuationToken: next } : {}) });
    const { value: rows } = await pages.next();
    items.push(...(await Promise.all((rows ?? []).map(toItem))).filter((item) => item !== undefined));
    next = rows?.continuationToken;
    if (!next) break;
  }
  return { items, next };
};

/** zod: a `next` that came back from outside. Another text would make the client library throw. */
export const nextPage = z
  .string()
  .max(900)
  .refine((token) => {
    try {
      const { nextPartitionKey } = JSON.parse(Buffer.from(token, 'base64').toString('utf8')) ?? {};
      return typeof nextPartitionKey === 'string';
    } catch {
      return false;
    }
  });
