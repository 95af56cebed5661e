import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { type Host, type HostOptions, startHost } from '../../dev/host/host.ts';

const project = join(import.meta.dirname, '../..');

/**
 * A folder with a functions app that requires the real `@azure/functions`.
 * @param whenDone where to leave what removes it; after the test unless told
 */
export const appFolder = async (
  source: string,
  hostJson: object = {},
  whenDone: (cleanUp: () => Promise<void>) => void = onTestFinished,
): Promise<string> => {
  const folder = await mkdtemp(join(tmpdir(), 'postern-app-'));
  whenDone(() => rm(folder, { recursive: true }));
  const library = JSON.stringify(join(project, 'node_modules/@azure/functions'));
  await writeFile(join(folder, 'index.cjs'), `const { app } = require(${library});\n${source}`);
  await writeFile(join(folder, 'package.json'), JSON.stringify({ main: 'index.cjs' }));
  const extensions = { http: { routePrefix: '' }, ...hostJson };
  await writeFile(join(folder, 'host.json'), JSON.stringify({ version: '2.0', extensions }));
  return folder;
};

export interface RunningApp extends Host {
  logs: string[];
  /** What the app has put into `global.seen[key]`, with which it tells the test what arrived. */
  seen: unknown[];
}

let apps = 0;

/**
 * Starts such an app in this process. Its source may call `saw(value)`.
 * @param options `hostJson` is the `extensions` part of host.json.
 */
export const runApp = async (
  source: string,
  { hostJson, ...options }: Partial<HostOptions> & { hostJson?: object } = {},
): Promise<RunningApp> => {
  const seen: unknown[] = [];
  const key = `posternTestApp${apps++}`;
  (globalThis as Record<string, unknown>)[key] = seen;
  const app = await appFolder(
    `const saw = (value) => globalThis[${JSON.stringify(key)}].push(value);\n${source}`,
    hostJson,
  );
  const logs: string[] = [];
  const host = await startHost({ app, log: (message) => logs.push(message), ...options });
  onTestFinished(() => host.close());
  return { ...host, logs, seen };
};
