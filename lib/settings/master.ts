import { type FieldFault, PosternError } from '../errors.ts';
import { describeSettings } from './describe.ts';
import { difference } from './difference.ts';
import type { Draft } from './draft.ts';
import { sealedNames, sealedSecrets } from './seal.ts';
import type { Stored } from './store.ts';

const masterFields = new Set(describeSettings().flatMap((field) => (field.role === 'MasterAdmin' ? field.path : [])));

/**
 * Where an OAuth token goes to. A password is bound to its destination and dropped with it; a token is made anew for
 * whatever the settings say, so whoever may change these fields may have the token.
 */
const tokenDestination = new Set([
  'smtp.host',
  'smtp.port',
  'smtp.security',
  'smtp.auth.enabled',
  'smtp.auth.type',
  'smtp.auth.user',
]);

/** @throws PosternError `not-allowed` naming each field that only a master admin may change */
export const refuseUnlessMaster = (before: Stored, { settings, wishes }: Draft): void => {
  const { enabled, type } = settings.smtp.auth;
  const token = settings.type === 'smtp' && enabled && type === 'xoauth2';
  const fields = difference({ settings: before.settings, secrets: {} }, { settings, secrets: {} })
    .map(({ path }) => path)
    .filter((path) => masterFields.has(path) || (token && tokenDestination.has(path)));
  const secrets = sealedNames
    .filter((name) => wishes[name].is === 'set' || (wishes[name].is === 'remove' && before.secrets[name]))
    .map((name) => sealedSecrets[name].path);
  const faults = [...fields, ...secrets].map(
    (path): FieldFault => ({ path, reason: 'may be changed by a master admin only' }),
  );
  if (faults.length === 0) return;
  const names = faults.map(({ path }) => path).join(', ');
  throw new PosternError('not-allowed', `Only a master admin may change: ${names}. Nothing was saved.`, { faults });
};
