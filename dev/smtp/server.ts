import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import PostalMime from 'postal-mime';
import type { SMTPServerAuthentication, SMTPServerOptions, SMTPServerSession } from 'smtp-server';
import { addressesOf, isRefusal, pause, type ScriptedConnection, ScriptedServer } from './connection.ts';
import { exchange, type Profile } from './exchange.ts';
import { type Faults, faultScript } from './faults.ts';

export interface Listener {
  /** 0 or left out: any free one, see `ports` of what `startSmtp` returns. */
  port?: number;
  /** `none`: no TLS at all; `starttls`: offered, as on 587; `tls`: from the first byte, as on 465. */
  security: 'none' | 'starttls' | 'tls';
  /** Mail only after AUTH, and with `starttls` AUTH only after STARTTLS. Otherwise AUTH is offered and free. */
  requireAuth?: boolean;
  /** User → password, for this listener instead of the server's. */
  users?: Record<string, string>;
  profile?: Profile;
  /** PEM files, for this listener instead of the server's. */
  cert?: string;
  key?: string;
}

/** @returns `ok`, or the reply line that refuses the token */
export type CheckToken = (user: string, token: string) => 'ok' | string | Promise<'ok' | string>;

export interface SmtpOptions<Name extends string> {
  listeners: Record<Name, Listener>;
  host?: string;
  /** PEM files of the server's certificate and its key. Needed unless every listener is `none`. */
  cert?: string;
  key?: string;
  users?: Record<string, string>;
  checkToken?: CheckToken;
  /** Exchange only: user → further addresses that it may send as. */
  sendAs?: Record<string, readonly string[]>;
  /** Takes each mail before it is answered; a rejection refuses it with 451. Left out: mails are kept in `accepted`. */
  store?: (mail: AcceptedMail) => void | Promise<void>;
}

export interface AcceptedMail {
  envelope: { from: string; to: string[] };
  raw: Buffer;
  /** Milliseconds since 1970. */
  at: number;
  listener: string;
  user: string | undefined;
  secure: boolean;
}

export interface Login {
  user: string;
  method: string;
  ok: boolean;
  at: number;
}

export interface SmtpServer<Name extends string = string> {
  ports: Record<Name, number>;
  faults: Faults;
  /** Mails so far, oldest first (empty where `store` takes them). */
  accepted: AcceptedMail[];
  logins: Login[];
  connections: { readonly now: number; readonly total: number; readonly maxConcurrent: number };
  close(): Promise<void>;
}

/** A real SMTP server for the local stack and for tests, that fails as it is told to. */
export const startSmtp = async <Name extends string>(options: SmtpOptions<Name>): Promise<SmtpServer<Name>> => {
  const script = faultScript();
  const accepted: AcceptedMail[] = [];
  const logins: Login[] = [];
  const servers = new Map<string, ScriptedServer>();
  let total = 0;
  let maxConcurrent = 0;
  const open = () => [...servers.values()].flatMap((server) => [...server.connections]);
  const store = options.store ?? ((mail: AcceptedMail) => void accepted.push(mail));

  for (const [name, listener] of Object.entries<Listener>(options.listeners)) {
    const profile = listener.profile ?? 'plain';
    const server: ScriptedServer = new ScriptedServer(
      {
        ...serverOptions(listener, options),
        onAuth: (auth, session, callback) => {
          void authenticate(server.connectionOf(session), auth, listener, callback);
        },
        onData: (stream, session, callback) => {
          const chunks: Buffer[] = [];
          stream.on('data', (chunk: Buffer) => chunks.push(chunk));
          stream.on('error', () => {}); // the client left in the middle of its mail: nothing was taken
          stream.on('end', () => {
            void accept(server, session, Buffer.concat(chunks), name).then(() => callback(null));
          });
        },
      },
      profile,
      script.next,
    );
    server.onConnection = () => {
      total++;
      maxConcurrent = Math.max(maxConcurrent, open().length);
    };
    servers.set(name, server);
  }

  const authenticate = async (
    connection: ScriptedConnection | undefined,
    auth: SMTPServerAuthentication,
    listener: Listener,
    callback: Parameters<NonNullable<SMTPServerOptions['onAuth']>>[2],
  ) => {
    const user = auth.username ?? '';
    const settle = (refusal: string | undefined) => {
      logins.push({ user, method: auth.method, ok: refusal === undefined, at: Date.now() });
      if (refusal === undefined) return callback(null, { user });
      connection?.answerNext(refusal);
      // An error is answered at once; anything else makes smtp-server play Google's 334 round first.
      callback(new Error(refusal));
    };
    const fault = script.next('auth', `${auth.method} ${user}`);
    if (fault) {
      await pause(fault);
      if (!connection || connection.gone) return;
      if (fault.drop === 'before' && !fault.reply) return connection.cut();
      if (fault.drop) connection.closeAfterReply();
      if (isRefusal(fault.reply)) return settle(fault.reply);
      if (fault.reply) connection.answerNext(fault.reply);
    }
    settle(await refusalOf(auth, listener, options));
  };

  const accept = async (server: ScriptedServer, session: SMTPServerSession, raw: Buffer, listener: string) => {
    const connection = server.connectionOf(session);
    if (!connection) return;
    const [from = '', ...to] = addressesOf(session.envelope);
    const mail: AcceptedMail = {
      envelope: { from, to },
      raw,
      at: Date.now(),
      listener,
      user: session.user || undefined,
      secure: session.secure,
    };
    const fault = script.next('accept', [from, ...to].join(' '));
    const refusal = isRefusal(fault?.reply) ? fault?.reply : await exchangeRefusal(server, session, mail);
    let reply = refusal ?? fault?.reply;
    if (refusal === undefined && fault?.drop !== 'before') {
      try {
        await store(mail);
        reply ??=
          server.profile === 'exchange' ? exchange.accepted(session.id) : `250 2.0.0 Ok: queued as ${session.id}`;
      } catch (error) {
        reply = `451 4.3.0 ${error instanceof Error ? error.message : error}`;
      }
    }
    if (fault) await pause(fault);
    if (fault?.drop) {
      if (!fault.reply) return connection.cut();
      connection.closeAfterReply();
    }
    if (reply) connection.answerNext(reply);
  };

  const exchangeRefusal = async (server: ScriptedServer, session: SMTPServerSession, mail: AcceptedMail) => {
    if (server.profile !== 'exchange') return undefined;
    const user: string = session.user;
    const sameUser = open().filter((one) => one.session.user === user);
    if (sameUser.findIndex((one) => one.session === session) >= exchange.connections)
      return exchange.tooManyConnections;
    const allowed = [user, ...(options.sendAs?.[user] ?? [])].map((address) => address.toLowerCase());
    const shown = (await PostalMime.parse(mail.raw)).from?.address ?? mail.envelope.from;
    const foreign = [mail.envelope.from, shown].find((address) => !allowed.includes(address.toLowerCase()));
    return foreign === undefined ? undefined : exchange.sendAsDenied(user, foreign);
  };

  const close = async () => {
    for (const connection of open()) connection._socket.destroy();
    await Promise.all([...servers.values()].map((server) => new Promise<void>((done) => server.close(done))));
  };

  const ports: Record<string, number> = {};
  try {
    for (const [name, server] of servers) ports[name] = await listen(server, options, name as Name);
  } catch (error) {
    await close();
    throw error;
  }
  return {
    ports: ports as Record<Name, number>,
    faults: script,
    accepted,
    logins,
    connections: {
      get now() {
        return open().length;
      },
      get total() {
        return total;
      },
      get maxConcurrent() {
        return maxConcurrent;
      },
    },
    close,
  };
};

const serverOptions = (listener: Listener, options: SmtpOptions<string>): SMTPServerOptions => {
  const { security, profile, requireAuth = false } = listener;
  const cert = listener.cert ?? options.cert;
  const key = listener.key ?? options.key;
  if (security !== 'none' && !(cert && key)) throw new Error(`A listener with ${security} needs cert and key`);
  const asExchange = profile === 'exchange';
  return {
    name: 'localhost',
    ...(asExchange ? { banner: exchange.banner } : {}),
    size: asExchange ? exchange.size : 50 * 1024 * 1024,
    rejectOversized: true,
    secure: security === 'tls',
    hideSTARTTLS: security === 'none',
    disabledCommands: security === 'none' ? ['STARTTLS'] : [],
    authMethods: asExchange ? exchange.authMethods : ['PLAIN', 'LOGIN', 'XOAUTH2'],
    authOptional: asExchange || !requireAuth,
    allowInsecureAuth: !requireAuth,
    disableReverseLookup: true,
    hideENHANCEDSTATUSCODES: false,
    logger: false,
    // Longer than the longest delay of a fault, so that only the client's own time-outs end a wait.
    socketTimeout: 660_000,
    maxAllowedUnauthenticatedCommands: false,
    ...(cert && key ? { cert: readFileSync(cert), key: readFileSync(key) } : {}),
  };
};

/** @returns the reply that refuses the login, `undefined` where it is right. */
const refusalOf = async (
  auth: SMTPServerAuthentication,
  listener: Listener,
  options: SmtpOptions<string>,
): Promise<string | undefined> => {
  const user = auth.username ?? '';
  if (auth.method === 'XOAUTH2') {
    const verdict = await options.checkToken?.(user, auth.accessToken ?? '');
    if (verdict === undefined) return exchange.authenticationUnsuccessful;
    return verdict === 'ok' ? undefined : verdict;
  }
  const users = new Map(Object.entries(listener.users ?? options.users ?? {}));
  if (users.has(user) && users.get(user) === auth.password) return undefined;
  return listener.profile === 'exchange' ? exchange.wrongPassword : '535 5.7.8 Authentication credentials invalid';
};

const listen = async <Name extends string>(
  server: ScriptedServer,
  options: SmtpOptions<Name>,
  name: Name,
): Promise<number> => {
  const host = options.host ?? '127.0.0.1';
  const port = options.listeners[name].port ?? 0;
  const socket = server.server;
  // A client that breaks off is what this server is for, not an error of its own; a taken port rejects below.
  server.on('error', () => {});
  server.listen(port, host);
  await once(socket, 'listening');
  return (socket.address() as AddressInfo).port;
};
