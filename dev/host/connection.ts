import { DefaultAzureCredential } from '@azure/identity';
import { BlobServiceClient } from '@azure/storage-blob';
import { QueueServiceClient } from '@azure/storage-queue';

type Settings = Record<string, string | undefined>;

const developmentStorage = [
  'DefaultEndpointsProtocol=http;AccountName=devstoreaccount1',
  // The published key of every storage emulator, no secret.
  'AccountKey=Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==',
  'BlobEndpoint=http://127.0.0.1:10000/devstoreaccount1',
  'QueueEndpoint=http://127.0.0.1:10001/devstoreaccount1',
  'TableEndpoint=http://127.0.0.1:10002/devstoreaccount1',
].join(';');

/**
 * A trigger's `connection`: the name of an app setting that holds a connection string, or the stem of settings such as
 * `NAME__queueServiceUri`, which are used with `DefaultAzureCredential`.
 * @throws Error that names the missing setting.
 */
export const queueService = (name: string, env: Settings): QueueServiceClient => {
  const text = connectionString(name, env);
  if (text) return QueueServiceClient.fromConnectionString(text);
  const uri = env[`${name}__queueServiceUri`] ?? accountUri(name, 'queue', env);
  if (uri) return new QueueServiceClient(uri, new DefaultAzureCredential());
  throw new Error(`The app setting "${name}" (or "${name}__queueServiceUri") is missing.`);
};

/** @returns `undefined` where the app has no blob storage of that name: the host then runs its timers unguarded. */
export const blobService = (name: string, env: Settings): BlobServiceClient | undefined => {
  const text = connectionString(name, env);
  if (text) return BlobServiceClient.fromConnectionString(text);
  const uri = env[`${name}__blobServiceUri`] ?? accountUri(name, 'blob', env);
  return uri ? new BlobServiceClient(uri, new DefaultAzureCredential()) : undefined;
};

function connectionString(name: string, env: Settings): string | undefined {
  // The host looks for AzureWebJobs<name> first (WebJobs SDK, ConfigurationExtensions.GetConnectionStringOrSetting).
  const text = env[`AzureWebJobs${name}`] || env[name];
  return text === 'UseDevelopmentStorage=true' ? developmentStorage : text || undefined;
}

function accountUri(name: string, service: string, env: Settings): string | undefined {
  const account = env[`${name}__accountName`];
  return account ? `https://${account}.${service}.core.windows.net` : undefined;
}

/** `%NAME%` inside a binding's value stands for an app setting. @throws Error that names the missing one. */
export const resolveSettings = (text: string, env: Settings): string =>
  text.replace(/%([^%]+)%/g, (_, name: string) => {
    const value = env[name];
    if (value === undefined) throw new Error(`"%${name}%" does not resolve: there is no app setting of that name.`);
    return value;
  });
