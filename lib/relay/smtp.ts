import { Readable } from 'node:stream';
import { TLSSocket } from 'node:tls';
import SMTPConnection, {
  type SMTPConnectionCustomAuthContext,
  type SMTPConnectionOptions,
} from 'nodemailer/lib/smtp-connection';
import { type FailureDetail, givenUp, type HandedOver, RelayFailure } from './failure.ts';
import type { Phase } from './outcome.ts';

export interface Server {
  host: string;
  port: number;
  security: 'none' | 'ssl' | 'tls';
}

export type Credentials =
  | { method: 'basic'; user: string; password: string }
  | { method: 'xoauth2'; user: string; token: string };

export interface Taken {
  /** The whole reply to the end of DATA. */
  reply: string;
  /** The id that the relay gave the mail, where its reply names one. */
  relayId: string | undefined;
}

/** One SMTP connection, used by one mail at a time. Every step rejects with `RelayFailure`. */
export interface Session {
  /** TLS version and cipher, e.g. `TLSv1.3 TLS_AES_256_GCM_SHA384`; `undefined` on a clear connection. */
  readonly tls: string | undefined;
  /** Whether the connection is gone, for whatever reason. */
  readonly ended: boolean;
  login(credentials: Credentials, signal: AbortSignal): Promise<void>;
  send(envelope: { from: string; to: string }, message: Buffer, signal: AbortSignal): Promise<Taken>;
  /** RSET: after a refusal the connection serves the next mail. */
  reset(signal: AbortSignal): Promise<void>;
  /** MAIL FROM, RCPT TO and RSET without a mail. @returns each reply up to the first refusal. */
  probe(sender: string, recipient: string, signal: AbortSignal): Promise<{ phase: 'mail' | 'rcpt'; reply: string }[]>;
  /** Says QUIT and closes. */
  quit(): void;
  /** Closes at once. */
  close(): void;
}

/**
 * Longest waits at the beginning, in milliseconds; nodemailer's own outlive a claim's lease. After that only the bound of
 * the whole hand-over counts: a relay may take minutes after the final dot (RFC 5321 section 4.5.3.2.6), and whoever
 * gives up on it early sends the mail twice.
 */
const patience = { connect: 15_000, greeting: 15_000 };

/**
 * How each security setting is kept (RFC 3207, RFC 8314). `tls` fails rather than go on in the clear where STARTTLS is
 * not offered, so that nobody in between can strip it. `none` does not try STARTTLS at all: it is chosen for relays
 * in the same network, whose certificates often fit no name, and an opportunistic upgrade would fail on those.
 */
const securityOptions: Record<Server['security'], SMTPConnectionOptions> = {
  none: { secure: false, ignoreTLS: true },
  ssl: { secure: true },
  tls: { secure: false, requireTLS: true },
};

/**
 * Opens a connection up to the end of EHLO, TLS included; nobody is logged in yet.
 * @param most upper bound of every single wait, in milliseconds
 * @throws RelayFailure with the phase in which it failed
 */
export const openSession = async (
  server: Server,
  most: number,
  signal: AbortSignal,
  connected?: SMTPConnectionOptions['connection'],
): Promise<Session> => {
  const connection = new SMTPConnection({
    host: server.host,
    port: server.port,
    ...securityOptions[server.security],
    ...(connected && { connection: connected }),
    tls: { minVersion: 'TLSv1.2' },
    dnsTimeout: Math.min(patience.connect, most),
    connectionTimeout: Math.min(patience.connect, most),
    greetingTimeout: Math.min(patience.greeting, most),
    socketTimeout: most,
    socketCloseTimeout: 1000,
    customAuth: { TOKEN: xoauth2, PROBE: probe },
  });
  // An idle connection may fail at any time; the steps below listen for themselves.
  connection.on('error', () => undefined);
  await step<void>(connection, signal, (error) => new RelayFailure(openingPhase(connection, error), 'no', error), {
    start: (done) => connection.connect((error) => done(error ?? null)),
  });
  return sessionOver(connection);
};

const sessionOver = (connection: SMTPConnection): Session => ({
  tls: tlsOf(connection),
  get ended() {
    const socket = connection._socket;
    return connection.destroyed || !socket || !socket.writable || socket.readableEnded;
  },
  login: (credentials, signal) =>
    step<void>(connection, signal, (error) => new RelayFailure('auth', 'no', error), {
      start: (done) => {
        // nodemailer skips the login silently where AUTH is not offered; the mail would then go as a stranger's.
        if (!connection.allowsAuth) {
          done(Object.assign(new Error('The server offers no AUTH on this connection'), { code: 'EAUTH' }));
          return;
        }
        connection.login(authOf(credentials), (error) => done(error));
      },
    }),
  send: (envelope, message, signal) => {
    const body = bodyOf(message, connection);
    const failure = (error: FailureDetail) => {
      return new RelayFailure(sendingPhase(error, body), handedOver(error, body), error);
    };
    return step<Taken>(connection, signal, failure, {
      start: (done) =>
        connection.send({ from: envelope.from, to: [envelope.to], size: message.length }, body.stream, (error, info) =>
          error || !info
            ? done(error ?? new Error('No result'))
            : done(null, { reply: info.response, relayId: info.serverMessageId ?? relayIdOf(info.response) }),
        ),
    });
  },
  reset: (signal) =>
    step<void>(connection, signal, (error) => new RelayFailure('mail', 'no', error), {
      start: (done) => connection.reset((error) => done(error)),
    }),
  probe: async (sender, recipient, signal) => {
    const replies: { phase: 'mail' | 'rcpt'; reply: string }[] = [];
    await step<void>(connection, signal, (error) => new RelayFailure(replies.length ? 'rcpt' : 'mail', 'no', error), {
      start: (done) =>
        connection.login({ method: 'PROBE', options: { sender, recipient, replies } }, (error) => done(error)),
    });
    return replies;
  },
  quit: () => {
    if (connection.destroyed) return;
    connection.quit();
  },
  close: () => connection.close(),
});

type Done<T> = (error: FailureDetail | null, value?: T) => void;

/**
 * Runs one callback step of the connection. nodemailer forgets the callback where the connection is closed from
 * outside or fails between two steps, so the connection's own events and the signal settle it as well.
 */
const step = <T>(
  connection: SMTPConnection,
  signal: AbortSignal,
  failure: (error: FailureDetail) => RelayFailure,
  { start }: { start: (done: Done<T>) => void },
): Promise<T> =>
  new Promise((resolve, reject) => {
    const done: Done<T> = (error, value) => {
      connection.removeListener('error', fail);
      connection.removeListener('end', ended);
      signal.removeEventListener('abort', abort);
      if (error) reject(failure(error));
      else resolve(value as T);
    };
    const fail = (error: FailureDetail) => done(error);
    // After a reply that ends the session, nodemailer emits `end` first and reports the reply afterwards.
    const ended = () =>
      setImmediate(() => done(Object.assign(new Error('Connection closed unexpectedly'), { code: 'ECONNECTION' })));
    const abort = () => {
      done(givenUp(signal));
      connection.close();
    };
    if (signal.aborted) {
      abort();
      return;
    }
    connection.on('error', fail);
    connection.on('end', ended);
    signal.addEventListener('abort', abort, { once: true });
    start(done);
  });

interface Body {
  stream: Readable;
  /** The server has answered DATA with 354, and bytes of the mail are on their way. */
  started: boolean;
  /** All bytes are out, and the final dot follows at once. */
  complete: boolean;
}

const pieceSize = 16 * 1024;

/**
 * The mail as a stream that knows how far it got. nodemailer writes the final dot when this stream ends
 * (`DataStream._flush`), so the end is announced only after one more turn of the event loop, on a socket that is still
 * open both ways: a server that died with its 354 is then known before the dot has gone.
 */
function bodyOf(message: Buffer, connection: SMTPConnection): Body {
  let offset = 0;
  const stream = new Readable({
    highWaterMark: pieceSize,
    read() {
      body.started = true;
      if (offset < message.length) {
        this.push(message.subarray(offset, offset + pieceSize));
        offset += pieceSize;
        return;
      }
      setImmediate(() => {
        const socket = connection._socket;
        if (this.destroyed || !socket || !socket.writable || socket.readableEnded) return;
        body.complete = true;
        this.push(null);
      });
    },
  });
  const body: Body = { stream, started: false, complete: false };
  return body;
}

const authOf = (credentials: Credentials) =>
  credentials.method === 'basic'
    ? { user: credentials.user, pass: credentials.password }
    : { method: 'TOKEN', user: credentials.user, options: { token: credentials.token } };

/**
 * XOAUTH2 in one line with initial response (RFC 4954 section 4; Microsoft, "Authenticate an IMAP, POP or SMTP
 * connection using OAuth"). Exchange refuses with 535 at once; others send a 334 with the reason first, which the
 * empty line answers. nodemailer's own XOAUTH2 would log in a second time after a 334: here one call is one login. It
 * goes by a name of its own, since nodemailer keeps `XOAUTH2` for that.
 */
async function xoauth2({ auth, sendCommand, reject }: SMTPConnectionCustomAuthContext): Promise<void> {
  const response = Buffer.from(`user=${auth.user}\u0001auth=Bearer ${auth.options?.token}\u0001\u0001`);
  const first = await sendCommand(`AUTH XOAUTH2 ${response.toString('base64')}`);
  const last = first.status === 334 ? await sendCommand('') : first;
  if (last.status !== 235) reject(new Error('The relay refused the login'));
}

/** nodemailer has no call for a sender check without a mail; a custom login handler may send any command. */
async function probe({ auth, sendCommand }: SMTPConnectionCustomAuthContext): Promise<void> {
  const { sender, recipient, replies } = auth.options as {
    sender: string;
    recipient: string;
    replies: { phase: 'mail' | 'rcpt'; reply: string }[];
  };
  const mail = await sendCommand(`MAIL FROM:<${sender}>`);
  replies.push({ phase: 'mail', reply: mail.response });
  if (mail.status === 250) {
    const rcpt = await sendCommand(`RCPT TO:<${recipient}>`);
    replies.push({ phase: 'rcpt', reply: rcpt.response });
  }
  await sendCommand('RSET');
}

function tlsOf(connection: SMTPConnection): string | undefined {
  const socket = connection._socket;
  if (!(socket instanceof TLSSocket)) return undefined;
  const cipher = socket.getCipher();
  return `${socket.getProtocol()} ${cipher.standardName ?? cipher.name}`;
}

/** `250 2.0.0 Ok: queued as 4ABC…` of Postfix, `250 OK id=1abc…` of Exim: the id to search the relay's log for. */
const relayIdOf = (reply: string): string | undefined => /\b(?:queued as|id=)\s*([\w.@-]+)/i.exec(reply)?.[1];

const networkCodes =
  /^(ECONNREFUSED|ECONNRESET|EHOSTUNREACH|ENETUNREACH|ENETDOWN|EHOSTDOWN|EADDRNOTAVAIL|ETIMEDOUT|EPIPE|EACCES|EPERM)$/;

function openingPhase(connection: SMTPConnection, error: FailureDetail): Phase {
  if (error.code === 'EDNS') return 'dns';
  if (error.code === 'ETLS' || connection.upgrading || error.timeoutType === 'UPGRADE_TIMEOUT') return 'tls';
  if (error.command === 'EHLO' || error.command === 'HELO') return 'ehlo';
  if (connection.stage === 'connected') return connection.lastServerResponse && !error.response ? 'ehlo' : 'greeting';
  if (error.originalCode && !networkCodes.test(error.originalCode)) return 'tls';
  const socket = connection._socket;
  // With `ssl` the handshake belongs to connecting: a TCP connection that stands is waiting for TLS.
  return socket instanceof TLSSocket && socket.remoteAddress ? 'tls' : 'connect';
}

function handedOver(error: FailureDetail, body: Body): HandedOver {
  if (error.responseCode !== undefined || !body.started) return 'no';
  return body.complete ? 'whole' : 'partly';
}

const commandPhase: Record<string, Phase> = { 'MAIL FROM': 'mail', 'RCPT TO': 'rcpt' };

function sendingPhase(error: FailureDetail, body: Body): Phase {
  const phase = commandPhase[error.command ?? ''];
  if (phase) return phase;
  if (error.command === 'DATA') return error.code === 'EMESSAGE' ? 'accept' : 'data';
  if (body.complete) return 'accept';
  return body.started ? 'data' : 'mail';
}
