import { startInbox } from './inbox/server.ts';
import { type InboxStore, inboxStore } from './inbox/store.ts';
import { type CheckToken, type SmtpServer, startSmtp } from './smtp/server.ts';

export interface MailOptions {
  /** STARTTLS and AUTH are offered, nothing is demanded. 0 or left out: any free port, here and below. */
  smtpPort?: number;
  /** TLS from the first byte, AUTH demanded, as on 465. */
  smtpsPort?: number;
  /** STARTTLS, then AUTH demanded, as on 587. */
  startTlsPort?: number;
  /** As Exchange Online speaks, on STARTTLS. */
  exchangePort?: number;
  inboxPort?: number;
  host?: string;
  /** Where mails are kept; left out: in memory. */
  folder?: string;
  cert: string;
  key: string;
  users?: Record<string, string>;
  checkToken?: CheckToken;
}

export interface MailStack {
  smtp: SmtpServer<'smtp' | 'smtps' | 'startTls' | 'exchange'>;
  store: InboxStore;
  /** Of the inbox page; its API begins with `/api/`, the faults are at `/api/faults`. */
  inboxUrl: string;
  faultsUrl: string;
  close(): Promise<void>;
}

/** The SMTP server and the inbox of the local stack in one process. @throws where a port is taken (EADDRINUSE) */
export const startMail = async (options: MailOptions): Promise<MailStack> => {
  const { host = '127.0.0.1', cert, key, users = {}, checkToken } = options;
  const store = await inboxStore(options.folder);
  const smtp = await startSmtp({
    host,
    cert,
    key,
    users,
    ...(checkToken ? { checkToken } : {}),
    listeners: {
      smtp: { port: options.smtpPort ?? 0, security: 'starttls' },
      smtps: { port: options.smtpsPort ?? 0, security: 'tls', requireAuth: true },
      startTls: { port: options.startTlsPort ?? 0, security: 'starttls', requireAuth: true },
      exchange: { port: options.exchangePort ?? 0, security: 'starttls', profile: 'exchange' },
    },
    store: async (mail) => {
      await store.add(mail);
    },
  });
  try {
    const inbox = await startInbox(store, smtp.faults, { host, port: options.inboxPort ?? 0 });
    return {
      smtp,
      store,
      inboxUrl: inbox.url,
      faultsUrl: `${inbox.url}/api/faults`,
      close: async () => {
        await Promise.all([smtp.close(), inbox.close()]);
      },
    };
  } catch (error) {
    await smtp.close();
    throw error;
  }
};
