import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { join, resolve } from 'node:path';
import { blobService } from './connection.ts';
import { createCore, loadApp } from './core-module.ts';
import { startFunctions } from './functions.ts';
import { readHostJson } from './host-json.ts';
import { httpListener } from './http-listener.ts';
import { invokeWith, runHooks } from './invoke.ts';
import { routeTable } from './routes.ts';
import { noLock, type TimerLock, timerLock } from './timer-lock.ts';

export interface HostOptions {
  /** Folder with `package.json` (its `main` is the bundle) and `host.json`. */
  app: string;
  /** App settings, added to the process's environment while the host runs. */
  env?: Record<string, string>;
  /** 0 = any free one. */
  port?: number;
  /** Stable name among several hosts on one storage. */
  name?: string;
  /** Opens functions whose `authLevel` is not anonymous; without it they are closed to all. */
  functionKey?: string;
  log?(message: string): void;
}

export interface FunctionState {
  name: string;
  trigger: string;
  /** HTTP only. */
  route?: string;
  methods?: string[];
  authLevel?: string;
  /** Why this function does not run; the others do. */
  error?: string;
}

export interface Host {
  url: string;
  functions: FunctionState[];
  /** What the entry file threw; the host then runs without functions. */
  loadError: Error | undefined;
  /** Runs a function now, as `POST /admin/functions/{name}` does. */
  trigger(name: string, input: string): Promise<void>;
  /** Stops the triggers, lets the invocations in flight end, and runs the `appTerminate` hooks, five seconds for each step. */
  close(): Promise<void>;
}

const grace = 5000;

/**
 * A local Functions host and worker in one: loads the app through the real `@azure/functions` and drives its HTTP,
 * storage queue and timer triggers by the real host's rules.
 * @throws Error for a broken host.json or package.json, or a port that is taken.
 */
export const startHost = async (options: HostOptions): Promise<Host> => {
  const log = options.log ?? ((message: string) => console.error(message));
  const restoreEnvironment = setEnvironment(options.env ?? {});
  const env = process.env;
  const app = resolve(options.app);
  const hostJson = readHostJson(app, env);
  const write = (level: string, _category: string, message: string) => {
    if (level !== 'trace' && level !== 'debug') log(message);
  };
  const core = createCore(write);

  let loadError: Error | undefined;
  try {
    loadApp(entryOf(app), core);
    await core.model?.getCapabilities?.({});
    core.lock();
    await runHooks(core.hooks.appStart, { hookData: {} });
  } catch (error) {
    loadError = error instanceof Error ? error : new Error(String(error));
    core.functions.clear();
    log(`The app could not be loaded, no function runs.\n${loadError.stack}`);
  }

  const service = blobService('AzureWebJobsStorage', env);
  let lock: TimerLock = noLock;
  const hasTimers = [...core.functions.values()].some(({ metadata }) =>
    Object.values(metadata.bindings).some(({ type }) => type === 'timerTrigger'),
  );
  if (service && hasTimers) lock = await timerLock(service, options.name ?? `host-${process.pid}`, log);

  const invoke = invokeWith(core, write);
  const started = startFunctions({ core, hostJson, env, invoke, lock, log });
  for (const { name, error } of started.states) if (error) log(`The function "${name}" is in error: ${error}`);

  const server = httpListener({
    find: routeTable(hostJson.extensions.http.routePrefix, started.routes),
    invoke: (name, request) => started.invokeHttp(name, request),
    keyMissing: (name, key) => started.needsKey(name) && !(options.functionKey && key === options.functionKey),
    maxBody: Number(env.FUNCTIONS_REQUEST_BODY_SIZE_LIMIT ?? 104_857_600),
    log,
    admin: async (method, path, body) => {
      if (method === 'GET' && path === '/admin/host/status') {
        return {
          status: 200,
          body: { state: loadError ? 'Error' : 'Running', errors: loadError ? [loadError.message] : [] },
        };
      }
      if (method === 'GET' && path === '/admin/functions') return { status: 200, body: started.states };
      const name = started.states.find((one) => path === `/admin/functions/${one.name.toLowerCase()}`)?.name;
      if (method !== 'POST' || !name) return undefined;
      const { input = '' } = JSON.parse(body.toString() || '{}') as { input?: string };
      void started.trigger(name, input).catch((error: unknown) => log(`${name}: ${String(error)}`));
      return { status: 202 };
    },
  });
  server.listen(options.port ?? 0, '127.0.0.1');
  await once(server, 'listening');

  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    functions: started.states,
    loadError,
    trigger: started.trigger,
    close: async () => {
      const closed = once(server, 'close');
      server.close();
      server.closeIdleConnections();
      await atMost(grace, Promise.all([started.close(), closed]));
      server.closeAllConnections();
      await atMost(grace, runHooks(core.hooks.appTerminate, { hookData: {} }));
      await lock.close();
      restoreEnvironment();
    },
  };
};

function entryOf(app: string): string {
  const { main } = JSON.parse(readFileSync(join(app, 'package.json'), 'utf8')) as { main?: string };
  if (!main) throw new Error(`${join(app, 'package.json')} names no "main"`);
  return join(app, main);
}

/** App settings are environment variables to the app, which may read them at any time. @returns puts the old ones back. */
function setEnvironment(settings: Record<string, string>): () => void {
  const before = Object.keys(settings).map((name) => [name, process.env[name]] as const);
  Object.assign(process.env, settings);
  return () => {
    for (const [name, value] of before) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
  };
}

async function atMost(ms: number, work: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms);
  });
  await Promise.race([work, late]).finally(() => clearTimeout(timer));
}
