import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { CertificateFiles } from '../certificates.ts';
import { type Ports, portsFrom } from './ports.ts';

type Env = Record<string, string | undefined>;

/** What this start of the local stack is to be. */
export interface Plan {
  /** Where its state is kept; `.dev` unless POSTERN_DEV_FOLDER says otherwise. */
  folder: string;
  ports: Ports;
  /** Functions app to run, built already; undefined = build this project into `dist/` and run that. */
  app: string | undefined;
  /** Who runs it: the host of `dev/host/`, or Microsoft's Core Tools (`npm run start:func`). */
  hostBy: 'host' | 'coreTools';
  hosts: ('host1' | 'host2')[];
  /** How the app reaches storage: with keys, or with its identity over TLS. */
  storage: 'keys' | 'identity';
  /** A storage account that is not ours: no Azurite is started. */
  outsideStorage: string | undefined;
  /** A mail server that is not ours: neither SMTP server nor inbox is started. */
  outsideMail: { host: string; port: number; security: string } | undefined;
}

/** @throws Error that names the variable that is wrong. */
export const planFrom = (env: Env): Plan => {
  const ports = portsFrom(env);
  const storage = env.POSTERN_STORAGE === 'identity' ? 'identity' : 'keys';
  const count = env.POSTERN_HOSTS ?? '1';
  if (count !== '1' && count !== '2') throw new Error(`POSTERN_HOSTS="${count}": one or two functions hosts can run.`);
  const given = env.AZURE_STORAGE_CONNECTION_STRING;
  return {
    folder: resolve(env.POSTERN_DEV_FOLDER ?? '.dev'),
    ports,
    app: env.POSTERN_APP ? resolve(env.POSTERN_APP) : undefined,
    hostBy: env.POSTERN_HOST_BY === 'coreTools' ? 'coreTools' : 'host',
    hosts: count === '2' ? ['host1', 'host2'] : ['host1'],
    storage,
    // Our own address comes back to us from a shell that has read `.dev/env`.
    outsideStorage: given && given !== connectionString(ports, storage) ? given : undefined,
    outsideMail: env.SMTP_HOST
      ? { host: env.SMTP_HOST, port: Number(env.SMTP_PORT ?? 25), security: env.SMTP_SECURITY ?? 'none' }
      : undefined,
  };
};

const account = 'devstoreaccount1';
/** The published key of the storage emulator, no secret. */
const accountKey = 'Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==';

export const serviceUri = (ports: Ports, service: 'blob' | 'queue' | 'table', storage: Plan['storage']): string =>
  storage === 'identity'
    ? `https://localhost:${ports[service]}/${account}`
    : `http://127.0.0.1:${ports[service]}/${account}`;

/** Of our own Azurite. */
export const connectionString = (ports: Ports, storage: Plan['storage']): string =>
  [
    `DefaultEndpointsProtocol=${storage === 'identity' ? 'https' : 'http'}`,
    `AccountName=${account}`,
    `AccountKey=${accountKey}`,
    `BlobEndpoint=${serviceUri(ports, 'blob', storage)}`,
    `QueueEndpoint=${serviceUri(ports, 'queue', storage)}`,
    `TableEndpoint=${serviceUri(ports, 'table', storage)}`,
  ].join(';');

/** What only this stack knows; kept over restarts, so that a token in somebody's shell stays good. */
export interface Secrets {
  masterAdminToken: string;
  adminToken: string;
  serviceToken: string;
  sessionKey: string;
  identityHeader: string;
}

export const secretsOf = (folder: string): Secrets => {
  const path = join(folder, 'secrets.json');
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as Secrets;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
  const random = () => randomBytes(24).toString('base64url');
  const secrets: Secrets = {
    masterAdminToken: random(),
    adminToken: random(),
    serviceToken: random(),
    sessionKey: random(),
    identityHeader: random(),
  };
  mkdirSync(folder, { recursive: true });
  writeFileSync(path, JSON.stringify(secrets, null, 2), { mode: 0o600 });
  return secrets;
};

/** A plan with what was made for it on disk. */
export interface Stack extends Plan {
  secrets: Secrets;
  certificates: CertificateFiles;
}
