import type { TableClient } from '@azure/data-tables';
import { type Clock, iso } from '../clock.ts';
import { type FieldFault, PosternError } from '../errors.ts';
import type { Log } from '../log.ts';
import type { SecretStore } from '../storage/secrets.ts';
import { type Draft, invalidSettings } from './draft.ts';
import type { Warning } from './rules.ts';
import type { Settings } from './schema.ts';
import { type SealedName, type SecretReferences, sealedNames, sealedSecrets, sealOf } from './seal.ts';
import { readStored } from './store.ts';

interface Needs {
  table: TableClient;
  secrets: SecretStore;
  clock: Clock;
  log: Log;
}

/** The way of the settings' secrets between a draft, Key Vault and those who use them. */
export const settingsSecrets = ({ table, secrets, clock, log }: Needs) => {
  const values = new Map<SealedName, { version: string; value: Promise<string> }>();

  const fetched = async (name: SealedName, version: string): Promise<string> => {
    const found = await secrets.get(name, version);
    if (found) return found.value;
    const reason = `Key Vault no longer has the ${name} that the settings refer to. A master admin must give it again.`;
    throw new PosternError('unavailable', reason);
  };

  return {
    /**
     * The secret referred to, kept in memory by version.
     * @returns `undefined` where none is stored, or where it was given for another destination than `use` has
     */
    value: async (name: SealedName, references: SecretReferences, use: Settings): Promise<string | undefined> => {
      const reference = references[name];
      if (!reference || reference.seal !== sealOf(name, use)) return undefined;
      const known = values.get(name);
      if (known?.version === reference.version) return known.value;
      const entry = { version: reference.version, value: fetched(name, reference.version) };
      values.set(name, entry);
      // A failure is not kept: the next caller asks again.
      entry.value.catch(() => {
        if (values.get(name) === entry) values.delete(name);
      });
      return entry.value;
    },

    /** @returns the references that stay, and what is dropped since its destination changed */
    kept: (before: SecretReferences, { settings, wishes }: Draft) => {
      const references: SecretReferences = {};
      const dropped: FieldFault[] = [];
      for (const name of sealedNames) {
        const reference = before[name];
        if (!reference || wishes[name].is !== 'keep') continue;
        if (reference.seal === sealOf(name, settings)) references[name] = reference;
        else dropped.push({ path: sealedSecrets[name].path, reason: droppedReason[name] });
      }
      return { references, dropped };
    },

    /**
     * Puts the draft's secrets in the vault, before the settings row refers to them: should the row not be written, the
     * former versions stay in force.
     * @returns the references with the new versions
     */
    put: async ({ settings, wishes }: Draft, references: SecretReferences): Promise<SecretReferences> => {
      const since = iso(clock.now());
      const result = { ...references };
      for (const name of sealedNames) {
        const wish = wishes[name];
        if (wish.is !== 'set') continue;
        const version = await secrets.set(name, wish.value);
        result[name] = { version, since, seal: sealOf(name, settings) };
      }
      return result;
    },

    /**
     * Deletes from the vault what the settings row no longer refers to. If another save gave the secret anew meanwhile,
     * the deletion took that one too: it is brought back. A failure changes nothing about the save: it is told.
     */
    forget: async (removed: SealedName[]): Promise<Warning[]> => {
      const warnings: Warning[] = [];
      for (const name of removed) {
        values.delete(name);
        try {
          await secrets.delete(name);
          if ((await readStored(table)).secrets[name]) await secrets.recover(name);
        } catch (error) {
          log.error('settings.secret-left', { name, error: error instanceof Error ? error.name : typeof error });
          const reason = 'is no longer used, but could not be deleted from Key Vault; delete it there';
          warnings.push({ path: sealedSecrets[name].path, code: 'secret-left-in-vault', reason });
        }
      }
      return warnings;
    },
  };
};

const droppedReason: Record<SealedName, string> = {
  'smtp-password': 'was removed: it had been given for another host, port or user. Give it again.',
  'oauth-client-secret':
    'was removed: it had been given for another host, port, user, tenant or client. Give it again.',
};

/**
 * A writer that sends back `set` as it is not, has not read these settings; what it means cannot be known.
 * @throws PosternError `invalid-settings`
 */
export const refuseMistaken = (before: SecretReferences, { wishes }: Draft): void => {
  const faults = sealedNames.flatMap((name): FieldFault[] => {
    const wish = wishes[name];
    const stored = before[name] !== undefined;
    if (wish.is !== 'keep' || wish.stored === undefined || wish.stored === stored) return [];
    const reason = stored ? 'is set; send null to remove it' : 'is not set; send the secret itself, or leave it out';
    return [{ path: sealedSecrets[name].path, reason }];
  });
  if (faults.length > 0) throw invalidSettings(faults);
};
