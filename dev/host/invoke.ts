import { randomBytes, randomUUID } from 'node:crypto';
import type { Core, Registered, Write } from './core-module.ts';
import type { HookCallback, RpcData } from './core-types.ts';

export interface Invocation {
  /** The trigger's value, under the trigger binding's name. */
  input: RpcData;
  triggerMetadata: Record<string, RpcData>;
}

export type Invoke = (fn: Registered, invocation: Invocation) => Promise<RpcData | null | undefined>;

/**
 * Runs one invocation as the worker's `InvocationHandler` does: arguments, `preInvocation` hooks, handler,
 * `postInvocation` hooks, response.
 * @throws what the handler throws, unless that is `undefined` or `null`: the worker takes those for success.
 */
export const invokeWith =
  (core: Core, write: Write): Invoke =>
  async (fn, { input, triggerMetadata }) => {
    if (!core.model) throw new Error('The app has registered no function');
    const { metadata } = fn;
    const trigger = Object.entries(metadata.bindings).find(([, { type }]) => /trigger$/i.test(type));
    const coreContext = {
      invocationId: randomUUID(),
      metadata,
      state: undefined as string | undefined,
      request: {
        inputData: [{ name: trigger?.[0], data: input }],
        triggerMetadata,
        traceContext: {
          traceParent: `00-${randomBytes(16).toString('hex')}-${randomBytes(8).toString('hex')}-00`,
          traceState: '',
          attributes: {},
        },
      },
      log: write,
    };
    const model = core.model.getInvocationModel(coreContext);
    const { context, inputs } = await model.getArguments();
    const shared = { hookData: {}, invocationContext: context };

    coreContext.state = 'preInvocationHooks';
    const before = { ...shared, inputs, functionCallback: fn.callback };
    await runHooks(core.hooks.preInvocation, before);

    coreContext.state = 'invocation';
    const after = { ...shared, inputs: before.inputs, result: undefined as unknown, error: undefined as unknown };
    try {
      after.result = await model.invokeFunction(context, before.inputs, before.functionCallback);
    } catch (error) {
      after.error = error;
    }
    coreContext.state = 'postInvocationHooks';
    await runHooks(core.hooks.postInvocation, after);

    if (after.error !== undefined && after.error !== null) throw after.error;
    return (await model.getResponse(context, after.result)).returnValue;
  };

export const runHooks = async (hooks: HookCallback[], context: object): Promise<void> => {
  for (const hook of hooks) await hook(context);
};
