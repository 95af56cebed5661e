import { setTimeout as delay } from 'node:timers/promises';
import { smtpUser } from '../start/parts.ts';
import { type Api, patiently } from './api.ts';
import type { Mode } from './options.ts';

export interface ChaosSettings {
  mode: Mode;
  /** 0: none. */
  limit?: number;
  connections?: number;
}

/** A process works with settings that it has read for so long. */
const remembered = 5500;

/** Saves the settings of a run, and waits until every process knows them. */
export const saveSettings = async (
  api: Api,
  env: Record<string, string>,
  { mode, limit = 0, connections = 5 }: ChaosSettings,
): Promise<void> => {
  const response = await fetch(`${env.POSTERN_URL}/api/settings`, {
    headers: { authorization: `Bearer ${env.MASTER_ADMIN_TOKEN}` },
  });
  const before = (await response.json()) as { smtp?: { port: number }; settings?: { smtp: { port: number } } };
  const port = (before.settings ?? before).smtp?.port;
  const settings = {
    from: { address: smtpUser.name, name: 'Files' },
    type: 'smtp',
    smtp: {
      ...{ host: 'localhost', port, security: 'none' },
      auth: { enabled: true, type: 'basic', user: smtpUser.name, password: smtpUser.password },
    },
    limit: { per24Hours: limit, connections },
    // Many short tries, so that the run ends in minutes and no mail fails for having been refused too often.
    delivery: { retry: '1s, 2s*20', afterCrash: mode },
  };
  await patiently(() =>
    api.admin('PUT', '/api/settings', settings, { 'if-match': response.headers.get('etag') ?? '*' }),
  );
  await delay(remembered);
};
