import { odata, type TableClient, type TableEntityResult } from '@azure/data-tables';
import type { OverrideName } from '../do-not-email/gate.ts';
import type { Mail } from '../message/contract.ts';
import { groupCommit } from '../storage/group-commit.ts';
import { groupRead } from '../storage/group-read.ts';
import { type Page, readPage } from '../storage/page.ts';
import { ifFound, isConflict, isMissing, isStale } from '../storage/table.ts';
import type { Delivery } from './delivery.ts';
import {
  areNear,
  type DeliveryKey,
  keyOfDelivery,
  newestFirst,
  parseId,
  partitionOf,
  recipientPartition,
  rowPrefixOf,
} from './id.ts';
import { isFinal } from './states.ts';

/** A delivery with its row's version, and the mail itself where the row holds it. */
export interface Stored {
  delivery: Delivery;
  etag: string;
  /** Kept for as long as the delivery may still be handed over or sent again. */
  mail?: Mail | undefined;
  /** The queue message as it came, where it was refused or could not be processed. */
  original?: string | undefined;
  /** Who made the last write: tells one's own write from another's after a lost answer. */
  writer: string;
}

/** What the list by recipient shows of a delivery. */
export interface Summary {
  id: string;
  messageId: string;
  state: Delivery['state'];
  kind: Delivery['kind'];
  to: string;
  subject: string;
  acceptedAt: string;
  changedAt: string;
  reason: Delivery['reason'];
  ref?: Delivery['ref'];
  override?: Delivery['override'];
}

export const summaryOf = (it: Delivery): Summary => ({
  id: it.id,
  messageId: it.messageId,
  state: it.state,
  kind: it.kind,
  to: it.to.address,
  subject: it.subject,
  acceptedAt: it.acceptedAt,
  changedAt: it.changedAt,
  reason: it.reason,
  ref: it.ref,
  override: it.override,
});

export interface Filter {
  /** Milliseconds, inclusive. */
  since?: number | undefined;
  until?: number | undefined;
  state?: Delivery['state'] | undefined;
  kind?: Delivery['kind'] | undefined;
  /** Only what this service posted. */
  owner?: string | undefined;
  /** Only what an override of the Do Not Email list let pass: this one, or any. */
  override?: OverrideName | 'any' | undefined;
}

/**
 * The rows of all deliveries. Three verbs write: `open` (insert) and `move` (update of the version that was read) say
 * `undefined` where somebody else was first; `index` makes a delivery findable by its recipient.
 */
export interface Ledger {
  open(delivery: Delivery, writer: string, mail?: Mail, original?: string): Promise<Stored | undefined>;
  move(stored: Stored, delivery: Delivery, writer: string, mail?: Mail): Promise<Stored | undefined>;
  index(delivery: Delivery): Promise<void>;
  read(deliveryId: string): Promise<Stored | undefined>;
  ofMessage(messageId: string): Promise<Stored[]>;
  byTime(filter: Filter, size: number, after?: string): Promise<Page<Summary>>;
  byRecipient(address: string, filter: Filter, size: number, after?: string): Promise<Page<Summary>>;
}

/**
 * Opens a row that is born settled and makes it findable, also where an earlier try died between the two.
 * @returns whether this call opened it
 */
export const openIndexed = async (
  ledger: Pick<Ledger, 'open' | 'read' | 'index'>,
  row: Delivery,
  writer: string,
  { mail, original }: Pick<Stored, 'mail' | 'original'>,
): Promise<{ first: boolean }> => {
  const stored = await ledger.open(row, writer, mail, original);
  const present = stored ?? (await ledger.read(row.id));
  if (present && present.delivery.to.address !== '') await ledger.index(present.delivery);
  return { first: stored !== undefined };
};

export const ledger = (deliveries: TableClient, recipients: TableClient): Ledger => {
  const write = groupCommit(deliveries);
  const readOne = groupRead<Row>(deliveries, areNear);
  const writeIfFirst = async (stored: Omit<Stored, 'etag'>, etag?: string): Promise<Stored | undefined> => {
    const entity = toEntity(stored);
    try {
      return { ...stored, etag: await write(etag ? { entity, etag } : { entity }) };
    } catch (error) {
      if (!isConflict(error) && !isStale(error) && !isMissing(error)) throw error;
      // An answer may get lost after the service has written; the client's own repetition then meets its first try.
      const present = await readRow(deliveries, entity);
      return present?.writer === stored.writer && present.delivery.changedAt === stored.delivery.changedAt
        ? present
        : undefined;
    }
  };

  /** What is not final in the list by recipient may have moved on since: the row itself knows. */
  const asOfNow = async (item: Summary): Promise<Summary> => {
    if (isFinal(item.state)) return item;
    const present = await readRow(deliveries, keyOfDelivery(item.id));
    return present ? summaryOf(present.delivery) : item;
  };

  return {
    open: (delivery, writer, mail, original) => writeIfFirst({ delivery, writer, mail, original }),
    move: ({ etag, original }, delivery, writer, mail) => writeIfFirst({ delivery, writer, mail, original }, etag),
    index: async (delivery) => {
      await recipients.upsertEntity(indexRow(delivery), 'Replace');
    },
    read: async (deliveryId) => {
      const row = await readOne(keyOfDelivery(deliveryId));
      return row && fromEntity(row);
    },
    ofMessage: async (messageId) => {
      const partitionKey = partitionOf(parseId(messageId)?.at ?? 0);
      const prefix = rowPrefixOf(messageId);
      const rows = deliveries.listEntities<Row>({
        queryOptions: {
          filter: `PartitionKey eq '${partitionKey}' and RowKey ge '${prefix}' and RowKey lt '${prefix}~'`,
        },
      });
      const found: Stored[] = [];
      for await (const row of rows) found.push(fromEntity(row));
      return found;
    },
    byTime: async (filter, size, after) =>
      readPage<SummaryRow, Summary>(deliveries, { filter: timeFilter(filter), select }, { size, after }, async (row) =>
        JSON.parse(row.summary),
      ),
    byRecipient: async (address, filter, size, after) => {
      const span = [
        `PartitionKey eq '${recipientPartition(address)}'`,
        ...(filter.until === undefined ? [] : [`RowKey ge '${newestFirst(filter.until)}'`]),
        ...(filter.since === undefined ? [] : [`RowKey lt '${newestFirst(filter.since - 1)}'`]),
        ...(filter.kind ? [`kind eq '${filter.kind}'`] : []),
        ...(filter.owner ? [odata`owner eq ${filter.owner}`] : []),
        ...overrideFilter(filter),
      ];
      const query = { filter: span.join(' and '), select };
      return readPage<SummaryRow, Summary>(recipients, query, { size, after }, async (row) => {
        const item = await asOfNow(JSON.parse(row.summary));
        return filter.state === undefined || item.state === filter.state ? item : undefined;
      });
    },
  };
};

/** What lists read. */
interface SummaryRow {
  partitionKey: string;
  rowKey: string;
  summary: string;
}

const select = ['partitionKey', 'rowKey', 'summary'];

type Chunked = 'data' | 'mail' | 'original';

interface Row extends SummaryRow {
  writer: string;
  [chunk: `${Chunked}${number}`]: string;
}

/**
 * A string property holds 32 Ki UTF-16 units at most, so long ones are cut; never within a character, which has two at
 * most, since the service answers in UTF-8 and that has no halves of one.
 */
const pieces = /.{1,16000}/gsu;

const toEntity = ({ delivery, writer, mail, original }: Omit<Stored, 'etag'>) => ({
  ...keyOfDelivery(delivery.id),
  state: delivery.state,
  kind: delivery.kind,
  ...(delivery.owner ? { owner: delivery.owner } : {}),
  ...(delivery.key ? { key: delivery.key } : {}),
  ...(delivery.blob ? { blob: delivery.blob } : {}),
  ...(delivery.override ? { override: delivery.override } : {}),
  summary: JSON.stringify(summaryOf(delivery)),
  writer,
  ...chunks('data', JSON.stringify(delivery)),
  ...(mail ? chunks('mail', JSON.stringify(mail)) : {}),
  ...(original ? chunks('original', original) : {}),
});

const chunks = (name: Chunked, text: string): Record<string, string> =>
  Object.fromEntries((text.match(pieces) ?? []).map((piece, i) => [`${name}${i}`, piece]));

const joined = (row: Row, name: Chunked): string => {
  const parts: string[] = [];
  for (let i = 0; ; i++) {
    const part = row[`${name}${i}`];
    if (part === undefined) return parts.join('');
    parts.push(part);
  }
};

const fromEntity = (row: TableEntityResult<Row>): Stored => {
  const mail = joined(row, 'mail');
  return {
    delivery: JSON.parse(joined(row, 'data')) as Delivery,
    etag: row.etag,
    writer: row.writer,
    mail: mail ? (JSON.parse(mail) as Mail) : undefined,
    original: joined(row, 'original') || undefined,
  };
};

const readRow = async (table: TableClient, key: DeliveryKey): Promise<Stored | undefined> => {
  const row = await ifFound(table.getEntity<Row>(key.partitionKey, key.rowKey));
  return row && fromEntity(row);
};

const indexRow = (delivery: Delivery) => ({
  partitionKey: recipientPartition(delivery.to.address),
  rowKey: keyOfDelivery(delivery.id).rowKey,
  kind: delivery.kind,
  ...(delivery.owner ? { owner: delivery.owner } : {}),
  ...(delivery.override ? { override: delivery.override } : {}),
  summary: JSON.stringify(summaryOf(delivery)),
});

const timeFilter = ({ since, until, state, kind, owner, override }: Filter): string =>
  [
    ...(until === undefined
      ? [`PartitionKey ge '0'`]
      : [`PartitionKey ge '${partitionOf(until)}'`, `RowKey ge '${newestFirst(until)}'`]),
    ...(since === undefined
      ? []
      : [`PartitionKey le '${partitionOf(since)}'`, `RowKey lt '${newestFirst(since - 1)}'`]),
    ...(state ? [`state eq '${state}'`] : []),
    ...(kind ? [`kind eq '${kind}'`] : []),
    ...(owner ? [odata`owner eq ${owner}`] : []),
    ...overrideFilter({ override }),
  ].join(' and ');

/** The column is there only where an override let the mail pass. */
const overrideFilter = ({ override }: Pick<Filter, 'override'>): string[] =>
  override === undefined ? [] : [override === 'any' ? `override ge ''` : odata`override eq ${override}`];
