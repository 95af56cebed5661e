import type { RestError } from '@azure/data-tables';

const statusOf = (error: unknown): number | undefined =>
  error instanceof Error && 'statusCode' in error ? Number((error as RestError).statusCode) : undefined;

/** 409 EntityAlreadyExists: somebody inserted this row before. */
export const isConflict = (error: unknown): boolean => statusOf(error) === 409;

/** 412 UpdateConditionNotSatisfied: the row changed since its ETag was read. */
export const isStale = (error: unknown): boolean => statusOf(error) === 412;

const codeOf = (error: unknown): string | undefined => {
  const { code, details } = error as Partial<RestError>;
  return code ?? (details as { odataError?: { code?: string } } | undefined)?.odataError?.code;
};

/**
 * 404: no such row, blob or secret. A missing table, container or queue is also answered with 404 and is not meant:
 * "the list cannot be read" must never pass for "not on the list".
 */
export const isMissing = (error: unknown): boolean =>
  statusOf(error) === 404 && !['TableNotFound', 'ContainerNotFound', 'QueueNotFound'].includes(codeOf(error) ?? '');

/** The value, or `undefined` where the service answers 404; other errors pass through. */
export const ifFound = async <T>(found: Promise<T>): Promise<T | undefined> => {
  try {
    return await found;
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
};
