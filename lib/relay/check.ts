import type { Socket } from 'node:net';
import type { Clock } from '../clock.ts';
import type { KeyedRemedy } from '../http/remedy.ts';
import { TokenFault } from '../oauth/tokens.ts';
import { sentence } from '../sentence.ts';
import type { Settings } from '../settings/schema.ts';
import { classifyError, classifyReply } from './classify.ts';
import { commandExists } from './command.ts';
import { type CredentialSources, credentialsOf, loginOf } from './credentials.ts';
import { RelayFailure, unlessGivenUp } from './failure.ts';
import type { Fault, Login } from './outcome.ts';
import { addressesOf, reach } from './reach.ts';
import { remedies } from './remedies.ts';
import { notThere } from './sendmail.ts';
import { openSession, type Session } from './smtp.ts';

export const stageNames = ['dns', 'tcp', 'tls', 'auth', 'sender', 'command'] as const;
export type StageName = (typeof stageNames)[number];

export interface StageResult {
  stage: StageName;
  ok: boolean;
  milliseconds: number;
  /** One sentence: what was found, or what is wrong. */
  detail: string;
  /** What the relay, or the error, said. */
  reply?: string | undefined;
  remedy?: KeyedRemedy | undefined;
}

export interface CheckResult {
  ok: boolean;
  stages: StageResult[];
  /** The stages after the first that failed. */
  skipped: StageName[];
}

export interface CheckParts {
  /** The secrets to lend to the draft, see `tokensForDraft`. */
  sources: CredentialSources;
  clock: Clock;
  /** The longest that all stages together may take, in milliseconds. */
  timeout: number;
}

interface Progress {
  draft: Settings;
  parts: CheckParts;
  signal: AbortSignal;
  addresses: string[];
  socket: Socket | undefined;
  session: Session | undefined;
}

interface Stage {
  name: StageName;
  /** @returns what was found. @throws RelayFailure, TokenFault, `Refused` */
  run(progress: Progress): Promise<{ detail: string; reply?: string }>;
}

/** A stage that failed for what the relay answered. */
class Refused extends Error {
  readonly fault: Fault;
  constructor(fault: Fault) {
    super(fault.reply);
    this.fault = fault;
  }
}

const smtpStages: readonly Stage[] = [
  {
    name: 'dns',
    run: async (progress) => {
      const { host } = progress.draft.smtp;
      progress.addresses = await addressesOf(host, progress.signal);
      return { detail: `${host} has the address ${progress.addresses.join(', ')}.` };
    },
  },
  {
    name: 'tcp',
    run: async (progress) => {
      const { port } = progress.draft.smtp;
      progress.socket = await reach(progress.addresses, port, progress.signal);
      return { detail: `${progress.socket.remoteAddress} answers on port ${port}.` };
    },
  },
  {
    name: 'tls',
    run: async (progress) => {
      const { smtp } = progress.draft;
      progress.session = await openSession(smtp, progress.parts.timeout, progress.signal, progress.socket);
      return {
        detail: progress.session.tls
          ? `The connection is encrypted: ${progress.session.tls}.`
          : 'The server speaks SMTP. The connection is not encrypted, as set.',
      };
    },
  },
  {
    name: 'auth',
    run: async (progress) => {
      const { draft, parts, signal } = progress;
      const credentials = await unlessGivenUp(credentialsOf(draft, parts.sources), signal, 'token');
      if (!credentials) return { detail: 'No login is set.' };
      await progress.session?.login(credentials, progress.signal);
      return { detail: `The login as ${credentials.user} is accepted.` };
    },
  },
  {
    name: 'sender',
    run: async ({ draft, session, signal }) => {
      const sender = draft.from.address;
      const replies = (await session?.probe(sender, sender, signal)) ?? [];
      for (const { phase, reply } of replies) {
        if (reply.startsWith('2')) continue;
        const fault = classifyReply({ phase, reply, login: loginOf(draft) });
        // The sender's address need not have a mailbox behind it; only what the relay thinks of the sender counts.
        if (phase === 'rcpt' && fault.class === 'recipient') continue;
        throw new Refused(fault);
      }
      return {
        detail: `Mail from ${sender} is accepted. No mail was sent.`,
        ...(replies[0] && { reply: replies[0].reply }),
      };
    },
  },
];

const commandStages: readonly Stage[] = [
  {
    name: 'command',
    run: async ({ draft }) => {
      const found = await commandExists(draft.type === 'mail' ? 'mail' : 'sendmail', draft.sendmail.path);
      if ('path' in found) return { detail: `${found.path} is there and may be executed.` };
      throw notThere(found.reason);
    },
  },
];

/**
 * Tries the settings stage by stage and stops at the first that fails. No mail is sent: the last stage ends with RSET.
 * @throws what is not the relay's fault
 */
export const checkRelay = async (draft: Settings, parts: CheckParts): Promise<CheckResult> => {
  const stages = draft.type === 'smtp' ? smtpStages : commandStages;
  const signal = AbortSignal.timeout(parts.timeout);
  const progress: Progress = { draft, parts, signal, addresses: [], socket: undefined, session: undefined };
  const results: StageResult[] = [];
  try {
    for (const stage of stages) {
      const result = await tried(stage, progress);
      results.push(result);
      if (!result.ok) break;
    }
  } finally {
    progress.session?.quit();
    if (!progress.session) progress.socket?.destroy();
  }
  const skipped = stages.slice(results.length).map(({ name }) => name);
  return { ok: skipped.length === 0 && results.every(({ ok }) => ok), stages: results, skipped };
};

async function tried({ name, run }: Stage, progress: Progress): Promise<StageResult> {
  const { clock } = progress.parts;
  const start = clock.now();
  try {
    const found = await run(progress);
    return { stage: name, ok: true, milliseconds: clock.now() - start, ...found };
  } catch (error) {
    const fault = faultOf(error, loginOf(progress.draft));
    const remedy = fault.remedy && { key: fault.remedy, ...remedies[fault.remedy] };
    return {
      stage: name,
      ok: false,
      milliseconds: clock.now() - start,
      detail: sentence(remedy?.title ?? fault.reply),
      reply: fault.reply,
      remedy,
    };
  }
}

function faultOf(error: unknown, login: Login | undefined): Fault {
  if (error instanceof TokenFault || error instanceof Refused) return error.fault;
  if (error instanceof RelayFailure) return classifyError(error.cause, { phase: error.phase, handedOver: 'no', login });
  throw error;
}
