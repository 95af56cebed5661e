import { type FieldFault, PosternError } from '../errors.ts';
import { check } from '../faults.ts';
import { clause, sentence } from '../sentence.ts';
import { type SecretState, type Settings, type SettingsDraft, settingsDraft, settingsSchema } from './schema.ts';
import { type SealedName, sealedNames, sealedSecrets } from './seal.ts';

/** What a writer wants of a secret. `stored`: what the writer believes, where it sent back what it had read. */
export type SecretWish = { is: 'keep'; stored?: boolean } | { is: 'set'; value: string } | { is: 'remove' };

export interface Draft {
  /** The secrets' places say `set: false`; what is to become of them stands in `wishes`. */
  settings: Settings;
  wishes: Record<SealedName, SecretWish>;
}

/** What an answer has beside the settings. Sent back, it is not an unknown field, and it changes nothing. */
const readOnly = ['verified', 'warnings', 'dropped'];

/** @throws PosternError `invalid-settings` with every field's path and a sentence; a value is never in it. */
export const readDraft = (document: unknown): Draft => {
  const given = isObject(document)
    ? Object.fromEntries(Object.entries(document).filter(([key]) => !readOnly.includes(key)))
    : document;
  const read = check(settingsDraft, given);
  if ('faults' in read) throw invalidSettings(read.faults);
  const draft = read.value;
  const wishes = Object.fromEntries(sealedNames.map((name) => [name, wishOf(sealedSecrets[name].written(draft))]));
  return { settings: withoutSecrets(draft), wishes: wishes as Draft['wishes'] };
};

export const invalidSettings = (faults: readonly FieldFault[]): PosternError =>
  new PosternError(
    'invalid-settings',
    sentence(
      `These settings cannot be used: ${faults.map(({ path, reason }) => `${path || 'document'} ${clause(reason)}`).join('; ')}`,
    ),
    { faults },
  );

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const withoutSecrets = (draft: SettingsDraft): Settings => {
  const { oauth, ...auth } = draft.smtp.auth;
  return settingsSchema.parse({
    ...draft,
    smtp: { ...draft.smtp, auth: { ...auth, password: undefined, oauth: { ...oauth, clientSecret: undefined } } },
  });
};

const wishOf = (written: string | null | SecretState | undefined): SecretWish => {
  if (written === undefined) return { is: 'keep' };
  if (written === null || written === '') return { is: 'remove' };
  if (typeof written === 'string') return { is: 'set', value: written };
  return { is: 'keep', stored: written.set };
};
