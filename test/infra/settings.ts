import { environmentNames, readConfig } from '../../lib/config.ts';
import { ofType, type Snapshot } from './snapshot.ts';

/** Settings that the platform and Azure's libraries read, beside those of `lib/config.ts`. */
const platform = [
  // Without both, the host takes the system's identity, which the app has none of.
  'AzureWebJobsStorage__credential',
  'AzureWebJobsStorage__clientId',
  'AzureWebJobsDisableHomepage',
  'APPLICATIONINSIGHTS_CONNECTION_STRING',
  'APPLICATIONINSIGHTS_AUTHENTICATION_STRING',
  // Which identity `DefaultAzureCredential` takes.
  'AZURE_CLIENT_ID',
  'OVERRIDE_USE_MI_FIC_ASSERTION_CLIENTID',
  'WEBSITE_AUTH_AAD_ALLOWED_TENANTS',
];

/** Names that the code knows and that Azure must not be given, with the reason. */
const absent: Record<string, string> = {
  AzureWebJobsStorage: 'a connection string holds a key, and even an empty one wins over the identity',
  KEY_VAULT_VERIFY_CHALLENGE: 'its default is right where the vault is a real one',
  ENTRA_AUTHORITY_HOST: "stands in for Microsoft's own authorities",
  WEBSITE_AUTH_ENABLED: 'the platform sets it; a setting would say so after somebody has switched Easy Auth off',
};

/** Not used on Flex Consumption, or harmful there (learn.microsoft.com/azure/azure-functions/functions-app-settings). */
const forbidden = [
  'FUNCTIONS_WORKER_RUNTIME',
  'FUNCTIONS_WORKER_RUNTIME_VERSION',
  'FUNCTIONS_EXTENSION_VERSION',
  'FUNCTIONS_WORKER_PROCESS_COUNT',
  'WEBSITE_RUN_FROM_PACKAGE',
  'SCM_DO_BUILD_DURING_DEPLOYMENT',
  'ENABLE_ORYX_BUILD',
  'WEBSITE_CONTENTAZUREFILECONNECTIONSTRING',
  'WEBSITE_CONTENTSHARE',
  'WEBSITE_CONTENTOVERVNET',
  'WEBSITE_NODE_DEFAULT_VERSION',
  'WEBSITE_MAX_DYNAMIC_APPLICATION_SCALE_OUT',
  'WEBSITE_VNET_ROUTE_ALL',
  'WEBSITE_DNS_SERVER',
  'WEBSITE_TIME_ZONE',
  'TZ',
];

/** What is wrong with the app settings, against the schema that the code itself reads them with. */
export const settingFaults = (snapshot: Snapshot): string[] => {
  const [resource] = ofType(snapshot, 'Web/sites/config').filter(({ name }) => name.endsWith('/appsettings'));
  const settings: Record<string, string> = resource?.properties ?? {};
  const names = Object.keys(settings);
  const wanted = [...platform, ...environmentNames.filter((name) => !(name in absent))];
  return [
    ...wanted.filter((name) => !names.includes(name)).map((name) => `app setting ${name} is missing`),
    ...names.filter((name) => !wanted.includes(name)).map((name) => `app setting ${name} is known to nobody`),
    ...forbidden.filter((name) => names.includes(name)).map((name) => `app setting ${name} is forbidden on Flex`),
    ...Object.entries(settings)
      .filter(([, value]) => /listKeys|listSecrets|AccountKey=|SharedAccessSignature|@Microsoft\.KeyVault/i.test(value))
      .map(([name]) => `app setting ${name} holds a secret`),
    ...refusedByTheCode(settings),
  ];
};

const refusedByTheCode = (settings: Record<string, string>): string[] => {
  const values = Object.fromEntries(Object.entries(settings).map(([name, value]) => [name, resolved(value)]));
  try {
    const { storage } = readConfig(values);
    return storage.by === 'identity' ? [] : ['storage is not reached by identity'];
  } catch (error) {
    return [(error as Error).message];
  }
};

/** An expression is an address or an id at run time; which of the two its text tells. */
const resolved = (value: string): string =>
  value.startsWith('[') ? (value.includes('https://') ? 'https://resolved.example' : 'resolved') : value;
