import { randomUUID } from 'node:crypto';
import { doNotEmailRoutes, type StoppedMail } from '../../functions/http/do-not-email.ts';
import { doNotEmailCsvRoutes } from '../../functions/http/do-not-email-csv.ts';
import { auditLog } from '../../lib/audit/audit.ts';
import type { Clock } from '../../lib/clock.ts';
import { type BounceFeedback, bounceFeedback } from '../../lib/do-not-email/bounces.ts';
import { doNotEmailList } from '../../lib/do-not-email/list.ts';
import { settingsRoom } from '../../lib/settings/room.ts';
import { ask, logLines } from './http.ts';
import { ownStorage } from './storage.ts';
import { ownVault } from './vault.ts';

/** The Do Not Email list with its admin's routes and the audit, on storage of its own. */
export const doNotEmailAdmin = async (clock: Clock, wait: (milliseconds: number) => Promise<unknown>) => {
  const [{ azure }, { secrets }] = await Promise.all([ownStorage(), ownVault()]);
  const table = azure.table('donotemail');
  const { log } = logLines();
  const list = doNotEmailList({ table, clock, wait });
  const audit = auditLog({ table: azure.table('audit'), clock });
  /** What the relay's refusals teach one process. */
  const process = (): BounceFeedback => bounceFeedback({ table, list, audit, clock, log });
  const settings = settingsRoom({ table: azure.table('settings'), secrets, clock, log });
  const stopped: Record<string, StoppedMail[]> = {};
  const stoppedBy = async (address: string, since: number) =>
    (stopped[address] ?? []).filter(({ time }) => Date.parse(time) >= since);
  const routes = [
    ...doNotEmailRoutes({ list, table, audit, settings, clock, bounces: process(), stoppedBy }),
    ...doNotEmailCsvRoutes({ list, table, audit, clock, uniqueId: randomUUID, wait }),
  ];
  const call = (name: string, path: string, body?: unknown, headers = {}) => {
    const route = routes.find((it) => it.name === name)!;
    const params = { id: path.split('/').at(-1) ?? '' };
    return ask(route, { path: `/api/do-not-email${path}`, params, as: ['Admin'], body, headers });
  };
  const add = (body: unknown) => call('addDoNotEmail', '', body);
  const actions = async () => (await audit.list({ limit: 50 })).entries.map(({ action, subject }) => [action, subject]);
  return { table, list, audit, process, stopped, routes, call, add, actions };
};

export type DoNotEmailAdmin = Awaited<ReturnType<typeof doNotEmailAdmin>>;
