import { createHash } from 'node:crypto';
import type { AuditLog } from '../audit/audit.ts';
import { type Clock, seconds } from '../clock.ts';
import { PosternError } from '../errors.ts';
import type { Log } from '../log.ts';
import { type RemedyKey, remedies } from '../relay/remedies.ts';
import { sentence } from '../sentence.ts';
import type { Settings } from '../settings/schema.ts';
import type { TokenFailure } from './aadsts.ts';
import { type AskingParts, askingFor } from './asking.ts';
import type { Attempts, FoundAttempt } from './attempts.ts';
import { hasRefreshToken, type TokenCache } from './cache.ts';
import { classifyFailure } from './classify.ts';
import type { Granted } from './entra.ts';
import { type Connection, type SharedConnection, withHappening } from './state.ts';
import type { HeldTokens } from './token-source.ts';
import { sealOfUse, usesOAuth } from './use.ts';

export interface Person {
  id: string;
  name: string;
}

/** What a callback brings (RFC 6749 sections 4.1.2 and 4.1.2.1). */
export interface CallbackQuery {
  state?: string | undefined;
  code?: string | undefined;
  error?: string | undefined;
  error_description?: string | undefined;
}

export type Connected =
  | { ok: true; username: string; tenantId: string }
  | { ok: false; status: number; code: string; message: string; remedy?: RemedyKey | undefined };

interface Needs extends AskingParts {
  /** The settings as they stand in the table. */
  settings(): Promise<Settings>;
  attempts: Attempts;
  cache: TokenCache;
  state: SharedConnection;
  tokens: HeldTokens;
  audit: Pick<AuditLog, 'record'>;
  clock: Clock;
  log: Log;
  /** 256 random bits as base64url: state, nonce and verifier (RFC 7636 section 7.1). */
  secretText(): string;
  connected(): Promise<void>;
}

export type Started = { grant: 'delegated'; authorizationUrl: string; ends: number } | { grant: 'application' };

/** Generate OAuth Token: from the press of the button to the account that is connected. */
export const connecting = (parts: Needs) => {
  const { attempts, cache, state, tokens, audit, clock, log, secretText } = parts;

  const start = async (person: Person): Promise<Started> => {
    const settings = await parts.settings();
    refuseUnready(settings);
    const { oauth, user } = settings.smtp.auth;
    await audit.record({ actor: person, action: 'oauth.start', subject: user, detail: { grant: oauth.grant } });
    if (oauth.grant === 'application') {
      await state.change(({ cut, ...rest }) => (cut ? { value: rest, result: undefined } : { result: undefined }));
      await told(() => tokens.renew());
      await parts.connected();
      return { grant: 'application' };
    }
    const [oneTimeState, nonce, verifier] = [secretText(), secretText(), secretText()];
    const { redirectUri } = oauth;
    const authorizationUrl = await told(async () => {
      const { authorizationUrl: urlOf } = await import('./entra.ts');
      const challenge = createHash('sha256').update(verifier).digest('base64url');
      const asking = await askingFor(settings, parts);
      return urlOf(asking, { redirectUri, state: oneTimeState, nonce, challenge, hint: user });
    });
    await attempts.prune();
    const seal = sealOfUse(settings);
    const { ends } = await attempts.add(oneTimeState, { initiator: person, nonce, verifier, redirectUri, seal });
    return { grant: 'delegated', authorizationUrl, ends };
  };

  const callback = async (query: CallbackQuery, person: Person): Promise<Connected> => {
    if (!query.state) return again('state-missing', 'The address has no state: it does not come from a sign-in.');
    const attempt = await attempts.find(query.state);
    if (!attempt) return again('state-unknown', 'This sign-in was finished before, or never begun here.');
    // Checked before the state is used up, so that nobody can spoil another admin's sign-in.
    if (attempt.initiator.id !== person.id) return otherAdmin(attempt);
    if (!(await attempt.consume())) return again('state-unknown', 'This sign-in was finished before.');
    if (attempt.ends <= clock.now()) return again('state-expired', 'The sign-in took longer than ten minutes.');
    const settings = await parts.settings();
    if (!usesOAuth(settings) || attempt.seal !== sealOfUse(settings)) {
      return again('settings-changed', 'The settings were changed during the sign-in.');
    }
    if (query.error) return refusedBy(query);
    if (!query.code) return again('code-missing', 'The address has no code.');
    return redeemed({ code: query.code, state: query.state }, attempt, settings, person);
  };

  const redeemed = async (
    { code, state: oneTimeState }: { code: string; state: string },
    { redirectUri, nonce, verifier }: FoundAttempt,
    settings: Settings,
    person: Person,
  ): Promise<Connected> => {
    let granted: Granted;
    try {
      const { redeemCode } = await import('./entra.ts');
      const asking = await askingFor(settings, parts);
      granted = await redeemCode(asking, { code, redirectUri, state: oneTimeState, nonce, verifier });
    } catch (error) {
      return failed((await classifyFailure(error)).fault);
    }
    const { account } = granted;
    if (!account || !hasRefreshToken(granted.cache)) {
      return again(
        'no-refresh-token',
        'Entra gave no refresh token, so that the connection would end within the hour.',
      );
    }
    const mismatch = mismatchOf(settings, account);
    if (mismatch) return mismatch;
    const { username, tenantId } = account;
    const signIn = { id: secretText(), account: { homeAccountId: account.homeAccountId, username, tenantId } };
    return kept(signIn, granted, settings, person);
  };

  const kept = async (
    signIn: Pick<Connection, 'id' | 'account'>,
    { cache: text, token, lifetime }: Granted,
    settings: Settings,
    person: Person,
  ): Promise<Connected> => {
    let version: string;
    try {
      version = await cache.put(signIn.id, text);
    } catch (error) {
      log.error('oauth.sign-in-not-stored', { error: error instanceof Error ? error.name : typeof error });
      const message = 'Key Vault did not take the sign-in, so nothing was changed. Generate the token again later.';
      return { ok: false, status: 503, code: 'vault-unavailable', message };
    }
    const now = clock.now();
    const seal = sealOfUse(settings);
    const ends = now + seconds(lifetime);
    const { username, tenantId } = signIn.account;
    const connection: Connection = { ...signIn, seal, version, at: now, by: person, renewedAt: now };
    await state.change(({ broken: _, ...before }) => {
      const history = withHappening(before, { at: now, what: 'connected', detail: `${username} by ${person.name}` });
      return { value: { ...before, connection, access: { seal, at: now, ends }, history }, result: undefined };
    });
    tokens.hold({ user: username, token }, ends, { settings, connection });
    // Only now: what comes before ends in refusals of many kinds. The write above has noted who did it too.
    await audit.record({ actor: person, action: 'oauth.connect', subject: username, detail: { tenantId } });
    await parts.connected();
    return { ok: true, username, tenantId };
  };

  return { start, callback };
};

/** @throws PosternError `entra-refused`, or `unavailable` where it passes, with what helps */
const told = async <T>(ask: () => Promise<T>): Promise<T> => {
  try {
    return await ask();
  } catch (error) {
    const { fault } = await classifyFailure(error);
    const { kind, reply, remedy: key } = fault;
    const code = kind === 'temporary' ? 'unavailable' : 'entra-refused';
    const remedy = key && { key, ...remedies[key] };
    throw new PosternError(code, sentence(remedy?.title ?? reply), { reply, remedy, cause: error });
  }
};

/** @throws PosternError `illegal-state` with what is missing */
const refuseUnready = (settings: Settings): void => {
  if (!usesOAuth(settings)) {
    throw new PosternError('illegal-state', 'Choose SMTP with XOAUTH2 and save the settings, then generate the token.');
  }
  const { oauth } = settings.smtp.auth;
  if (oauth.credential === 'secret' && !oauth.clientSecret.set) {
    throw new PosternError('illegal-state', 'Give the client secret and save the settings, then generate the token.', {
      faults: [{ path: 'smtp.auth.oauth.clientSecret', reason: 'is not set' }],
    });
  }
};

const again = (code: string, message: string): Connected => ({
  ...{ ok: false, status: 400, code, message, remedy: 'start-again' },
});

const otherAdmin = ({ initiator }: FoundAttempt): Connected => ({
  ok: false,
  status: 403,
  code: 'other-admin',
  message: `This sign-in was begun by ${initiator.name}. Only the same master admin may finish it; sign in to Postern as that one.`,
});

const failed = (fault: TokenFailure): Connected => ({
  ok: false,
  status: fault.kind === 'temporary' ? 503 : 400,
  code: 'entra-refused',
  message: fault.reply,
  remedy: fault.remedy,
});

const refusedBy = async ({ error = '', error_description: description = '' }: CallbackQuery): Promise<Connected> => {
  const { classifyRefusal } = await import('./aadsts.ts');
  return failed(classifyRefusal({ error, description }));
};

const guid = /^[0-9a-f-]{36}$/i;

/** The account that signed in must be the one that sends, or Exchange would refuse every login with 535 5.7.3. */
const mismatchOf = (
  { smtp: { auth } }: Settings,
  account: { username: string; tenantId: string },
): Connected | undefined => {
  const mismatch = { ok: false, status: 409, remedy: 'wrong-account' } as const;
  if (account.username.toLowerCase() !== auth.user.toLowerCase()) {
    const message = `${account.username} signed in, but SMTP Auth User is ${auth.user}. Sign in as that account; or, if both are one mailbox, write ${account.username} as SMTP Auth User: Exchange wants the user principal name. To send from a shared mailbox, sign in as a member with Send As.`;
    return { ...mismatch, code: 'wrong-account', message };
  }
  // A tenant may also be named by its domain; then its own sign-in address has seen to it.
  if (guid.test(auth.oauth.tenantId) && account.tenantId.toLowerCase() !== auth.oauth.tenantId.toLowerCase()) {
    const message = `The account belongs to the tenant ${account.tenantId}, but oAuth Tenant ID is ${auth.oauth.tenantId}.`;
    return { ...mismatch, code: 'wrong-tenant', message };
  }
  return undefined;
};
