import type { TableClient } from '@azure/data-tables';
import type { TokenCredential } from '@azure/identity';
import type { AuditLog } from '../audit/audit.ts';
import { type Clock, seconds } from '../clock.ts';
import type { Log } from '../log.ts';
import type { SettingsRoom } from '../settings/room.ts';
import type { Warning } from '../settings/rules.ts';
import type { Settings } from '../settings/schema.ts';
import type { SecretStore } from '../storage/secrets.ts';
import { attempts } from './attempts.ts';
import { tokenCache } from './cache.ts';
import { tellClocks } from './clocks.ts';
import { type CallbackQuery, type Connected, connecting, type Person, type Started } from './connect.ts';
import { notebook } from './notebook.ts';
import { sharedConnection, withHappening } from './state.ts';
import { tokenSource } from './token-source.ts';
import { TokenFault, type TokenSource } from './tokens.ts';
import { sealOfUse, usesOAuth } from './use.ts';
import { type TokenView, viewOf } from './view.ts';
import { tokenUnknown, tokenWarnings } from './warnings.ts';

export interface OAuthRoom {
  tokens: TokenSource;
  /** Begins the sign-in, or for the application grant gets a token at once. @throws PosternError `illegal-state`, `entra-refused`, `unavailable` */
  start(person: Person): Promise<Started>;
  /** Ends the sign-in. Refusals are values, since a browser shows them. */
  callback(query: CallbackQuery, person: Person): Promise<Connected>;
  view(): Promise<TokenView>;
  /** Whether mail by these settings waits for a token to be generated. Beside the settings' own warnings; never rejects. */
  warnings(settings: Settings): Promise<Warning[]>;
  /** Takes the account and its secret away. The consent stays at Entra, where only an administrator can revoke it. */
  disconnect(person: Person): Promise<TokenView>;
  /** Somebody changed something or asks to try now: this process's next mail asks Entra, whatever it answered before. */
  tryAgain(): void;
  /** Once a day: renews the token really, and raises the alerts about what ends. */
  daily(): Promise<void>;
  /** Stores what the vault did not take before. */
  close(): Promise<void>;
}

export interface OAuthNeeds {
  table: TableClient;
  secrets: SecretStore;
  settings: Pick<SettingsRoom, 'current' | 'refresh' | 'secret'>;
  credential(): TokenCredential;
  authorityHost: string | undefined;
  audit: Pick<AuditLog, 'record'>;
  clock: Clock;
  log: Log;
  /** 256 random bits as base64url. */
  secretText(): string;
  /** An account was connected, or what was broken works again: mail that waits for the relay may be tried. */
  connected(): Promise<void>;
}

/** Milliseconds for one request to Entra. */
const timeout = seconds(15);

/** Everything about the account that mail is sent with by XOAUTH2. */
export const oauthRoom = (parts: OAuthNeeds): OAuthRoom => {
  const { table, secrets, settings, credential, authorityHost, audit, clock, log, secretText, connected } = parts;
  const state = sharedConnection({ table, clock });
  const cache = tokenCache({ secrets, state: state.current, clock, log });
  const asking = { secret: settings.secret, credential, authorityHost, timeout };
  const notes = notebook({ state, clock, log, connected });
  const tokens = tokenSource({
    ...{ ...asking, settings: settings.current, state, cache, notebook: notes, clock, log },
  });
  const tries = attempts({ table, clock });
  const { start, callback } = connecting({
    ...{ ...asking, settings: settings.refresh, attempts: tries, cache, state, tokens, audit, clock, log },
    ...{ secretText, connected },
  });

  const view = async () => viewOf(await settings.refresh(), await state.current(), clock.now());

  const renewed = async (): Promise<void> => {
    const { connection } = await state.current();
    const { grant } = (await settings.current()).smtp.auth.oauth;
    if (grant === 'delegated' && !connection) return;
    try {
      const { user } = await tokens.renew();
      const note = { at: clock.now(), what: 'renewed', detail: user } as const;
      await state.change((now) => ({ value: { ...now, history: withHappening(now, note) }, result: undefined }));
    } catch (error) {
      // Noted and alerted where it lasts; what passes is tried again tomorrow, and by the next mail.
      if (!(error instanceof TokenFault)) throw error;
    }
  };

  return {
    tokens,
    start,
    callback,
    view,
    warnings: async (present) => {
      try {
        return tokenWarnings(present, await state.current());
      } catch (error) {
        log.warn('oauth.not-read', { error: error instanceof Error ? error.name : typeof error });
        return usesOAuth(present) ? [tokenUnknown] : [];
      }
    },
    disconnect: async (person) => {
      const present = await settings.refresh();
      const { user, oauth } = present.smtp.auth;
      // With the application grant there is no account to forget: Postern itself must stop asking for tokens.
      const cut = usesOAuth(present) && oauth.grant === 'application';
      const gone = await state.change(({ connection, broken: _, access: __, ...before }) => {
        const who = connection?.account.username ?? (cut && before.cut === undefined ? user : undefined);
        if (who === undefined) return { result: undefined };
        const history = withHappening(before, {
          at: clock.now(),
          what: 'disconnected',
          detail: `${who} by ${person.name}`,
        });
        const stopped = cut ? { cut: { seal: sealOfUse(present), at: clock.now() } } : {};
        return { value: { ...before, ...stopped, history }, result: who };
      });
      tokens.forget();
      await cache.forget();
      // Only now, since whether there is an account, and whose, shows in the very write that takes it away. That write
      // notes who did it too, so that an act whose entry fails is still told by `history` of the token's view.
      if (gone) await audit.record({ actor: person, action: 'oauth.disconnect', subject: gone });
      return view();
    },
    tryAgain: tokens.tryAgain,
    daily: async () => {
      const present = await settings.refresh();
      if (!usesOAuth(present)) return;
      await tries.prune();
      await renewed();
      await tellClocks(present, { state, now: clock.now(), log });
    },
    close: () => cache.retry(),
  };
};
