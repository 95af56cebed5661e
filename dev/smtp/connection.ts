import type { Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import type { TLSSocket } from 'node:tls';
import { SMTPServer, type SMTPServerOptions } from 'smtp-server';
import { SMTPConnection, type SMTPConnectionOptions } from 'smtp-server/lib/smtp-connection.js';
import { exchange, type Profile } from './exchange.ts';
import type { Fault, Phase } from './faults.ts';

type NextFault = (at: Phase, about: string) => Fault | undefined;

const phaseOf: Record<string, Phase> = {
  EHLO: 'ehlo',
  HELO: 'ehlo',
  STARTTLS: 'tls',
  MAIL: 'mail',
  RCPT: 'rcpt',
  DATA: 'data',
};

/** smtp-server, with connections that follow the script of faults. */
export class ScriptedServer extends SMTPServer {
  readonly nextFault: NextFault;
  readonly profile: Profile;
  onConnection: () => void = () => {};

  constructor(options: SMTPServerOptions, profile: Profile, nextFault: NextFault) {
    super(options);
    this.profile = profile;
    this.nextFault = nextFault;
  }

  override connect(socket: Socket | TLSSocket, options?: SMTPConnectionOptions | null): void {
    const connection = new ScriptedConnection(this, socket, options);
    this.connections.add(connection);
    this.onConnection();
    connection.on('error', (error) => this._onError(error));
    connection.init();
  }

  /** Implicit TLS: faults of the handshake. */
  override _upgrade(socket: Socket, callback: Parameters<SMTPServer['_upgrade']>[1]): void {
    const fault = this.nextFault('tls', endOf(socket));
    if (!fault) {
      super._upgrade(socket, callback);
      return;
    }
    void (async () => {
      await pause(fault);
      // A client that awaits a TLS record takes any plain text for a broken handshake.
      if (fault.reply) socket.end(`${fault.reply}\r\n`);
      else if (fault.drop) socket.destroy();
      else super._upgrade(socket, callback);
    })();
  }

  connectionOf(session: object): ScriptedConnection | undefined {
    return [...this.connections].find((one) => one.session === session) as ScriptedConnection | undefined;
  }
}

/** One client. All commands pass `_onCommand`, all replies pass `send`: the two places where faults strike. */
export class ScriptedConnection extends SMTPConnection {
  readonly #server: ScriptedServer;
  #answer: string | undefined;
  #closeAfterReply = false;

  constructor(server: ScriptedServer, socket: Socket | TLSSocket, options?: SMTPConnectionOptions | null) {
    super(server, socket, options);
    this.#server = server;
  }

  /** The next reply is exactly this line, whatever the server would have said. */
  answerNext(reply: string): void {
    this.#answer = reply;
  }

  closeAfterReply(): void {
    this.#closeAfterReply = true;
  }

  /** Closes without a reply. */
  cut(): void {
    this._socket.destroy();
  }

  get gone(): boolean {
    return this._closed || this._closing || this._socket.destroyed;
  }

  /** Without the tenth of a second in which smtp-server waits for a client that talks too soon. */
  override init(): void {
    this._setListeners(() => this.connectionReady());
  }

  override send(code: number, data?: string | string[] | null, context?: string | false): void {
    const answer = this.#answer;
    this.#answer = undefined;
    if (answer !== undefined) super.send(Number(answer.slice(0, 3)), answer.slice(4), false);
    else if (typeof data === 'string' && /^[245]\.\d+\.\d+ /.test(data)) super.send(code, data, false);
    else super.send(code, data, context);
    if (this.#closeAfterReply) this.close();
  }

  override _sendGreeting(): void {
    const fault = this.#server.nextFault('connect', endOf(this._socket));
    if (!fault) {
      super._sendGreeting();
      return;
    }
    void this.#strike(fault, () => super._sendGreeting()).then(() => {
      if (isRefusal(fault.reply)) this.close();
    });
  }

  override _isDisabled(command: string): boolean {
    if (command === 'AUTH' && this.#server.profile === 'exchange' && !this.secure) return true;
    return super._isDisabled(command);
  }

  override _onCommand(command: Buffer, callback: () => void = () => {}): void {
    const verb = command.toString().split(' ')[0]?.toUpperCase() ?? '';
    const phase = this.#ripe(verb) ? phaseOf[verb] : undefined;
    const about = phase === 'data' ? this.#addresses() : phase === 'tls' ? endOf(this._socket) : command.toString();
    const fault = phase && this.#server.nextFault(phase, about);
    const proceed = () => {
      if (verb === 'MAIL' && this.#server.profile === 'exchange' && !this.session.user) {
        this.send(530, exchange.notAuthenticated);
        callback();
        return;
      }
      super._onCommand(command, callback);
    };
    if (!fault) {
      proceed();
      return;
    }
    void this.#strike(fault, () => {
      if (isRefusal(fault.reply)) {
        this.send(550); // says what answerNext holds
        callback();
      } else if (phase === 'tls' && fault.drop) {
        // After the 220 the next bytes are a handshake: closing there is a handshake that breaks off.
        this.send(220, 'Ready to start TLS');
      } else {
        proceed();
      }
    });
  }

  /** Whether the command would be taken up at all: a pipelined RCPT after a refused MAIL is no step of its own. */
  #ripe(verb: string): boolean {
    if (this._nextHandler || this._upgrading || !this._ready || this.gone) return false;
    if (verb === 'RCPT') return Boolean(this.session.envelope.mailFrom);
    if (verb === 'DATA') return this.session.envelope.rcptTo.length > 0;
    return true;
  }

  #addresses(): string {
    return addressesOf(this.session.envelope).join(' ');
  }

  async #strike(fault: Fault, go: () => void): Promise<void> {
    await pause(fault);
    if (this.gone) return;
    if (fault.drop === 'before' && !fault.reply) {
      this.cut();
      return;
    }
    if (fault.reply) this.answerNext(fault.reply);
    if (fault.drop) this.closeAfterReply();
    go();
  }
}

export const isRefusal = (reply: string | undefined): boolean =>
  reply !== undefined && Number(reply.slice(0, 3)) >= 400;

export const addressesOf = (envelope: SMTPConnection['session']['envelope']): string[] => [
  envelope.mailFrom ? envelope.mailFrom.address : '',
  ...envelope.rcptTo.map((to) => to.address),
];

/** Does not keep the process alive: a delayed reply to a client of a stopped server is nobody's business. */
export const pause = async (fault: Fault): Promise<void> => {
  if (fault.delayMs) await delay(fault.delayMs, undefined, { ref: false });
};

const endOf = (socket: Socket) => `${socket.remoteAddress}:${socket.localPort}`;
