import type { TableClient, TransactionAction } from '@azure/data-tables';
import { PosternError } from '../errors.ts';
import { ifFound, isConflict, isStale } from '../storage/table.ts';
import type { Change } from './difference.ts';
import { defaultSettings, type Settings, settingsSchema } from './schema.ts';
import { type SecretReferences, withSecretStates } from './seal.ts';

/** That a test mail succeeded with these settings: when (ISO 8601) and who asked for it. */
export interface Verified {
  at: string;
  by: string;
}

/** The settings row, read. Revision 0 means that nothing was ever saved: these are the defaults. */
export interface Stored {
  settings: Settings;
  secrets: SecretReferences;
  /** Counts the changes. */
  revision: number;
  savedAt?: string | undefined;
  savedBy?: string | undefined;
  verified: Verified | null;
  /** Of the row, for the next update; absent where there is no row. */
  rowEtag?: string | undefined;
}

/** One save: who changed what, when (ISO 8601). */
export interface HistoryEntry {
  revision: number;
  at: string;
  by: string;
  changes: Change[];
}

interface SettingsRow {
  settings: string;
  secrets: string;
  revision: number;
  savedAt: string;
  savedBy: string;
  verifiedAt?: string;
  verifiedBy?: string;
}

interface HistoryRow {
  revision: number;
  at: string;
  by: string;
  changes: string;
}

/** Settings and history share a partition, so that one transaction writes both. */
const partitionKey = 'settings';
const rowKey = 'current';
const historyKey = (revision: number) => `history-${String(9_999_999_999 - revision).padStart(10, '0')}`;

/**
 * @throws RestError where the table cannot be read, PosternError `unavailable` where the row is not understood: never
 * defaults in place of settings that exist.
 */
export const readStored = async (table: TableClient): Promise<Stored> => {
  const row = await ifFound(table.getEntity<SettingsRow>(partitionKey, rowKey));
  if (!row) return { settings: defaultSettings, secrets: {}, revision: 0, verified: null };
  const read = settingsSchema.safeParse(JSON.parse(row.settings));
  if (!read.success) {
    const paths = read.error.issues.map((issue) => issue.path.join('.')).join(', ');
    throw new PosternError('unavailable', `The stored settings are not understood by this version, at: ${paths}.`);
  }
  const secrets = JSON.parse(row.secrets) as SecretReferences;
  const { revision, savedAt, savedBy, verifiedAt, verifiedBy, etag } = row;
  return {
    settings: withSecretStates(read.data, secrets),
    secrets,
    revision,
    savedAt,
    savedBy,
    verified: verifiedAt && verifiedBy ? { at: verifiedAt, by: verifiedBy } : null,
    rowEtag: etag,
  };
};

/**
 * Writes settings and the history entry together, or neither.
 * @throws PosternError `precondition-failed` where somebody else saved since `before` was read.
 */
export const writeStored = async (table: TableClient, before: Stored, after: Stored, changes: Change[]) => {
  const row = { partitionKey, rowKey, ...rowOf(after) };
  const { revision } = after;
  const { savedAt: at, savedBy: by } = rowOf(after);
  const history = { partitionKey, rowKey: historyKey(revision), revision, at, by, changes: JSON.stringify(changes) };
  const settings: TransactionAction = before.rowEtag
    ? ['update', row, 'Replace', { etag: before.rowEtag }]
    : ['create', row];
  await unlessStale(table.submitTransaction([settings, ['create', history]]));
};

/** Notes the verification. @throws PosternError `precondition-failed` where somebody saved since `stored` was read. */
export const writeVerified = (table: TableClient, stored: Stored, verified: Verified): Promise<unknown> =>
  unlessStale(
    table.updateEntity({ partitionKey, rowKey, ...rowOf({ ...stored, verified }) }, 'Replace', {
      etag: stored.rowEtag ?? '',
    }),
  );

/** @returns at most `limit` entries older than revision `before` (or from the newest), newest first. */
export const readHistory = async (table: TableClient, before: number | undefined, limit: number) => {
  const from = before === undefined ? 'history-' : historyKey(before);
  const filter = `PartitionKey eq '${partitionKey}' and RowKey gt '${from}' and RowKey lt 'history.'`;
  const entries: HistoryEntry[] = [];
  for await (const page of table
    .listEntities<HistoryRow>({ queryOptions: { filter } })
    .byPage({ maxPageSize: limit })) {
    for (const { revision, at, by, changes } of page) {
      entries.push({ revision, at, by, changes: JSON.parse(changes) as Change[] });
    }
    if (entries.length >= limit) break;
  }
  return entries.slice(0, limit);
};

/** Every property is a plain one: no secret is in any of them, only the vault's version ids. */
const rowOf = ({ settings, secrets, revision, savedAt = '', savedBy = '', verified }: Stored): SettingsRow => ({
  settings: JSON.stringify(withSecretStates(settings, {})),
  secrets: JSON.stringify(secrets),
  revision,
  savedAt,
  savedBy,
  ...(verified ? { verifiedAt: verified.at, verifiedBy: verified.by } : {}),
});

const unlessStale = async <T>(written: Promise<T>): Promise<T> => {
  try {
    return await written;
  } catch (error) {
    if (!isStale(error) && !isConflict(error)) throw error;
    throw new PosternError(
      'precondition-failed',
      'Somebody else saved the settings since you read them. Read them again, then repeat your change.',
      { cause: error },
    );
  }
};
