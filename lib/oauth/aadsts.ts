import { AuthError, ClientConfigurationError, InteractionRequiredAuthError } from '@azure/msal-node';
import type { Fault } from '../relay/outcome.ts';
import type { RemedyKey } from '../relay/remedies.ts';
import { presentable } from '../relay/reply.ts';

/**
 * What a refusal of Entra is about:
 * - `reconnect`: somebody must sign in again
 * - `consent`: the application lacks a permission
 * - `secret`: the client secret or assertion
 * - `config`: the settings or the registration
 * - `account`: the account that signed in
 * - `conditional-access`: a policy of the organisation
 * - `temporary`: it passes
 */
export type TokenFaultKind =
  | 'reconnect'
  | 'consent'
  | 'secret'
  | 'config'
  | 'account'
  | 'conditional-access'
  | 'temporary';

/**
 * The AADSTS codes that reach a mail sender. Source: learn.microsoft.com, "Microsoft Entra authentication and
 * authorization error codes", which warns that codes may change: so a number chooses the help text, while the protocol's
 * own `error` decides what happens. The one exception is `temporary`, where a wrong guess costs a wait only.
 */
export const aadsts: Readonly<Record<number, { kind: TokenFaultKind; remedy: RemedyKey }>> = {
  50011: { kind: 'config', remedy: 'redirect-uri' },
  700016: { kind: 'config', remedy: 'application-unknown' },
  700011: { kind: 'config', remedy: 'application-unknown' },
  90002: { kind: 'config', remedy: 'tenant-unknown' },
  50194: { kind: 'config', remedy: 'tenant-needed' },

  7000215: { kind: 'secret', remedy: 'secret-wrong' },
  70002: { kind: 'secret', remedy: 'secret-wrong' },
  7000222: { kind: 'secret', remedy: 'secret-expired' },
  700025: { kind: 'config', remedy: 'app-is-public' },
  700027: { kind: 'secret', remedy: 'federated-credential' },
  700213: { kind: 'secret', remedy: 'federated-credential' },
  50012: { kind: 'secret', remedy: 'federated-credential' },

  65001: { kind: 'consent', remedy: 'consent-needed' },
  90094: { kind: 'consent', remedy: 'admin-consent' },
  65004: { kind: 'consent', remedy: 'declined' },
  650052: { kind: 'consent', remedy: 'exchange-permission' },
  650057: { kind: 'consent', remedy: 'exchange-permission' },
  500011: { kind: 'consent', remedy: 'exchange-permission' },
  70011: { kind: 'config', remedy: 'scope-wrong' },
  28002: { kind: 'config', remedy: 'scope-wrong' },
  50105: { kind: 'config', remedy: 'assign-user' },

  50020: { kind: 'account', remedy: 'wrong-account' },
  50034: { kind: 'account', remedy: 'wrong-account' },
  50057: { kind: 'account', remedy: 'account-disabled' },
  50053: { kind: 'account', remedy: 'account-disabled' },
  50055: { kind: 'account', remedy: 'account-disabled' },

  50074: { kind: 'reconnect', remedy: 'sign-in-again' },
  50076: { kind: 'reconnect', remedy: 'sign-in-again' },
  50078: { kind: 'reconnect', remedy: 'sign-in-again' },
  50079: { kind: 'reconnect', remedy: 'sign-in-again' },
  53000: { kind: 'conditional-access', remedy: 'conditional-access' },
  53001: { kind: 'conditional-access', remedy: 'conditional-access' },
  53003: { kind: 'conditional-access', remedy: 'conditional-access' },
  50131: { kind: 'conditional-access', remedy: 'conditional-access' },
  530035: { kind: 'conditional-access', remedy: 'security-defaults' },
  70043: { kind: 'conditional-access', remedy: 'sign-in-frequency' },

  70008: { kind: 'reconnect', remedy: 'grant-expired' },
  700082: { kind: 'reconnect', remedy: 'grant-expired' },
  50173: { kind: 'reconnect', remedy: 'grant-revoked' },
  50132: { kind: 'reconnect', remedy: 'password-changed' },
  50133: { kind: 'reconnect', remedy: 'password-changed' },
  50089: { kind: 'reconnect', remedy: 'password-changed' },
  54005: { kind: 'reconnect', remedy: 'start-again' },
  501481: { kind: 'reconnect', remedy: 'start-again' },
  50148: { kind: 'reconnect', remedy: 'start-again' },

  9002313: { kind: 'config', remedy: 'request-malformed' },
  900144: { kind: 'config', remedy: 'request-malformed' },
  90014: { kind: 'config', remedy: 'request-malformed' },

  50196: { kind: 'temporary', remedy: 'too-many-requests' },
  90055: { kind: 'temporary', remedy: 'entra-busy' },
  90006: { kind: 'temporary', remedy: 'entra-busy' },
  90024: { kind: 'temporary', remedy: 'entra-busy' },
  90033: { kind: 'temporary', remedy: 'entra-busy' },
  50033: { kind: 'temporary', remedy: 'entra-busy' },
  50000: { kind: 'temporary', remedy: 'entra-busy' },
};

/** Why Entra gave no token, as a fault of phase `token`. */
export interface TokenFailure extends Fault {
  kind: TokenFaultKind;
  /** The stored sign-in is of no use any more: somebody must generate the token again. */
  reconnect?: true;
}

/**
 * Tells what an error of MSAL means: what passes (network, 429, 5xx, `temporarily_unavailable`) leaves everything in
 * place; `invalid_grant` and whatever needs interaction want a new sign-in; the rest is the settings' or the
 * registration's.
 *
 * @throws the error itself where it is none of MSAL's or of the managed identity's
 */
export const classifyTokenError = (error: unknown): TokenFailure => {
  if (error instanceof ClientConfigurationError && !protocol[error.errorCode]) {
    return failure('config', 'request-malformed', error.errorCode, error.message);
  }
  if (error instanceof AuthError) {
    return classifyRefusal({
      error: error.errorCode,
      number: 'errorNo' in error ? String(error.errorNo ?? '') : '',
      status: 'status' in error ? Number(error.status) || undefined : undefined,
      description: error.errorMessage,
      interaction: error instanceof InteractionRequiredAuthError,
    });
  }
  if (error instanceof Error && identityErrors.has(error.name)) {
    return failure('secret', 'federated-credential', error.name, error.message);
  }
  throw error;
};

/** Errors of @azure/identity, which gives the assertion of the managed identity. */
const identityErrors = new Set([
  'CredentialUnavailableError',
  'AuthenticationError',
  'AuthenticationRequiredError',
  'AggregateAuthenticationError',
]);

/** What Entra said: at the token endpoint or, in the query of the callback, at the authorization endpoint (RFC 6749). */
export interface Refusal {
  /** `error`, e.g. `invalid_grant`. Also MSAL's own codes, e.g. `network_error`. */
  error: string;
  /** `error_codes[0]`. Left out: the number is taken from the description, for the help text. */
  number?: string;
  /** HTTP status. */
  status?: number | undefined;
  /** `error_description`, e.g. `AADSTS65004: User declined to consent…`. */
  description?: string;
  /** MSAL's judgement that somebody must sign in. */
  interaction?: boolean;
}

export const classifyRefusal = (refusal: Refusal): TokenFailure => {
  const { error, status = 0 } = refusal;
  const description = ownWords(refusal.description ?? '');
  const known = aadsts[Number(refusal.number || /^AADSTS(\d{5,7})\b/.exec(description)?.[1])];
  const words = description.startsWith(error) || description === '' ? description || error : `${error}: ${description}`;

  if (unreachable.has(error)) return failure('temporary', 'entra-unreachable', error, words);
  if (known?.kind === 'temporary') return failure('temporary', known.remedy, error, words);
  if (status === 429) return failure('temporary', 'too-many-requests', error, words);
  if (status >= 500 || passing.has(error)) return failure('temporary', 'entra-busy', error, words);

  if (refusal.interaction || signInAgain.has(error)) {
    return { ...failure(known?.kind ?? 'reconnect', known?.remedy ?? 'reconnect', error, words), reconnect: true };
  }
  // MSAL does not hand on the HTTP status of most answers, so that what nobody knows may be a 5xx: it passes, or not.
  const byError = protocol[error] ?? { kind: 'temporary', remedy: 'entra-busy' };
  return failure(known?.kind ?? byError.kind, known?.remedy ?? byError.remedy, error, words);
};

/** MSAL wraps what Entra says: `Error(s): 7000215 - Timestamp: … - Description: AADSTS7000215: … - Correlation ID: …`. */
const ownWords = (description: string): string =>
  /^Error\(s\): .*? - Description: (.*?)(?: - Correlation ID: .*)?$/s.exec(description)?.[1]?.trim() ?? description;

const unreachable = new Set([
  'network_error',
  'no_network_connectivity',
  'endpoints_resolution_error',
  'openid_config_error',
]);
/** `token_parsing_error`: something on the way answered with a page instead of JSON. */
const passing = new Set(['temporarily_unavailable', 'server_error', 'token_parsing_error']);
const signInAgain = new Set([
  'invalid_grant',
  'interaction_required',
  'login_required',
  'consent_required',
  'no_account_found',
]);

/** RFC 6749 section 5.2 and 4.1.2.1, and MSAL's local refusals. */
const protocol: Readonly<Record<string, { kind: TokenFaultKind; remedy: RemedyKey } | undefined>> = {
  invalid_client: { kind: 'secret', remedy: 'secret-wrong' },
  unauthorized_client: { kind: 'config', remedy: 'application-unknown' },
  invalid_request: { kind: 'config', remedy: 'request-malformed' },
  unsupported_grant_type: { kind: 'config', remedy: 'request-malformed' },
  unsupported_response_type: { kind: 'config', remedy: 'request-malformed' },
  invalid_scope: { kind: 'config', remedy: 'scope-wrong' },
  invalid_resource: { kind: 'consent', remedy: 'exchange-permission' },
  access_denied: { kind: 'consent', remedy: 'admin-consent' },
  state_mismatch: { kind: 'reconnect', remedy: 'start-again' },
  nonce_mismatch: { kind: 'reconnect', remedy: 'start-again' },
  missing_tenant_id_error: { kind: 'config', remedy: 'tenant-needed' },
};

/** What passes is the connection's fault, so that no mail loses an attempt to it; everything else stops the relay. */
const failure = (kind: TokenFaultKind, remedy: RemedyKey, rule: string, words: string): TokenFailure => ({
  class: kind === 'temporary' ? 'connection' : 'auth',
  phase: 'token',
  kind,
  rule,
  reply: presentable(words, 'token'),
  remedy,
});
