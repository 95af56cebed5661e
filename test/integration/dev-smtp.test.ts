import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { createTransport } from 'nodemailer';
import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { FaultInput } from '../../dev/smtp/faults.ts';
import { type Listener, type SmtpOptions, type SmtpServer, startSmtp } from '../../dev/smtp/server.ts';
import { trustedCertificates } from '../helpers/relay.ts';

let files: Awaited<ReturnType<typeof trustedCertificates>>;
let server: SmtpServer<'it'>;

beforeAll(async () => {
  files = await trustedCertificates();
});
afterEach(() => server.close());

const start = async (listener: Partial<Listener> = {}, more: Partial<SmtpOptions<'it'>> = {}) => {
  server = await startSmtp({
    ...files,
    users: { bo: 'right' },
    listeners: { it: { security: 'starttls', ...listener } },
    ...more,
  });
  return server;
};

/** What nodemailer makes of sending one mail: the reply, or code and reply of the failure. */
const send = async (transport: object = {}, mail: object = {}) => {
  const mailer = createTransport({ host: 'localhost', port: server.ports.it, ...transport } as object);
  try {
    const { response } = await mailer.sendMail({
      from: 'bo@example.com',
      to: 'ana@example.com',
      text: 'Hello',
      ...mail,
    });
    return response;
  } catch (error) {
    const { code, response } = error as { code: string; response?: string };
    return { code, response };
  } finally {
    mailer.close();
  }
};

/** A bare client: sends each line when the reply to the one before has come. Ends with `closed` if the server does. */
const talk = async (...lines: string[]): Promise<string[]> => {
  const socket: Socket = connect(server.ports.it, '127.0.0.1');
  const replies: string[] = [];
  socket.on('error', () => {}); // a reset is one of the ways to be closed
  let text = '';
  const reply = () =>
    new Promise<string>((resolve) => {
      const look = () => {
        const whole = /^(?:\d{3}-.*\r\n)*\d{3} .*\r\n/.exec(text)?.[0];
        if (whole !== undefined) text = text.slice(whole.length);
        else if (!socket.destroyed && !socket.readableEnded) return;
        socket.off('data', take).off('close', look);
        resolve(whole?.trimEnd() ?? 'closed');
      };
      const take = (chunk: Buffer) => {
        text += chunk.toString();
        look();
      };
      socket.on('data', take).on('close', look);
      look();
    });
  replies.push(await reply());
  for (const line of lines) {
    if (replies.at(-1) === 'closed') break;
    socket.write(`${line}\r\n`);
    replies.push(await reply());
  }
  socket.destroy();
  return replies;
};

const envelope = ['EHLO client', 'MAIL FROM:<bo@example.com>', 'RCPT TO:<ana@example.com>'];
const wholeMail = [...envelope, 'DATA', 'Subject: Hi\r\n\r\nHello\r\n.'];

describe('security', () => {
  test('STARTTLS with a certificate that clients of the local authority trust', async () => {
    await start();
    expect(await send({ requireTLS: true })).toMatch(/^250 2\.0\.0 Ok/);
    expect(server.accepted[0]).toMatchObject({
      secure: true,
      envelope: { from: 'bo@example.com', to: ['ana@example.com'] },
    });
    expect(server.accepted[0]?.raw.toString()).toContain('Hello');
  });

  test('TLS from the first byte', async () => {
    await start({ security: 'tls' });
    expect(await send({ secure: true })).toMatch(/^250/);
    expect(server.accepted[0]?.secure).toBe(true);
  });

  test('none: no STARTTLS is offered, and none is taken', async () => {
    await start({ security: 'none' });
    const [, ehlo, starttls] = await talk('EHLO client', 'STARTTLS');
    expect(ehlo).not.toContain('STARTTLS');
    expect(starttls).toMatch(/^500/);
  });

  test('a certificate for another host is refused by the client', async () => {
    await start({ cert: files.other.cert, key: files.other.key });
    expect(await send({ requireTLS: true })).toMatchObject({ code: 'ESOCKET' });
    expect(server.accepted).toHaveLength(0);
  });
});

describe('AUTH', () => {
  test('PLAIN and LOGIN with the right and a wrong password', async () => {
    await start({ requireAuth: true });
    expect(await send({ auth: { user: 'bo', pass: 'right' }, authMethod: 'PLAIN' })).toMatch(/^250/);
    expect(await send({ auth: { user: 'bo', pass: 'right' }, authMethod: 'LOGIN' })).toMatch(/^250/);
    expect(await send({ auth: { user: 'bo', pass: 'wrong' } })).toMatchObject({
      code: 'EAUTH',
      response: '535 5.7.8 Authentication credentials invalid',
    });
    expect(server.logins.map(({ user, method, ok }) => [user, method, ok])).toEqual([
      ['bo', 'PLAIN', true],
      ['bo', 'LOGIN', true],
      ['bo', 'PLAIN', false],
    ]);
  });

  test('where it is required, mail without it is refused, and so is AUTH before STARTTLS', async () => {
    await start({ requireAuth: true });
    expect((await talk('EHLO client', 'MAIL FROM:<bo@example.com>'))[2]).toMatch(/^530/);
    expect((await talk('EHLO client', `AUTH PLAIN ${Buffer.from('\0bo\0right').toString('base64')}`))[2]).toMatch(
      /^538/,
    );
  });

  test('a name that every object has is no user', async () => {
    await start();
    expect(await send({ auth: { user: 'constructor', pass: 'x' } })).toMatchObject({ code: 'EAUTH' });
  });
});

describe('as Exchange Online', () => {
  const user = 'files@example.com';
  const oauth = (accessToken: string) => ({ requireTLS: true, auth: { type: 'OAuth2', user, accessToken } });
  const asExchange = (more: Partial<SmtpOptions<'it'>> = {}) =>
    start(
      { profile: 'exchange' },
      {
        checkToken: (who, token) =>
          who === user && token === 'good' ? 'ok' : '535 5.7.3 Authentication unsuccessful [XX.prod.outlook.com]',
        ...more,
      },
    );

  test('AUTH LOGIN XOAUTH2 is offered only after STARTTLS; MAIL without login is 530 5.7.57', async () => {
    await asExchange();
    const [, ehlo, mail] = await talk('EHLO client', 'MAIL FROM:<files@example.com>');
    expect(ehlo).toContain('STARTTLS');
    expect(ehlo).not.toContain('AUTH');
    expect(mail).toMatch(/^530 5\.7\.57 Client not authenticated to send mail\./);
    expect(await send(oauth('good'), { from: user })).toMatch(/^250 2\.0\.0 OK <.+prod\.outlook\.com> \[Hostname=/);
    expect(server.logins).toMatchObject([{ user, method: 'XOAUTH2', ok: true }]);
  });

  test('a bad token is answered 535 5.7.3 at once, without a 334 round', async () => {
    await asExchange();
    expect(await send(oauth('bad'), { from: user })).toEqual({
      code: 'EAUTH',
      response: '535 5.7.3 Authentication unsuccessful [XX.prod.outlook.com]',
    });
  });

  test('a From that the user may not send as is refused after DATA, whether in the envelope or only in the header', async () => {
    await asExchange({ sendAs: { [user]: ['team@example.com'] } });
    const denied = {
      response: expect.stringMatching(/^554 5\.2\.252 SendAsDenied; files@example\.com not allowed to send as bo@/),
    };
    expect(await send(oauth('good'), { from: 'bo@example.com' })).toMatchObject(denied);
    expect(
      await send(oauth('good'), { from: 'bo@example.com', envelope: { from: user, to: 'ana@example.com' } }),
    ).toMatchObject(denied);
    expect(await send(oauth('good'), { from: 'team@example.com' })).toMatch(/^250/);
    expect(server.accepted).toHaveLength(1);
  });

  test('the fourth connection of one mailbox cannot hand over mail', async () => {
    await asExchange();
    // A pool keeps its connection after a mail.
    const pools = [1, 2, 3].map(() =>
      createTransport({ host: 'localhost', port: server.ports.it, ...oauth('good'), pool: true, maxConnections: 1 }),
    );
    for (const pool of pools) await pool.sendMail({ from: user, to: 'ana@example.com', text: 'Hello' });
    expect(await send(oauth('good'), { from: user })).toEqual({
      code: 'EMESSAGE',
      response: expect.stringMatching(/^432 4\.3\.2 Concurrent connections limit exceeded\./),
    });
    for (const pool of pools) pool.close();
    expect(server.accepted).toHaveLength(3);
    expect(server.connections.maxConcurrent).toBe(4);
    expect(server.connections.total).toBe(4);
  });
});

describe('faults', () => {
  const withFaults = async (...list: FaultInput[]) => {
    await start();
    server.faults.set(list);
    return server;
  };
  const last = async (...lines: string[]) => (await talk(...lines)).at(-1);

  test.each<[FaultInput['at'], string[]]>([
    ['connect', []],
    ['ehlo', ['EHLO client']],
    ['tls', ['EHLO client', 'STARTTLS']],
    ['auth', ['EHLO client', `AUTH PLAIN ${Buffer.from('\0bo\0right').toString('base64')}`]],
    ['mail', envelope.slice(0, 2)],
    ['rcpt', envelope],
    ['data', [...envelope, 'DATA']],
    ['accept', wholeMail],
  ])('the exact reply at %s, in either direction of the truth', async (at, lines) => {
    await withFaults({ at, reply: '451 4.7.1 später, please', times: 1 });
    expect(await last(...lines)).toBe('451 4.7.1 später, please');
    expect(server.accepted).toHaveLength(0);
    expect(await last(...lines)).toMatch(/^[23]/);
  });

  test.each<[FaultInput['at'], string[]]>([
    ['connect', []],
    ['ehlo', ['EHLO client']],
    ['tls', ['EHLO client', 'STARTTLS']],
    ['auth', ['EHLO client', `AUTH PLAIN ${Buffer.from('\0bo\0right').toString('base64')}`]],
    ['mail', envelope.slice(0, 2)],
    ['rcpt', envelope],
    ['data', [...envelope, 'DATA']],
    ['accept', wholeMail],
  ])('drop before at %s: closed without a reply, nothing stored', async (at, lines) => {
    await withFaults({ at, drop: 'before' });
    expect((await talk(...lines)).slice(lines.length)).toEqual(['closed']);
    expect(server.accepted).toHaveLength(0);
  });

  test('drop after at accept: the mail is stored and the client hears nothing', async () => {
    await withFaults({ at: 'accept', drop: 'after', match: 'ANA@' });
    expect(await last(...wholeMail)).toBe('closed');
    expect(server.accepted).toHaveLength(1);
    expect(await send()).toMatchObject({ response: undefined });
    expect(server.accepted).toHaveLength(2);
  });

  test('drop after elsewhere: the step is answered, then the connection ends', async () => {
    await withFaults({ at: 'rcpt', drop: 'after' });
    expect((await talk(...envelope, 'DATA')).slice(3)).toEqual(['250 2.1.5 Accepted', 'closed']);
  });

  test('a handshake that breaks off, on STARTTLS and on implicit TLS', async () => {
    await withFaults({ at: 'tls', drop: 'after' });
    expect(await send({ requireTLS: true })).toMatchObject({ code: expect.stringMatching(/ETLS|ESOCKET|ECONNECTION/) });
    await server.close();
    await start({ security: 'tls' });
    server.faults.set([{ at: 'tls', drop: 'before', times: 1 }]);
    expect(await send({ secure: true })).toMatchObject({ code: expect.stringMatching(/ETLS|ESOCKET|ECONNECTION/) });
    expect(await send({ secure: true })).toMatch(/^250/);
  });

  test('an EHLO reply of one line offers no STARTTLS, as a stripping attacker would', async () => {
    await withFaults({ at: 'ehlo', reply: '250 localhost' }, { at: 'tls', reply: '502 5.5.1 what?' });
    expect((await talk('EHLO client'))[1]).toBe('250 localhost');
    expect(await send({ requireTLS: true })).toMatchObject({ code: 'ETLS' });
    expect(await send()).toMatch(/^250/);
    expect(server.accepted).toMatchObject([{ secure: false }]);
  });

  test('a good reply at accept takes the mail and shows that text', async () => {
    await withFaults({ at: 'accept', reply: '250 2.0.0 OK <x@prod.outlook.com>' });
    expect(await send()).toBe('250 2.0.0 OK <x@prod.outlook.com>');
    expect(server.accepted).toHaveLength(1);
  });

  test('a reply with drop says its line, then closes', async () => {
    await withFaults({ at: 'mail', reply: '451 4.3.0 bye', drop: 'after' });
    expect((await talk(...envelope)).slice(2)).toEqual(['451 4.3.0 bye', 'closed']);
  });

  test('a delay longer than the patience of the client is a time-out, and the mail was taken all the same', async () => {
    await withFaults({ at: 'accept', delayMs: 60_000 });
    expect(await send({ socketTimeout: 200 })).toMatchObject({ code: 'ETIMEDOUT' });
    expect(server.accepted).toHaveLength(1);
  });

  test('match, times and every count exactly, and the report says what happened', async () => {
    await withFaults(
      { at: 'rcpt', match: 'eve@', reply: '550 5.1.1 nobody' },
      { at: 'rcpt', match: 'ana@', reply: '451 4.7.1 later', times: 2 },
      { at: 'accept', reply: '452 4.3.1 full', every: 3 },
    );
    const replies = [];
    for (let n = 0; n < 8; n++) replies.push(await last(...wholeMail.slice(0, n < 2 ? 3 : 5)));
    expect(replies.map((reply) => reply?.slice(0, 3))).toEqual([
      '451',
      '451',
      '250',
      '250',
      '452',
      '250',
      '250',
      '452',
    ]);
    expect(server.faults.list().map(({ seen, hits }) => [seen, hits])).toEqual([
      [0, 0],
      [8, 2],
      [6, 2],
    ]);
    server.faults.clear();
    expect(server.faults.list()).toEqual([]);
  });

  test('chance follows its seed: the same mails meet the same faults', async () => {
    const run = async (seed: number) => {
      server.faults.set([{ at: 'connect', reply: '421 4.3.2 busy', chance: 0.5, seed }]);
      const codes = [];
      for (let n = 0; n < 12; n++) codes.push((await talk())[0]?.slice(0, 3));
      return codes.join();
    };
    await start();
    const first = await run(7);
    expect(await run(7)).toBe(first);
    expect(await run(8)).not.toBe(first);
    expect(first).toContain('421');
    expect(first).toContain('220');
  });

  test('a pipelined RCPT after a refused MAIL is no step of its own', async () => {
    await withFaults({ at: 'mail', reply: '451 4.3.0 later' }, { at: 'rcpt', reply: '550 5.1.1 nobody' });
    await send();
    expect(server.faults.list()[1]).toMatchObject({ seen: 0, hits: 0 });
  });

  test('a fault that does nothing, or a reply of two lines, is not taken', async () => {
    await start();
    expect(() => server.faults.set([{ at: 'rcpt' }])).toThrow(/does nothing/);
    expect(() => server.faults.set([{ at: 'rcpt', reply: '550 a\r\n250 b' }])).toThrow(/one line/);
  });
});

test('a taken port is an error that names it', async () => {
  await start();
  const port = server.ports.it;
  await expect(startSmtp({ listeners: { two: { port, security: 'none' } } })).rejects.toThrow(
    `EADDRINUSE: address already in use 127.0.0.1:${port}`,
  );
});

test('closing ends open connections at once', async () => {
  await start();
  const socket = connect(server.ports.it, '127.0.0.1');
  await once(socket, 'data');
  const ended = once(socket, 'close');
  await server.close();
  await ended;
  expect(server.connections.now).toBe(0);
});
