import { TableClient, TableServiceClient } from '@azure/data-tables';
import { DefaultAzureCredential, type TokenCredential } from '@azure/identity';
import { SecretClient } from '@azure/keyvault-secrets';
import { BlobServiceClient, type ContainerClient } from '@azure/storage-blob';
import { type QueueClient, QueueServiceClient } from '@azure/storage-queue';
import type { Config } from '../config.ts';

/** Tables by room. `infra/` declares each; a test holds the two lists equal. */
export const tables = {
  settings: 'settings',
  deliveries: 'deliveries',
  recipients: 'recipients',
  keys: 'keys',
  parked: 'parked',
  doNotEmail: 'donotemail',
  limit: 'limit',
  relay: 'relay',
  oauth: 'oauth',
  audit: 'audit',
} as const;

export type TableName = (typeof tables)[keyof typeof tables];

/** Blob containers. */
export const containers = { content: 'content' } as const;

export interface AzureClients {
  table(name: TableName): TableClient;
  queue(name: string): QueueClient;
  container(name: string): ContainerClient;
  vault(): SecretClient;
  credential(): TokenCredential;
}

/**
 * Clients of Azure's services, made on first use and then kept: start-up stays cheap and each service is spoken to
 * over one pool of connections. Connection string or service addresses with `DefaultAzureCredential`, by configuration.
 */
export const azureClients = (config: Config): AzureClients => {
  const credential = lazy((): TokenCredential => new DefaultAzureCredential());
  const { storage, vault } = config;
  const queues = lazy(() =>
    storage.by === 'connection-string'
      ? QueueServiceClient.fromConnectionString(storage.connectionString)
      : new QueueServiceClient(storage.queueServiceUri, credential()),
  );
  const blobs = lazy(() =>
    storage.by === 'connection-string'
      ? BlobServiceClient.fromConnectionString(storage.connectionString)
      : new BlobServiceClient(storage.blobServiceUri, credential()),
  );
  const secrets = lazy(
    () =>
      new SecretClient(vault.uri, credential(), {
        disableChallengeResourceVerification: !vault.verifyChallenge,
      }),
  );
  return {
    credential,
    table: lazyBy((name: TableName) =>
      storage.by === 'connection-string'
        ? TableClient.fromConnectionString(storage.connectionString, name, { allowInsecureConnection: true })
        : new TableClient(storage.tableServiceUri, name, credential()),
    ),
    queue: lazyBy((name: string) => queues().getQueueClient(name)),
    container: lazyBy((name: string) => blobs().getContainerClient(name)),
    vault: secrets,
  };
};

/** For the local stack and tests, where no Bicep made them: every table, queue and container, if missing. */
export const createMissing = async (config: Config, azure: AzureClients, queueNames: string[]): Promise<void> => {
  const { storage } = config;
  const service =
    storage.by === 'connection-string'
      ? TableServiceClient.fromConnectionString(storage.connectionString, { allowInsecureConnection: true })
      : new TableServiceClient(storage.tableServiceUri, azure.credential());
  await Promise.all([
    ...Object.values(tables).map((name) => service.createTable(name)),
    ...queueNames.map((name) => azure.queue(name).createIfNotExists()),
    ...Object.values(containers).map((name) => azure.container(name).createIfNotExists()),
  ]);
};

const lazy = <T>(make: () => T): (() => T) => {
  let made: { value: T } | undefined;
  return () => {
    made ??= { value: make() };
    return made.value;
  };
};

const lazyBy = <K, T>(make: (key: K) => T): ((key: K) => T) => {
  const made = new Map<K, T>();
  return (key) => {
    const known = made.get(key);
    if (known !== undefined) return known;
    const fresh = make(key);
    made.set(key, fresh);
    return fresh;
  };
};
