import type { GateOptions } from '../auth/gate.ts';
import type { EntraOptions } from '../entra/server.ts';
import type { HostOptions } from '../host/host.ts';
import type { IdentityOptions } from '../identity/server.ts';
import type { MailOptions } from '../mail.ts';
import type { VaultOptions } from '../vault/server.ts';
import type { AzuriteOptions } from './azurite.ts';
import type { CoreToolsOptions } from './core-tools.ts';

interface Running {
  /** Absent where the part ends by itself on SIGTERM. */
  close?(): Promise<void>;
}

export interface RunnerOptions {
  azurite: AzuriteOptions;
  vault: VaultOptions;
  identity: IdentityOptions;
  entra: EntraOptions;
  /** @param entra address of the fake Entra, which knows the tokens */
  mail: MailOptions & { entra?: string };
  host: HostOptions;
  coreTools: CoreToolsOptions;
  gate: GateOptions;
}

export type Runner = keyof RunnerOptions;

/** How each kind of part begins, loaded only in the process that runs it. Resolves when it is ready to serve. */
export const runners: { [R in Runner]: (options: RunnerOptions[R]) => Promise<Running> } = {
  azurite: async (options) => (await import('./azurite.ts')).startAzurite(options),
  vault: async (options) => (await import('../vault/server.ts')).startVault(options),
  identity: async (options) => (await import('../identity/server.ts')).startIdentity(options),
  entra: async (options) => (await import('../entra/server.ts')).startEntra(options),
  mail: async ({ entra, ...options }) => {
    const { doorAt } = await import('../entra/door.ts');
    return (await import('../mail.ts')).startMail({ ...options, ...(entra && { checkToken: doorAt(entra) }) });
  },
  host: async (options) => {
    const host = await (await import('../host/host.ts')).startHost(options);
    if (host.loadError) throw new Error(`The app could not be loaded: ${host.loadError.message}`);
    return host;
  },
  coreTools: async (options) => (await import('./core-tools.ts')).startCoreTools(options),
  gate: async (options) => (await import('../auth/gate.ts')).startGate(options),
};
