import { queueService, resolveSettings } from './connection.ts';
import type { Core, Registered } from './core-module.ts';
import type { Binding, RpcData } from './core-types.ts';
import type { FunctionState } from './host.ts';
import type { HostJson } from './host-json.ts';
import type { Invoke } from './invoke.ts';
import { queueMetadata } from './metadata.ts';
import { listenToQueue } from './queue-listener.ts';
import { type Route, routeErrors, trim } from './routes.ts';
import { startTimer, type TimerInfo } from './timer.ts';
import type { TimerLock } from './timer-lock.ts';

interface Deps {
  core: Core;
  hostJson: HostJson;
  env: Record<string, string | undefined>;
  invoke: Invoke;
  lock: TimerLock;
  log(message: string): void;
}

export interface StartedFunctions {
  states: FunctionState[];
  routes: Route[];
  needsKey(name: string): boolean;
  invokeHttp(name: string, request: RpcData): Promise<RpcData | null | undefined>;
  trigger(name: string, input: string): Promise<void>;
  close(): Promise<void>;
}

interface Started {
  close(): Promise<void>;
}

type Start = (fn: Registered, trigger: Binding, deps: Deps) => Started | undefined;

const hostLease = 600;

/** How each trigger begins. HTTP needs no start: one listener serves all. */
const starts: Record<string, Start> = {
  httpTrigger: () => undefined,
  queueTrigger: (fn, trigger, { env, hostJson, invoke, log }) =>
    listenToQueue({
      service: queueService(String(trigger.connection || 'AzureWebJobsStorage'), env),
      queueName: resolveSettings(String(trigger.queueName), env).toLowerCase(),
      options: hostJson.extensions.queues,
      lease: Number(env.POSTERN_QUEUE_LEASE_SECONDS ?? hostLease),
      log,
      invoke: async (body, facts) => {
        await invoke(fn, { input: { string: body }, triggerMetadata: queueMetadata(body, facts) });
      },
    }),
  timerTrigger: (fn, trigger, { env, invoke, lock, log }) =>
    startTimer({
      schedule: resolveSettings(String(trigger.schedule), env),
      runOnStartup: trigger.runOnStartup === true,
      mayRun: lock.held,
      log: (message) => log(`${fn.metadata.name}: ${message}`),
      run: (info) => runTimer(fn, invoke, info),
    }),
};

const runTimer = async (fn: Registered, invoke: Invoke, info: TimerInfo) => {
  await invoke(fn, { input: { json: JSON.stringify(info) }, triggerMetadata: {} });
};

/** Starts every function that the host would start; those in error are named in `states` and left out. */
export const startFunctions = (deps: Deps): StartedFunctions => {
  const { core, env, invoke } = deps;
  const all = [...core.functions.values()];
  const httpRoutes = all.flatMap((fn) => {
    const trigger = triggerOf(fn);
    return trigger.type === 'httpTrigger' ? [routeOf(fn.metadata.name, trigger, env)] : [];
  });
  const broken = routeErrors(httpRoutes);
  const running: Started[] = [];
  const states = all.map((fn): FunctionState => {
    const trigger = triggerOf(fn);
    const state: FunctionState = { name: fn.metadata.name, trigger: trigger.type };
    const route = httpRoutes.find(({ name }) => name === state.name);
    if (route) {
      Object.assign(state, { route: route.template, methods: route.methods, authLevel: trigger.authLevel });
    }
    const error = broken.get(state.name);
    if (error) return { ...state, error };
    const start = starts[trigger.type];
    if (!start) return { ...state, error: `The local host does not know the trigger "${trigger.type}".` };
    try {
      const started = start(fn, trigger, deps);
      if (started) running.push(started);
      return state;
    } catch (problem) {
      return { ...state, error: problem instanceof Error ? problem.message : String(problem) };
    }
  });

  const find = (name: string): Registered => {
    const fn = core.functions.get(name);
    if (!fn) throw new Error(`There is no function "${name}".`);
    return fn;
  };
  return {
    states,
    routes: httpRoutes.filter(({ name }) => !broken.has(name)),
    needsKey: (name) => String(triggerOf(find(name)).authLevel).toLowerCase() !== 'anonymous',
    invokeHttp: (name, request) => invoke(find(name), { input: request, triggerMetadata: {} }),
    trigger: async (name, input) => {
      const fn = find(name);
      const { type } = triggerOf(fn);
      const now = new Date();
      if (type === 'timerTrigger') {
        const time = now.toISOString();
        const ScheduleStatus = { Last: time, Next: time, LastUpdated: time };
        await runTimer(fn, invoke, { Schedule: { AdjustForDST: true }, ScheduleStatus, IsPastDue: false });
        return;
      }
      if (type !== 'queueTrigger') throw new Error(`"${name}" has no trigger that can be pulled by hand.`);
      const facts = { id: '', popReceipt: '', dequeueCount: 1, insertedOn: now, expiresOn: now, nextVisibleOn: now };
      await invoke(fn, { input: { string: input }, triggerMetadata: queueMetadata(input, facts) });
    },
    close: async () => {
      await Promise.all(running.map((one) => one.close()));
    },
  };
};

function triggerOf(fn: Registered): Binding {
  const trigger = Object.values(fn.metadata.bindings).find(({ type }) => /trigger$/i.test(type));
  if (!trigger) throw new Error(`The function "${fn.metadata.name}" has no trigger.`);
  return trigger;
}

function routeOf(name: string, trigger: Binding, env: Deps['env']): Route {
  const methods = (trigger.methods as string[] | undefined) ?? ['GET', 'POST'];
  return {
    name,
    // Without a route the function's name is the route, and the reserved words apply to it too.
    template: trim(resolveSettings(String(trigger.route || name), env)),
    methods: methods.map((method) => method.toUpperCase()),
  };
}
