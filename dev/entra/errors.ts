import { randomUUID } from 'node:crypto';

interface Known {
  /** OAuth's own code, RFC 6749 section 5.2. */
  error: string;
  text: string;
  /** Of the token endpoint; 400 where left out. */
  status?: number;
  suberror?: string;
}

/**
 * Refusals by AADSTS code, with the words of Entra
 * (learn.microsoft.com, "Microsoft Entra authentication and authorization error codes").
 */
export const knownErrors: Readonly<Record<number, Known>> = {
  28002: { error: 'invalid_scope', text: 'Provided value for the input parameter scope is not valid.' },
  50000: { error: 'temporarily_unavailable', status: 503, text: 'There was an error issuing a token.' },
  50011: {
    error: 'invalid_request',
    text: 'The redirect URI specified in the request does not match the redirect URIs configured for the application.',
  },
  50012: { error: 'invalid_client', status: 401, text: 'Client assertion contains an invalid signature.' },
  50020: { error: 'invalid_grant', text: 'User account from identity provider does not exist in tenant.' },
  50033: { error: 'temporarily_unavailable', status: 503, text: 'A transient error occurred. Please try again.' },
  50034: { error: 'invalid_grant', text: 'The user account does not exist in the directory.' },
  50053: { error: 'invalid_grant', text: 'Sign-in was blocked because the account is locked.' },
  50055: { error: 'invalid_grant', text: 'The password is expired.' },
  50057: { error: 'invalid_grant', text: 'The user account is disabled.' },
  50074: { error: 'interaction_required', suberror: 'basic_action', text: 'Strong Authentication is required.' },
  50076: {
    error: 'interaction_required',
    suberror: 'basic_action',
    text: 'Due to a configuration change made by your administrator, you must use multi-factor authentication.',
  },
  50078: {
    error: 'interaction_required',
    suberror: 'basic_action',
    text: 'Presented multi-factor authentication has expired.',
  },
  50079: {
    error: 'interaction_required',
    suberror: 'basic_action',
    text: 'You must enroll in multi-factor authentication.',
  },
  50089: { error: 'invalid_grant', text: 'Authentication failed due to flow token expired.' },
  50105: { error: 'access_denied', text: 'The signed in user is not assigned to a role for the application.' },
  50131: { error: 'invalid_grant', suberror: 'message_only', text: 'Access policy does not allow token issuance.' },
  50132: {
    error: 'invalid_grant',
    suberror: 'bad_token',
    text: 'The session is not valid: password expiration or recent password change.',
  },
  50133: {
    error: 'invalid_grant',
    suberror: 'bad_token',
    text: 'Session is invalid due to expiration or recent password change.',
  },
  50148: { error: 'invalid_grant', text: 'The code_verifier does not match the code_challenge.' },
  50173: {
    error: 'invalid_grant',
    suberror: 'bad_token',
    text: 'The provided grant has expired due to it being revoked, a fresh auth token is needed.',
  },
  50194: { error: 'invalid_request', text: 'Application is not configured as a multi-tenant application.' },
  50196: {
    error: 'invalid_grant',
    text: 'The server terminated an operation because it encountered a client request loop.',
  },
  53000: { error: 'invalid_grant', suberror: 'message_only', text: 'Device is not in required device state.' },
  53001: { error: 'invalid_grant', suberror: 'message_only', text: 'Device is not domain joined.' },
  53003: {
    error: 'invalid_grant',
    suberror: 'message_only',
    text: 'Access has been blocked by Conditional Access policies.',
  },
  54005: { error: 'invalid_grant', text: 'OAuth2 Authorization code was already redeemed.' },
  65001: {
    error: 'invalid_grant',
    suberror: 'consent_required',
    text: 'The user or administrator has not consented to use the application.',
  },
  65004: { error: 'access_denied', text: 'User declined to consent to access the app.' },
  70002: { error: 'invalid_client', status: 401, text: 'Error validating credentials.' },
  70008: {
    error: 'invalid_grant',
    text: 'The provided authorization code or refresh token has expired due to inactivity.',
  },
  70011: { error: 'invalid_scope', text: 'The provided value for the input parameter scope is not valid.' },
  70043: {
    error: 'invalid_grant',
    suberror: 'bad_token',
    text: 'The refresh token has expired or is invalid due to sign-in frequency checks by Conditional Access.',
  },
  90002: { error: 'invalid_tenant', text: 'Tenant not found.' },
  90006: { error: 'temporarily_unavailable', status: 503, text: 'The service is temporarily unavailable. Retry.' },
  90014: { error: 'invalid_request', text: 'A required field is missing from the request.' },
  90024: {
    error: 'temporarily_unavailable',
    status: 503,
    text: 'RequestBudgetExceededError. A transient error has occurred.',
  },
  90033: { error: 'temporarily_unavailable', status: 503, text: 'A transient error has occurred. Please try again.' },
  90055: { error: 'temporarily_unavailable', status: 429, text: 'There are too many incoming requests.' },
  90094: {
    error: 'access_denied',
    text: 'Admin consent is required for the permissions requested by this application.',
  },
  500011: { error: 'invalid_resource', text: 'The resource principal was not found in the tenant.' },
  500112: {
    error: 'invalid_grant',
    text: 'The reply address does not match the reply address of the authorization request.',
  },
  501481: {
    error: 'invalid_grant',
    text: 'The Code_Verifier does not match the code_challenge supplied in the authorization request.',
  },
  530035: { error: 'access_denied', text: 'Access has been blocked by security defaults.' },
  650052: {
    error: 'access_denied',
    text: 'The app is trying to access a service that your organization lacks a service principal for.',
  },
  650057: {
    error: 'invalid_resource',
    text: 'The client has requested access to a resource not listed in its requested permissions.',
  },
  700011: {
    error: 'unauthorized_client',
    text: 'Application with identifier was not found in any of the directories.',
  },
  700016: { error: 'unauthorized_client', text: 'Application with identifier was not found in the directory.' },
  700025: {
    error: 'invalid_client',
    status: 401,
    text: 'Client is public so neither client_assertion nor client_secret should be presented.',
  },
  700027: { error: 'invalid_client', status: 401, text: 'Client assertion failed signature validation.' },
  700082: {
    error: 'invalid_grant',
    text: 'The refresh token has expired due to inactivity. The token was inactive for 90 days.',
  },
  700213: {
    error: 'invalid_client',
    status: 401,
    text: 'No matching federated identity record found for presented assertion.',
  },
  900144: { error: 'invalid_request', text: 'The request body must contain the required parameter.' },
  7000215: {
    error: 'invalid_client',
    status: 401,
    text: 'Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the client secret ID.',
  },
  7000218: {
    error: 'invalid_client',
    status: 401,
    text: 'The request body must contain the following parameter: client_assertion or client_secret.',
  },
  7000222: { error: 'invalid_client', status: 401, text: 'The provided client secret keys for app are expired.' },
  9002313: { error: 'invalid_request', text: 'Invalid request. Request is malformed or invalid.' },
};

/** A refusal of the fake Entra by its AADSTS code. */
export class EntraRefusal extends Error {
  readonly code: number;
  constructor(code: number) {
    super(`AADSTS${code}: ${known(code).text}`);
    this.code = code;
  }
}

const known = (code: number): Known =>
  knownErrors[code] ?? { error: 'invalid_request', text: 'A code that this fake has no words for.' };

/** The JSON that Entra answers a refused token request with. @param now milliseconds since 1970 */
export const errorBody = (code: number, now: number) => {
  const { error, suberror } = known(code);
  const timestamp = `${new Date(now).toISOString().slice(0, 19).replace('T', ' ')}Z`;
  const [trace, correlation] = [randomUUID(), randomUUID()];
  return {
    error,
    error_description: `${described(code)} Trace ID: ${trace} Correlation ID: ${correlation} Timestamp: ${timestamp}`,
    error_codes: [code],
    timestamp,
    trace_id: trace,
    correlation_id: correlation,
    error_uri: `https://login.microsoftonline.com/error?code=${code}`,
    ...(suberror && { suberror }),
    ...(suberror === 'basic_action' && { claims: '{"access_token":{"capolids":{"essential":true,"values":["1"]}}}' }),
  };
};

export const described = (code: number): string => `AADSTS${code}: ${known(code).text}`;
export const errorOf = (code: number): string => known(code).error;
export const statusOf = (code: number): number => known(code).status ?? 400;
