import { join } from 'node:path';
import { people } from '../auth/people.ts';
import { appSettings, clientEnvironment } from './environment.ts';
import type { Stack } from './plan.ts';
import type { PortName } from './ports.ts';
import type { Runner, RunnerOptions } from './runners.ts';

/** One process of the local stack. */
export interface Part<R extends Runner = Runner> {
  /** As in `.dev/pids`. */
  name: string;
  run: R;
  options: RunnerOptions[R];
  ports: PortName[];
  /** Parts of one wave start together, after those of the waves before; they end in the opposite order. */
  wave: 1 | 2 | 3;
  /** Environment variables besides those that every part gets. */
  env?: Record<string, string>;
}

const part = <R extends Runner>(it: Part<R>): Part => it as unknown as Part;

/** The user whom the SMTP server knows, for trying Basic sign-in. */
export const smtpUser = { name: 'files@example.com', password: 'files-password' };

/** Every part that this stack needs, in one list. */
export const partsOf = (stack: Stack, outside: Record<string, string | undefined>): Part[] => {
  const { ports, folder, secrets } = stack;
  const { cert, key } = stack.certificates;
  const client = clientEnvironment(stack, outside);
  const app = appSettings(stack, outside);
  const entra = outside.ENTRA_AUTHORITY_HOST ? undefined : app.ENTRA_AUTHORITY_HOST;
  return [
    ...(stack.outsideStorage
      ? []
      : [
          part({
            name: 'azurite',
            run: 'azurite',
            wave: 1,
            ports: ['blob', 'queue', 'table'],
            options: {
              folder: join(folder, 'azurite'),
              ports: { blob: ports.blob, queue: ports.queue, table: ports.table },
              ...(stack.storage === 'identity' && { tls: { cert, key } }),
            },
          }),
        ]),
    part({
      name: 'vault',
      run: 'vault',
      wave: 1,
      ports: ['vault'],
      options: { port: ports.vault, cert, key, stateFile: join(folder, 'vault.json') },
    }),
    part({
      name: 'identity',
      run: 'identity',
      wave: 1,
      ports: ['identity'],
      options: { port: ports.identity, header: secrets.identityHeader },
    }),
    ...(entra
      ? [
          part({
            name: 'entra',
            run: 'entra',
            wave: 1,
            ports: ['entra'],
            options: {
              ...{ port: ports.entra, cert, key, stateFile: join(folder, 'entra.key') },
              redirectUris: [`${app.POSTERN_PUBLIC_URL}/api/getoauthtoken`],
            },
          }),
        ]
      : []),
    ...(stack.outsideMail
      ? []
      : [
          part({
            name: 'mail',
            run: 'mail',
            wave: 1,
            ports: ['inbox', 'smtp', 'smtps', 'startTls', 'exchange'],
            options: {
              inboxPort: ports.inbox,
              smtpPort: ports.smtp,
              smtpsPort: ports.smtps,
              startTlsPort: ports.startTls,
              exchangePort: ports.exchange,
              folder: join(folder, 'mail'),
              cert,
              key,
              users: { [smtpUser.name]: smtpUser.password },
              ...(entra && { entra }),
            },
            env: { NODE_EXTRA_CA_CERTS: stack.certificates.ca },
          }),
        ]),
    ...stack.hosts.map((name) =>
      part({
        name,
        run: stack.hostBy,
        wave: 2,
        ports: [name],
        options: { app: stack.app ?? 'dist', port: ports[name], name },
        env: app,
      }),
    ),
    part({
      name: 'gate',
      run: 'gate',
      wave: 3,
      ports: ['portal'],
      options: {
        port: ports.portal,
        hosts: stack.hosts.map((name) => ports[name]),
        sessionKey: secrets.sessionKey,
        tokens: {
          [client.MASTER_ADMIN_TOKEN as string]: people['master-admin'],
          [client.ADMIN_TOKEN as string]: people.admin,
          [client.SERVICE_TOKEN as string]: people.service,
        },
      },
    }),
  ];
};
