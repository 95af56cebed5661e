/** `npm start`: the whole local stack on loopback, one process a part. */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { getCACertificates, setDefaultCACertificates } from 'node:tls';
import { readConfig } from '../lib/config.ts';
import { lanes } from '../lib/message/kinds.ts';
import { azureClients, createMissing } from '../lib/storage/azure.ts';
import { buildApp } from './build.ts';
import { ensureCertificates } from './certificates.ts';
import { appSettings, clientEnvironment, dotenv } from './start/environment.ts';
import { refuseTakenPorts, runningStack } from './start/guard.ts';
import { type Part, partsOf } from './start/parts.ts';
import { planFrom, type Stack, secretsOf } from './start/plan.ts';
import { seedSettings, untilHealthy } from './start/seed.ts';
import { summary } from './start/summary.ts';
import { supervise } from './start/supervisor.ts';

const print = (line: string) => console.log(line);

const start = async (): Promise<void> => {
  const plan = planFrom(process.env);
  const pidsFile = join(plan.folder, 'pids');
  const other = runningStack(pidsFile);
  await refuseTakenPorts(plan.ports, portsOf(plan)).catch((error: Error) => {
    throw other ? new Error(`${error.message}\nA stack runs on ${plan.folder} already, process ${other}.`) : error;
  });
  if (other) {
    throw new Error(
      `A stack runs on ${plan.folder} already, process ${other}. Set POSTERN_DEV_FOLDER for another one.`,
    );
  }
  if (process.argv.includes('--fresh')) rmSync(plan.folder, { recursive: true, force: true });
  mkdirSync(plan.folder, { recursive: true });
  if (!plan.app) await buildApp('dist');

  const certificates = await ensureCertificates(join(plan.folder, 'certificates'));
  setDefaultCACertificates([...getCACertificates('default'), readFileSync(certificates.ca, 'utf8')]);
  const stack: Stack = { ...plan, secrets: secretsOf(plan.folder), certificates };
  const client = clientEnvironment(stack, process.env);
  const parts = partsOf(stack, process.env);
  const supervisor = supervise(pidsFile, print);

  const ended = signalled();
  try {
    await Promise.race([bringUp(), ended.then(() => Promise.reject(new Error('Ended while starting.')))]);
    print(summary(stack));
    await ended;
  } finally {
    await supervisor.stop();
  }

  async function bringUp(): Promise<void> {
    await supervisor.start(inWave(1));
    await createStorage(stack);
    await supervisor.start(inWave(2));
    await supervisor.start(inWave(3));
    writeFileSync(join(stack.folder, 'env'), dotenv(client), { mode: 0o600 });
    const url = `http://127.0.0.1:${stack.ports.portal}`;
    await untilHealthy(`${url}/api/health`);
    const smtp = stack.outsideMail ?? { host: 'localhost', port: stack.ports.smtp, security: 'none' };
    await seedSettings({ url, token: client.MASTER_ADMIN_TOKEN as string, smtp });
  }

  function inWave(wave: Part['wave']): Part[] {
    return parts.filter((part) => part.wave === wave);
  }
};

function portsOf(plan: ReturnType<typeof planFrom>) {
  const none = { ca: '', cert: '', key: '' };
  const secrets = { masterAdminToken: '', adminToken: '', serviceToken: '', sessionKey: '', identityHeader: '' };
  return partsOf({ ...plan, secrets, certificates: none }, {}).flatMap(({ ports }) => ports);
}

/** Every table, queue and container, as Bicep makes them in the cloud. */
async function createStorage(stack: Stack): Promise<void> {
  const { AZURE_STORAGE_CONNECTION_STRING: AzureWebJobsStorage } = clientEnvironment(stack, process.env);
  const { KEY_VAULT_URI, POSTERN_PUBLIC_URL } = appSettings(stack, process.env);
  const config = readConfig({ AzureWebJobsStorage, KEY_VAULT_URI, POSTERN_PUBLIC_URL });
  const queues = Object.values(lanes).flatMap((lane) => [lane, `${lane}-poison`]);
  await createMissing(config, azureClients(config), queues).catch((error: Error) => {
    if (!stack.outsideStorage) throw error;
    throw new Error(
      `The storage account of AZURE_STORAGE_CONNECTION_STRING cannot be used: ${error.message}\nUnset the variable to use the stack's own Azurite.`,
    );
  });
}

function signalled(): Promise<void> {
  return new Promise((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => resolve());
  });
}

start().catch((error: Error) => {
  console.error(error.message);
  process.exitCode = 1;
});
