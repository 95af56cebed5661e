import { inject } from 'vitest';
import { type Config, readConfig } from '../../lib/config.ts';
import { lanes } from '../../lib/message/kinds.ts';
import { type AzureClients, azureClients, createMissing } from '../../lib/storage/azure.ts';

export const queueNames = Object.values(lanes).flatMap((lane) => [lane, `${lane}-poison`]);

/** A connection string to an account of the run's Azurite that no other test has. */
export const ownConnectionString = async (): Promise<string> => {
  const { ports, accountKey, nextAccount } = inject('azurite');
  const answer = await fetch(nextAccount);
  const account = await answer.text();
  if (!answer.ok) throw new Error(account);
  const endpoint = (service: string, port: number) => `${service}Endpoint=http://127.0.0.1:${port}/${account}`;
  return [
    'DefaultEndpointsProtocol=http',
    `AccountName=${account}`,
    `AccountKey=${accountKey}`,
    endpoint('Blob', ports.blob),
    endpoint('Queue', ports.queue),
    endpoint('Table', ports.table),
  ].join(';');
};

/** A configuration with storage of its own, and the clients, with every table, queue and container made. */
export const ownStorage = async (
  environment: Record<string, string> = {},
): Promise<{ config: Config; azure: AzureClients; environment: Record<string, string> }> => {
  const env = {
    AzureWebJobsStorage: await ownConnectionString(),
    KEY_VAULT_URI: 'https://localhost:1',
    POSTERN_PUBLIC_URL: 'https://postern.example.com',
    ...environment,
  };
  const config = readConfig(env);
  const azure = azureClients(config);
  await createMissing(config, azure, queueNames);
  return { config, azure, environment: env };
};
