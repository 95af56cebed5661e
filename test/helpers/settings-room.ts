import { expect } from 'vitest';
import { auditLog } from '../../lib/audit/audit.ts';
import type { PosternError } from '../../lib/errors.ts';
import { type Saver, settingsRoom } from '../../lib/settings/room.ts';
import type { SecretStore } from '../../lib/storage/secrets.ts';
import { memoryLog } from './log.ts';
import { ownStorage } from './storage.ts';
import { manualTime } from './time.ts';
import { ownVault } from './vault.ts';

export const master = { actor: { id: 'u-1', name: 'root@example.com' }, mayMaster: true };
export const admin = { actor: { id: 'u-2', name: 'ada@example.com' }, mayMaster: false };
export const guid = '11111111-2222-3333-4444-555555555555';

/** Settings that may be saved, with what a test cares about in place. */
export const document = (over: { smtp?: object; auth?: object; from?: object; limit?: object } = {}) => ({
  from: { address: 'files@example.com', name: 'Files', ...over.from },
  smtp: {
    host: 'mail.example.com',
    port: 587,
    ...over.smtp,
    auth: { enabled: true, user: 'files@example.com', ...over.auth },
  },
  limit: { ...over.limit },
});

/** As `document`, with XOAUTH2. */
export const withToken = (oauth: object = {}) =>
  document({
    auth: {
      type: 'xoauth2',
      oauth: { tenantId: guid, clientId: guid, redirectUri: 'https://m.example.com/api/getoauthtoken', ...oauth },
    },
  });

/** A settings room on a table and a vault of the test's own. */
export const settingsStack = async (wrap: (secrets: SecretStore) => SecretStore = (secrets) => secrets) => {
  const [{ azure }, { vault, client, secrets }] = await Promise.all([ownStorage(), ownVault()]);
  const table = azure.table('settings');
  const clock = manualTime();
  const log = memoryLog();
  const audit = auditLog({ table: azure.table('audit'), clock });
  const room = (store = secrets) => settingsRoom({ table, secrets: store, clock, log, audit });
  const settings = room(wrap(secrets));
  /** Saves over whatever stands there. */
  const save = (draft: unknown, saver: Partial<Saver> = {}) =>
    settings.save(draft, { ...master, ifMatch: '*', ...saver });
  return { azure, table, vault, client, secrets, clock, log, audit, room, settings, save };
};

/** What a promise rejects with, which must be Postern's own error. */
export const refusal = async (promise: Promise<unknown>): Promise<PosternError> => {
  const error = await promise.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toMatchObject({ name: 'PosternError' });
  return error as PosternError;
};
