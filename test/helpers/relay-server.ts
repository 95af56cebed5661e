import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { afterAll, afterEach, onTestFinished } from 'vitest';
import { type SmtpOptions, type SmtpServer, startSmtp } from '../../dev/smtp/server.ts';
import { systemClock } from '../../lib/clock.ts';
import type { TokenSource } from '../../lib/oauth/tokens.ts';
import { type Relay, type RelayParts, relayRoom } from '../../lib/relay/relay.ts';
import { memoryLog } from './log.ts';
import { type Certificates, smtpSettings, submission, trustedCertificates } from './relay.ts';

export const user = 'files@example.com';
export const password = 'correct horse';

/** An SMTP server for all tests of a file. Its faults and traces end with each test, and it ends with the file. */
export const relayServer = async <Name extends string>(
  files: Certificates,
  options: Pick<SmtpOptions<Name>, 'listeners' | 'checkToken'>,
): Promise<SmtpServer<Name>> => {
  const { cert, key } = files;
  const smtp = await startSmtp({ cert, key, users: { [user]: password }, ...options });
  afterEach(() => {
    smtp.faults.clear();
    smtp.accepted.length = 0;
    smtp.logins.length = 0;
  });
  afterAll(async () => {
    await smtp.close();
    await files.remove();
  });
  return smtp;
};

/** A relay of every kind of security, trusted by this process; the token `fresh` opens it. */
export const trustedRelay = async () => {
  const files = await trustedCertificates();
  const { cert, key } = files.other;
  return relayServer(files, {
    listeners: {
      clear: { security: 'none' },
      clearWithLogin: { security: 'none' },
      starttls: { security: 'starttls', requireAuth: true },
      tls: { security: 'tls', requireAuth: true },
      otherName: { security: 'starttls', cert, key },
      exchange: { security: 'starttls', profile: 'exchange' },
    },
    checkToken: (_, token) => (token === 'fresh' ? 'ok' : '535 5.7.3 Authentication unsuccessful [host date id]'),
  });
};

export const noTokens: TokenSource = {
  accessToken: () => Promise.reject(new Error('no token was to be fetched')),
};

export const basic = { enabled: true, user };

/** The relay room on that server, and settings for each way to it. */
export const relayStack = async () => {
  const smtp = await trustedRelay();
  const log = memoryLog();
  const relayWith = (parts: Partial<RelayParts> = {}): Relay => {
    const relay = relayRoom({
      settings: { secret: async () => password },
      tokens: noTokens,
      submitTimeout: 10_000,
      clock: systemClock,
      log,
      ...parts,
    });
    onTestFinished(() => relay.close());
    return relay;
  };
  const xoauth2 = { enabled: true, type: 'xoauth2', user } as const;
  return {
    ...{ smtp, log, relayWith },
    clear: () => smtpSettings({ port: smtp.ports.clear }),
    withLogin: (connections?: number) =>
      smtpSettings({ port: smtp.ports.starttls, security: 'tls', auth: basic }, connections),
    exchange: () => smtpSettings({ port: smtp.ports.exchange, security: 'tls', auth: xoauth2 }),
  };
};

/** A mail of about so many bytes. */
export const sized = (bytes: number) => submission({ text: `${'x'.repeat(76)}\n`.repeat(Math.ceil(bytes / 77)) });

/** Lets a server of the test's own listen until the test ends. @returns its port on 127.0.0.1 */
export const listen = async (server: Server): Promise<number> => {
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return (server.address() as AddressInfo).port;
};

/** A tiny server for what a real one does not do: the replies given, 250 to all else. @returns settings for it */
export const scripted = async (
  replies: Record<string, string>,
  onBody?: (bytes: number, socket: Socket) => void,
): Promise<{ host: string; port: number }> => {
  const server = createServer((socket) => {
    let body = 0;
    let inBody = false;
    socket.write('220 scripted.example.com\r\n');
    socket.on('data', (chunk: Buffer) => {
      if (inBody) {
        body += chunk.length;
        onBody?.(body, socket);
        return;
      }
      for (const line of chunk.toString().trim().split('\r\n')) {
        const verb = line.split(/[ :]/)[0]?.toUpperCase() ?? '';
        inBody ||= verb === 'DATA' && replies.DATA !== undefined;
        socket.write(`${replies[verb] ?? '250 ok'}\r\n`);
      }
    });
  });
  return { host: '127.0.0.1', port: await listen(server) };
};
