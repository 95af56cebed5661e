import { relative } from 'node:path';
import { localDirectory } from '../entra/directory.ts';
import { smtpUser } from './parts.ts';
import type { Stack } from './plan.ts';

/** What the start prints when all is up: one table of addresses. */
export const summary = (stack: Stack): string => {
  const { ports, outsideMail, outsideStorage } = stack;
  const at = (port: number, path = '') => `http://localhost:${port}${path}`;
  const { tenantId, registrations } = localDirectory([]);
  const rows: [string, string][] = [
    ['Start page and API', at(ports.portal)],
    ['Sign in', `${at(ports.portal, '/.auth/login')}  as master admin, admin or service`],
    ['  or with a token', `Authorization: Bearer $MASTER_ADMIN_TOKEN, $ADMIN_TOKEN, $SERVICE_TOKEN of the env file`],
    ...(outsideMail
      ? ([['Mail server', `${outsideMail.host}:${outsideMail.port} (yours)`]] as [string, string][])
      : ([
          ['Inbox', at(ports.inbox)],
          [
            'SMTP',
            `localhost:${ports.smtp}  TLS ${ports.smtps}, STARTTLS ${ports.startTls}, as Exchange ${ports.exchange}`,
          ],
          ['  user', `${smtpUser.name} / ${smtpUser.password}`],
        ] as [string, string][])),
    outsideStorage
      ? ['Storage', /AccountName=([^;]+)/.exec(outsideStorage)?.[1] ?? 'yours']
      : ['Azurite', `blob ${ports.blob}, queue ${ports.queue}, table ${ports.table}`],
    ['Key Vault stand-in', `https://localhost:${ports.vault}  for the app alone`],
    ['Fake Entra', `https://localhost:${ports.entra}  tenant ${tenantId}`],
    ['  application', `${registrations[0]?.clientId}  secret ${registrations[0]?.secrets[0]?.value}`],
    ['Functions hosts', stack.hosts.map((name) => at(ports[name], '/api/health')).join('  ')],
    ['For other programs', `set -a; . ${relative(process.cwd(), stack.folder)}/env`],
  ];
  const width = Math.max(...rows.map(([name]) => name.length));
  return [
    '',
    ...rows.map(([name, value]) => `  ${name.padEnd(width)}  ${value}`),
    '',
    '  Ctrl-C ends it. State is kept; --fresh begins anew.',
    '',
  ].join('\n');
};
