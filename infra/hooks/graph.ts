import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { command, HookFailure } from './command.ts';

type Json = Record<string, unknown>;

/** Microsoft Graph of the cloud that `az` is signed in to, called by `az rest` with the rights of that person. */
export interface Graph {
  /** @returns `undefined` where there is no such thing */
  get<T>(path: string): T | undefined;
  post(path: string, body: Json): void;
  /** Creates or changes what is named by an alternate key (learn.microsoft.com/graph/api/application-upsert). */
  upsert(path: string, body: Json): void;
}

export interface Cloud {
  graph: Graph;
  /** Origin of the sign-in, e.g. `https://login.microsoftonline.com`. */
  login: string;
  /** Audience of a token by which an identity vouches for an app registration. */
  assertionAudience: string;
}

/** learn.microsoft.com/entra/workload-id/workload-identity-federation-config-app-trust-managed-identity */
const audiences: Record<string, string> = {
  AzureCloud: 'api://AzureADTokenExchange',
  AzureUSGovernment: 'api://AzureADTokenExchangeUSGov',
  AzureChinaCloud: 'api://AzureADTokenExchangeChina',
};

export const currentCloud = (): Cloud => {
  const { name, endpoints } = JSON.parse(command('az', ['cloud', 'show', '--output', 'json']));
  const assertionAudience = audiences[name];
  if (!assertionAudience) throw new HookFailure(`The cloud ${name} is not known to this hook.`);
  return {
    graph: graphAt(`${withoutSlash(endpoints.microsoftGraphResourceId)}/v1.0`),
    login: withoutSlash(endpoints.activeDirectory),
    assertionAudience,
  };
};

const withoutSlash = (address: string) => address.replace(/\/+$/, '');

const graphAt = (base: string): Graph => {
  const rest = (method: string, path: string, body?: Json, headers: string[] = []): string => {
    const args = ['rest', '--method', method, '--url', `${base}${path}`, '--output', 'json'];
    if (!body) return command('az', args);
    // By file, since each shell quotes JSON in its own way.
    const folder = mkdtempSync(join(tmpdir(), 'postern-hook-'));
    try {
      const file = join(folder, 'body.json');
      writeFileSync(file, JSON.stringify(body));
      return command('az', [...args, '--headers', 'Content-Type=application/json', ...headers, '--body', `@${file}`]);
    } finally {
      rmSync(folder, { recursive: true });
    }
  };
  return {
    get: (path) => {
      try {
        return JSON.parse(rest('get', path));
      } catch (error) {
        if (error instanceof HookFailure && /ResourceNotFound|Not Found/.test(error.message)) return undefined;
        throw error;
      }
    },
    post: (path, body) => {
      rest('post', path, body);
    },
    upsert: (path, body) => {
      rest('patch', path, body, ['Prefer=create-if-missing']);
    },
  };
};
