import type { TableClient } from '@azure/data-tables';
import type { AuditLog } from '../audit/audit.ts';
import { type Clock, iso, seconds } from '../clock.ts';
import { parseSchedule } from '../delivery/schedule.ts';
import { endingUnexplained } from '../do-not-email/gate.ts';
import { type FieldFault, PosternError } from '../errors.ts';
import type { Log } from '../log.ts';
import { commandExists } from '../relay/command.ts';
import type { SecretStore } from '../storage/secrets.ts';
import { type Change, difference } from './difference.ts';
import { type Draft, invalidSettings, readDraft } from './draft.ts';
import { checkPrecondition, etagOf, type Precondition, revisionOf } from './etag.ts';
import { refuseUnlessMaster } from './master.ts';
import { type Circumstances, refusalsOf, type Warning, warningsOf } from './rules.ts';
import type { Settings } from './schema.ts';
import { type SealedName, sealedNames, sealedSecrets, withSecretStates } from './seal.ts';
import { refuseMistaken, settingsSecrets } from './secrets.ts';
import {
  type HistoryEntry,
  readHistory,
  readStored,
  type Stored,
  type Verified,
  writeStored,
  writeVerified,
} from './store.ts';

/** How long a process works with settings that it has read. */
const freshFor = seconds(5);

export interface ReadSettings {
  settings: Settings;
  etag: string;
  /** ISO 8601; absent where nothing was ever saved. */
  savedAt?: string | undefined;
  savedBy?: string | undefined;
  verified: Verified | null;
}

export interface Saved extends ReadSettings {
  warnings: Warning[];
  /** Secrets that were removed because what they were given for has changed. */
  dropped: FieldFault[];
}

export interface Saver extends Precondition {
  actor: { id: string; name: string };
  /** Whether the actor may change secrets and OAuth fields. */
  mayMaster: boolean;
}

export interface Reviewed {
  settings: Settings;
  warnings: Warning[];
  /** The draft's own secret; else the stored one, where its seal fits the draft. */
  secret(name: SealedName): Promise<string | undefined>;
}

export interface SettingsRoom {
  /**
   * The settings to work with, at most five seconds old in this process.
   * @throws what the table throws, where they cannot be read: the caller waits, there is no falling back to defaults.
   */
  current(): Promise<Settings>;
  /** As `current`, read anew now: for a test mail, which must not go by settings from before the last save. */
  refresh(): Promise<Settings>;
  /** The settings as they stand in the table. */
  read(): Promise<ReadSettings>;
  /** What is to be looked at in these settings now, by the rules that a save tells. */
  warnings(settings: Settings): Promise<Warning[]>;
  /**
   * Replaces the whole document. What is left out becomes its default, except a secret: left out or sent back as it was
   * read, it stays; a text sets it, `null` or `""` removes it.
   * @throws PosternError `invalid-settings`, `not-allowed`, `precondition-required`, `precondition-failed`
   */
  save(draft: unknown, saver: Saver): Promise<Saved>;
  /**
   * Checks an unsaved draft as `save` would, and lends the secrets to try it with.
   * @throws PosternError `invalid-settings`
   */
  review(draft: unknown): Promise<Reviewed>;
  /**
   * A secret for use with the given settings (the present ones unless told). Kept in memory by version.
   * @returns `undefined` where none is stored, or where it was given for another destination (law 6)
   * @throws PosternError `unavailable` where the vault has lost it; RestError where the vault does not answer
   */
  secret(name: SealedName, use?: Settings): Promise<string | undefined>;
  /** As `secret`, by the table's newest state: the one to lend to an unsaved draft. */
  sealedSecret(name: SealedName, draft: Settings): Promise<string | undefined>;
  /**
   * Notes that a test succeeded.
   * @param etag of the settings that were tested
   * @returns whether they are still the same; if not, nothing is noted
   */
  markVerified(verified: { by: string; etag: string }): Promise<boolean>;
  /** Newest first. @param asked.after the `revision` of the last entry seen. */
  history(asked: { after?: number | undefined; limit: number }): Promise<{ entries: HistoryEntry[]; next?: number }>;
}

interface Needs {
  table: TableClient;
  secrets: SecretStore;
  clock: Clock;
  log: Log;
  audit?: Pick<AuditLog, 'begin'>;
}

export const settingsRoom = ({ table, secrets, clock, log, audit }: Needs): SettingsRoom => {
  let kept: { stored: Stored; at: number } | undefined;
  let reading: Promise<Stored> | undefined;
  const sealed = settingsSecrets({ table, secrets, clock, log });

  const keep = (stored: Stored): Stored => {
    kept = { stored, at: clock.now() };
    return stored;
  };

  /** One read at a time. What a save has put in place meanwhile is newer than a read that began before it. */
  const renewed = (): Promise<Stored> => {
    const mine: Promise<Stored> = readStored(table).then((stored) => (reading === mine ? keep(stored) : stored));
    reading = mine;
    const done = () => {
      if (reading === mine) reading = undefined;
    };
    mine.then(done, done);
    return mine;
  };

  const present = async (): Promise<Stored> => {
    if (kept && clock.now() - kept.at < freshFor) return kept.stored;
    return reading ?? renewed();
  };

  const circumstancesOf = async (settings: Settings): Promise<Circumstances> => ({
    now: clock.now(),
    scheduleFault: scheduleFault(settings.delivery.retry),
    commandFault: await commandFault(settings),
  });

  return {
    current: async () => (await present()).settings,
    refresh: async () => (await renewed()).settings,
    read: async () => shown(await readStored(table)),
    warnings: async (settings) => warningsOf(settings, await circumstancesOf(settings)),

    save: async (document, { actor, mayMaster, ...precondition }) => {
      const before = await readStored(table);
      checkPrecondition(before.revision, precondition);
      const draft = withEnd(readDraft(document), clock.now());
      refuseMistaken(before.secrets, draft);
      if (!mayMaster) refuseUnlessMaster(before, draft);
      const circumstances = await circumstancesOf(draft.settings);
      const faults = refusalsOf(draft.settings, circumstances);
      if (faults.length > 0) throw invalidSettings(faults);

      const { references, dropped } = sealed.kept(before.secrets, draft);
      const after = await sealed.put(draft, references);
      const settings = withSecretStates(draft.settings, after);
      const warnings = warningsOf(settings, circumstances);
      const changes = difference(before, { settings, secrets: after });
      if (changes.length === 0) return { ...shown(before), warnings, dropped };

      const savedAt = iso(clock.now());
      const stored = { settings, secrets: after, revision: before.revision + 1, savedAt, savedBy: actor.name };
      const entry = await audit?.begin({
        actor,
        action: 'settings.save',
        subject: 'settings',
        detail: detailOf(changes),
      });
      await writeStored(table, before, { ...stored, verified: null }, changes).catch(async (error) => {
        if (isTooLate(error)) await entry?.end('not-done');
        throw error;
      });
      reading = undefined;
      kept = undefined;
      const paths = changes.map(({ path }) => path).join(', ');
      log.info('settings.saved', { actor: actor.id, revision: stored.revision, paths });
      const left = await sealed.forget(sealedNames.filter((name) => before.secrets[name] && !after[name]));
      await entry?.end('done');
      return { ...shown({ ...stored, verified: null }), warnings: [...warnings, ...left], dropped };
    },

    review: async (document) => {
      const draft = readDraft(document);
      const circumstances = await circumstancesOf(draft.settings);
      const faults = refusalsOf(draft.settings, circumstances);
      if (faults.length > 0) throw invalidSettings(faults);
      const stored = await readStored(table);
      const { references } = sealed.kept(stored.secrets, draft);
      const settings = withSecretStates(draft.settings, references);
      for (const name of sealedNames) {
        if (draft.wishes[name].is === 'set') sealedSecrets[name].show(settings, { set: true });
      }
      return {
        settings,
        warnings: warningsOf(settings, circumstances),
        secret: async (name) => {
          const wish = draft.wishes[name];
          return wish.is === 'set' ? wish.value : sealed.value(name, references, draft.settings);
        },
      };
    },

    secret: async (name, use) => {
      const stored = await present();
      return sealed.value(name, stored.secrets, use ?? stored.settings);
    },
    sealedSecret: async (name, draft) => sealed.value(name, (await readStored(table)).secrets, draft),

    markVerified: async ({ by, etag }) => {
      const stored = await readStored(table);
      if (stored.revision === 0 || revisionOf(etag) !== stored.revision) return false;
      try {
        await writeVerified(table, stored, { at: iso(clock.now()), by });
        return true;
      } catch (error) {
        if (isTooLate(error)) return false;
        throw error;
      }
    },

    history: async ({ after, limit }) => {
      const found = await readHistory(table, after, limit + 1);
      const entries = found.slice(0, limit);
      const last = entries.at(-1);
      return found.length > limit && last ? { entries, next: last.revision } : { entries };
    },
  };
};

const shown = ({ settings, revision, savedAt, savedBy, verified }: Stored): ReadSettings => ({
  settings,
  etag: etagOf(revision),
  savedAt,
  savedBy,
  verified,
});

/** Somebody else saved in between. */
const isTooLate = (error: unknown): boolean => error instanceof PosternError && error.code === 'precondition-failed';

const withEnd = (draft: Draft, now: number): Draft => ({
  ...draft,
  settings: { ...draft.settings, doNotEmail: endingUnexplained(draft.settings.doNotEmail, now) },
});

const detailOf = (changes: Change[]) =>
  Object.fromEntries(changes.map((change) => [change.path, 'secret' in change ? change.secret : change.to]));

const scheduleFault = (retry: string): string | undefined => {
  try {
    parseSchedule(retry);
    return undefined;
  } catch (error) {
    if (error instanceof PosternError) return error.message;
    throw error;
  }
};

const commandFault = async ({ type, sendmail }: Settings): Promise<string | undefined> => {
  if (type === 'smtp') return undefined;
  const command = await commandExists(type, sendmail.path);
  return 'reason' in command ? command.reason : undefined;
};
