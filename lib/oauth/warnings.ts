import type { Warning } from '../settings/rules.ts';
import type { Settings } from '../settings/schema.ts';
import type { ConnectionState } from './state.ts';
import { sealOfUse, usesOAuth } from './use.ts';

const path = 'smtp.auth.oauth';

/** What the settings themselves cannot know: whether there is an account, or leave, to send with by these settings. */
export const tokenWarnings = (settings: Settings, { connection, cut }: ConnectionState): Warning[] => {
  if (!usesOAuth(settings)) return [];
  const seal = sealOfUse(settings);
  const missing = settings.smtp.auth.oauth.grant === 'delegated' ? connection?.seal !== seal : cut?.seal === seal;
  const reason = 'no token was generated for these settings: mail waits until a master admin generates it';
  return missing ? [{ path, code: 'token-missing', reason }] : [];
};

/** In place of an answer that nobody has; what was saved is saved all the same. */
export const tokenUnknown: Warning = {
  path,
  code: 'token-unknown',
  reason: 'whether a token was generated for these settings cannot be looked up just now',
};
