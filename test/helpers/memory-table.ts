import type { TableClient, TransactionAction } from '@azure/data-tables';

/** As the service answers: a status, and the code that tells "no such row" from "no such table". */
class TableFault extends Error {
  readonly statusCode: number;
  readonly code: string;
  constructor(statusCode: number, code: string) {
    super(`${statusCode} ${code}`);
    this.statusCode = statusCode;
    this.code = code;
  }
}

type Entity = { partitionKey: string; rowKey: string } & Record<string, unknown>;
type Held = Entity & { etag: string };

/**
 * A table in memory with the parts of the client that Postern uses: ETags, transactions that fail as a whole, filters,
 * pages with continuation. For models that need thousands of runs; the same tests also run on the real service's
 * stand-in.
 */
export const memoryTable = (): TableClient => {
  const rows = new Map<string, Held>();
  let version = 0;
  const keyOf = ({ partitionKey, rowKey }: { partitionKey: string; rowKey: string }) => `${partitionKey}\n${rowKey}`;

  const check = (entity: Entity, verb: string, etag = '*') => {
    const held = rows.get(keyOf(entity));
    if (verb === 'create' && held) throw new TableFault(409, 'EntityAlreadyExists');
    if ((verb === 'update' || verb === 'delete') && !held) throw new TableFault(404, 'ResourceNotFound');
    if ((verb === 'update' || verb === 'delete') && etag !== '*' && held?.etag !== etag) {
      throw new TableFault(412, 'UpdateConditionNotSatisfied');
    }
  };
  const apply = (entity: Entity, verb: string): { etag: string } => {
    const etag = `v${++version}`;
    if (verb === 'delete') rows.delete(keyOf(entity));
    else rows.set(keyOf(entity), { ...structuredClone(entity), etag });
    return { etag };
  };
  const one = async (entity: Entity, verb: string, etag?: string) => {
    check(entity, verb, etag);
    return apply(entity, verb);
  };

  const found = (filter: string | undefined): Held[] => {
    const matches = matching(filter);
    return [...rows]
      .filter(([, row]) => matches(row))
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([, row]) => row);
  };

  const client = {
    createEntity: (entity: Entity) => one(entity, 'create'),
    upsertEntity: (entity: Entity) => one(entity, 'upsert'),
    updateEntity: (entity: Entity, _: 'Replace', { etag }: { etag: string }) => one(entity, 'update', etag),
    deleteEntity: (partitionKey: string, rowKey: string, { etag }: { etag?: string } = {}) =>
      one({ partitionKey, rowKey }, 'delete', etag),
    getEntity: async (partitionKey: string, rowKey: string) => {
      const held = rows.get(keyOf({ partitionKey, rowKey }));
      if (!held) throw new TableFault(404, 'ResourceNotFound');
      return structuredClone(held);
    },
    submitTransaction: async (actions: TransactionAction[]) => {
      const partitions = new Set(actions.map(([, entity]) => entity.partitionKey));
      if (partitions.size !== 1 || actions.length > 100) throw new TableFault(400, 'InvalidInput');
      for (const [verb, entity, , options] of actions) check(entity as Entity, verb, options?.etag);
      return { subResponses: actions.map(([verb, entity]) => apply(entity as Entity, verb)) };
    },
    listEntities: ({ queryOptions = {} }: { queryOptions?: { filter?: string } } = {}) => ({
      async *[Symbol.asyncIterator]() {
        for (const row of found(queryOptions.filter)) yield structuredClone(row);
      },
      async *byPage({ maxPageSize = 1000, continuationToken = '' } = {}) {
        const all = found(queryOptions.filter).filter((row) => keyOf(row) > continuationToken);
        for (let i = 0; i === 0 || i < all.length; i += maxPageSize) {
          const page = all.slice(i, i + maxPageSize).map((row) => structuredClone(row));
          const last = page.at(-1);
          const more = i + maxPageSize < all.length && last;
          yield Object.assign(page, more ? { continuationToken: keyOf(last) } : {});
        }
      },
    }),
  };
  return client as unknown as TableClient;
};

const compare: Record<string, (a: string, b: string) => boolean> = {
  eq: (a, b) => a === b,
  ge: (a, b) => a >= b,
  gt: (a, b) => a > b,
  le: (a, b) => a <= b,
  lt: (a, b) => a < b,
};

/** `A op 'text'` joined by `and`, or by `or` in brackets: all that the delivery room asks. Anything else is an error, not everything. */
const matching = (filter = ''): ((row: Held) => boolean) => {
  const tests = filter === '' ? [] : filter.split(' and ').map(testOf);
  return (row) => tests.every((test) => test(row));
};

const testOf = (part: string): ((row: Held) => boolean) => {
  if (part.startsWith('(')) {
    const any = part.slice(1, -1).split(' or ').map(testOf);
    return (row) => any.some((test) => test(row));
  }
  const [, name = '', op = '', value = ''] = /^(\w+) (eq|ge|gt|le|lt) '(.*)'$/.exec(part) ?? [];
  const test = compare[op];
  if (!test) throw new Error(`the table in memory cannot read “${part}”`);
  const column = ({ PartitionKey: 'partitionKey', RowKey: 'rowKey' } as Record<string, string>)[name] ?? name;
  return (row) => row[column] !== undefined && test(String(row[column]), value);
};
