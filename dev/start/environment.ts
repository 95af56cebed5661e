import { connectionString, type Stack, serviceUri } from './plan.ts';

type Env = Record<string, string | undefined>;

/** What an outside client needs to use the stack; written to `.dev/env`. Values from outside win. */
export const clientEnvironment = (stack: Stack, outside: Env): Record<string, string> => {
  const { ports, secrets, storage } = stack;
  const inbox = `http://localhost:${ports.inbox}`;
  const own: Record<string, string> = {
    AZURE_STORAGE_CONNECTION_STRING: stack.outsideStorage ?? connectionString(ports, storage),
    NODE_EXTRA_CA_CERTS: stack.certificates.ca,
    POSTERN_URL: `http://localhost:${ports.portal}`,
    POSTERN_HOST_URLS: stack.hosts.map((name) => `http://localhost:${ports[name]}`).join(' '),
    ...(stack.outsideMail ? {} : { INBOX_URL: inbox, SMTP_FAULTS_URL: `${inbox}/api/faults` }),
    KEY_VAULT_URI: `https://localhost:${ports.vault}`,
    ENTRA_URL: outside.ENTRA_AUTHORITY_HOST || `https://localhost:${ports.entra}`,
    MASTER_ADMIN_TOKEN: secrets.masterAdminToken,
    ADMIN_TOKEN: secrets.adminToken,
    SERVICE_TOKEN: secrets.serviceToken,
  };
  return { ...own, ...picked(outside, ['MASTER_ADMIN_TOKEN', 'ADMIN_TOKEN', 'SERVICE_TOKEN']) };
};

/** The app settings of the functions hosts, as Bicep sets them in the cloud. Values from outside win. */
export const appSettings = (stack: Stack, outside: Env): Record<string, string> => {
  const { ports, secrets, storage } = stack;
  const byIdentity = storage === 'identity' && !stack.outsideStorage;
  const own: Record<string, string> = {
    ...(byIdentity
      ? {
          AzureWebJobsStorage__blobServiceUri: serviceUri(ports, 'blob', storage),
          AzureWebJobsStorage__queueServiceUri: serviceUri(ports, 'queue', storage),
          AzureWebJobsStorage__tableServiceUri: serviceUri(ports, 'table', storage),
        }
      : { AzureWebJobsStorage: stack.outsideStorage ?? connectionString(ports, storage) }),
    KEY_VAULT_URI: `https://localhost:${ports.vault}`,
    KEY_VAULT_VERIFY_CHALLENGE: 'false',
    POSTERN_PUBLIC_URL: `http://localhost:${ports.portal}`,
    WEBSITE_AUTH_ENABLED: 'True',
    ENTRA_AUTHORITY_HOST: `https://localhost:${ports.entra}`,
    IDENTITY_ENDPOINT: `http://127.0.0.1:${ports.identity}/msi/token`,
    IDENTITY_HEADER: secrets.identityHeader,
    NODE_EXTRA_CA_CERTS: stack.certificates.ca,
  };
  return { ...own, ...picked(outside, ['POSTERN_PUBLIC_URL', 'ENTRA_AUTHORITY_HOST']) };
};

/** dotenv that a shell can read too: `set -a; . .dev/env`. */
export const dotenv = (values: Record<string, string>): string =>
  `${Object.entries(values)
    .map(([name, value]) => `${name}="${value}"`)
    .join('\n')}\n`;

function picked(env: Env, names: string[]): Record<string, string> {
  return Object.fromEntries(names.flatMap((name) => (env[name] ? [[name, env[name]]] : [])));
}
