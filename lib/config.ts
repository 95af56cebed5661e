import { z } from 'zod';

/**
 * What the platform tells the app by environment variables (app settings). Names stay as the platform has them; the
 * code gets a nested, typed object. Mail settings are not here: admins keep those by `/api/settings`.
 */
const environment = z
  .object({
    AzureWebJobsStorage: z.string().min(1).optional(),
    AzureWebJobsStorage__accountName: z.string().min(1).optional(),
    AzureWebJobsStorage__blobServiceUri: z.url().optional(),
    AzureWebJobsStorage__queueServiceUri: z.url().optional(),
    AzureWebJobsStorage__tableServiceUri: z.url().optional(),
    KEY_VAULT_URI: z.url(),
    KEY_VAULT_VERIFY_CHALLENGE: z.enum(['true', 'false']).default('true'),
    POSTERN_PUBLIC_URL: z.url(),
    POSTERN_SUBMIT_TIMEOUT_SECONDS: z.coerce.number().min(1).max(540).default(120),
    ENTRA_AUTHORITY_HOST: z.url().optional(),
    WEBSITE_AUTH_ENABLED: z.string().optional(),
  })
  .transform((env, context) => ({
    storage: storageOf(env, context),
    vault: {
      uri: env.KEY_VAULT_URI,
      /** Off only where the vault is a private stand-in, whose host name is not under the vault service's domain. */
      verifyChallenge: env.KEY_VAULT_VERIFY_CHALLENGE === 'true',
    },
    /** Where people reach this app from outside: unsubscribe links and the OAuth redirect begin with it. No slash at the end. */
    publicUrl: env.POSTERN_PUBLIC_URL.replace(/\/+$/, ''),
    /** The longest that one hand-over to the relay may take, in milliseconds. The lease of a claim follows from it. */
    submitTimeout: env.POSTERN_SUBMIT_TIMEOUT_SECONDS * 1000,
    /** Stands in for the Entra authority host of every cloud, e.g. behind a proxy; `undefined` = Microsoft's own. */
    entraAuthorityHost: env.ENTRA_AUTHORITY_HOST?.replace(/\/+$/, ''),
    /** Whether the platform says that Easy Auth is on. Only then is the principal header believed. */
    easyAuth: env.WEBSITE_AUTH_ENABLED?.toLowerCase() === 'true',
  }));

export type Config = z.output<typeof environment>;

export type StorageConfig =
  | { by: 'connection-string'; connectionString: string }
  | { by: 'identity'; blobServiceUri: string; queueServiceUri: string; tableServiceUri: string };

/** The names of all settings read here; `infra/` must provide the required ones, and a test compares. */
export const environmentNames: readonly string[] = Object.keys(environment.in.shape);

/**
 * @throws Error that names every wrong or missing variable and the reason, one a line; never a value, since a value
 * may be a secret. Thrown at start: the Functions worker then reports the app as broken instead of starting it blind.
 */
export const readConfig = (env: Record<string, string | undefined>): Config => {
  const read = environment.safeParse(env);
  if (read.success) return read.data;
  const lines = read.error.issues.map((issue) => `  ${issue.path.join('.') || 'environment'}: ${issue.message}`);
  throw new Error(`Postern cannot start, its app settings are not right:\n${lines.join('\n')}`);
};

interface StorageEnvironment {
  AzureWebJobsStorage?: string | undefined;
  AzureWebJobsStorage__blobServiceUri?: string | undefined;
  AzureWebJobsStorage__queueServiceUri?: string | undefined;
  AzureWebJobsStorage__tableServiceUri?: string | undefined;
}

function storageOf(env: StorageEnvironment, context: z.RefinementCtx): StorageConfig {
  if (env.AzureWebJobsStorage) return { by: 'connection-string', connectionString: env.AzureWebJobsStorage };
  const blobServiceUri = env.AzureWebJobsStorage__blobServiceUri;
  const queueServiceUri = env.AzureWebJobsStorage__queueServiceUri;
  const tableServiceUri = env.AzureWebJobsStorage__tableServiceUri;
  if (blobServiceUri && queueServiceUri && tableServiceUri) {
    return { by: 'identity', blobServiceUri, queueServiceUri, tableServiceUri };
  }
  context.addIssue({
    code: 'custom',
    path: ['AzureWebJobsStorage'],
    message:
      'set AzureWebJobsStorage (a connection string), or all of AzureWebJobsStorage__blobServiceUri, __queueServiceUri and __tableServiceUri',
  });
  return z.NEVER;
}
