import { AsyncLocalStorage } from 'node:async_hooks';
import Module, { createRequire } from 'node:module';
import { join } from 'node:path';
import type {
  FunctionCallback,
  FunctionMetadata,
  HookCallback,
  InvocationModel,
  LogCategory,
  LogLevel,
} from './core-types.ts';

export interface Registered {
  metadata: FunctionMetadata;
  callback: FunctionCallback;
}

export interface ProgrammingModel {
  name: string;
  version: string;
  getInvocationModel(context: object): InvocationModel;
  getCapabilities?(capabilities: Record<string, string>): Promise<Record<string, string>>;
}

/** What one app has registered with the host by way of `@azure/functions`. */
export interface Core {
  functions: Map<string, Registered>;
  hooks: Record<HookName, HookCallback[]>;
  /** Set by the library on its first registration. */
  model: ProgrammingModel | undefined;
  /** The object that `require('@azure/functions-core')` gives to the app. */
  api: object;
}

const hookNames = ['appStart', 'appTerminate', 'preInvocation', 'postInvocation', 'log'] as const;
export type HookName = (typeof hookNames)[number];

export type Write = (level: LogLevel, category: LogCategory, message: string) => void;

/** The module `@azure/functions-core`, as Microsoft's Node worker (`src/setupCoreModule.ts`) offers it to one app. */
export const createCore = (write: Write): Core & { lock(): void } => {
  let locked = false;
  const functions = new Map<string, Registered>();
  const hooks = Object.fromEntries(hookNames.map((name) => [name, []])) as unknown as Core['hooks'];
  const core: Core & { lock(): void } = {
    functions,
    hooks,
    model: undefined,
    lock: () => {
      locked = true;
    },
    api: {
      version: '3.9.1',
      hostVersion: '4.1053.0',
      Disposable,
      log: write,
      registerFunction: (metadata: FunctionMetadata, callback: FunctionCallback) => {
        if (locked) throw new Error('A function can only be registered during app startup.');
        if (functions.has(metadata.name)) {
          throw new Error(`A function with name "${metadata.name}" has already been registered.`);
        }
        functions.set(metadata.name, { metadata, callback });
        return new Disposable(() => functions.delete(metadata.name));
      },
      registerHook: (name: string, callback: HookCallback) => {
        const list = hooks[name as HookName];
        if (!list) throw new RangeError(`Unrecognized hook "${name}"`);
        list.push(callback);
        return new Disposable(() => list.splice(list.indexOf(callback), 1));
      },
      setProgrammingModel: (model: ProgrammingModel) => {
        core.model = model;
      },
      getProgrammingModel: () => core.model,
    },
  };
  return core;
};

class Disposable {
  readonly #dispose: () => unknown;
  constructor(dispose: () => unknown) {
    this.#dispose = dispose;
  }
  dispose(): unknown {
    return this.#dispose();
  }
}

const loading = new AsyncLocalStorage<Core>();

/**
 * Loads the entry file of the app, with its own fresh copy of whatever it requires, and lets it register.
 * @param entry absolute path of a CommonJS file.
 * @throws what the app throws while loading; the worker reports that and the host comes up without functions.
 */
export const loadApp = (entry: string, core: Core): void => {
  offerCoreModule();
  const require = createRequire(entry);
  for (const path of Object.keys(require.cache)) {
    if (path === entry || path.includes(join('@azure', 'functions'))) delete require.cache[path];
  }
  loading.run(core, () => require(entry));
};

let offered = false;

/** `@azure/functions-core` is no package: the worker answers for it in `require`, and so does this. */
function offerCoreModule(): void {
  if (offered) return;
  offered = true;
  const prototype = Module.prototype as unknown as { require(this: NodeJS.Module, id: string): unknown };
  const original = prototype.require;
  prototype.require = function (id) {
    const core = loading.getStore();
    return id === '@azure/functions-core' && core ? core.api : original.call(this, id);
  };
}
