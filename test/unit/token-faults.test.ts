import { ConfidentialClientApplication, type Configuration, type INetworkModule } from '@azure/msal-node';
import { describe, expect, test } from 'vitest';
import { aadsts, classifyRefusal, classifyTokenError } from '../../lib/oauth/aadsts.ts';

const tenant = '11111111-2222-3333-4444-555555555555';
const description = (number: number, words: string) =>
  `AADSTS${number}: ${words} Trace ID: 3c2a0a1d-0000-0000-0000-000000000000 Correlation ID: 9b7e0c1e-0000-0000-0000-000000000000 Timestamp: 2026-11-22 09:00:00Z`;

/** Entra's error body (learn.microsoft.com, "OAuth 2.0 authorization code flow", error response). */
const refusal = (error: string, number: number, suberror?: string) => ({
  error,
  error_description: description(number, 'Words that nobody parses.'),
  error_codes: [number],
  timestamp: '2026-11-22 09:00:00Z',
  trace_id: '3c2a0a1d-0000-0000-0000-000000000000',
  correlation_id: '9b7e0c1e-0000-0000-0000-000000000000',
  ...(suberror ? { suberror } : {}),
});

/** The real MSAL, talking to whatever answers. */
const msal = (answer: INetworkModule['sendPostRequestAsync'], authority = tenant): ConfidentialClientApplication => {
  const configuration: Configuration = {
    auth: {
      clientId: '22222222-2222-3333-4444-555555555555',
      authority: `https://login.microsoftonline.com/${authority}`,
      clientSecret: 'secret',
    },
    system: { networkClient: { sendPostRequestAsync: answer, sendGetRequestAsync: answer } },
  };
  return new ConfidentialClientApplication(configuration);
};

const refreshWith = async (answer: INetworkModule['sendPostRequestAsync']): Promise<unknown> =>
  msal(answer)
    .acquireTokenByRefreshToken({ refreshToken: 'r', scopes: ['https://outlook.office.com/SMTP.Send'] })
    .then(
      () => expect.unreachable('there should be no token'),
      (error: unknown) => error,
    );

const answering =
  (status: number, body: object): INetworkModule['sendPostRequestAsync'] =>
  async <T>() => ({ status, headers: {}, body: body as T });

describe('the classes of refusal, as MSAL reports them', () => {
  test.each([
    ['invalid_grant', 700082, undefined, 'reconnect', 'grant-expired'],
    ['invalid_grant', 50173, 'bad_token', 'reconnect', 'grant-revoked'],
    ['invalid_grant', 65001, 'consent_required', 'consent', 'consent-needed'],
    ['invalid_grant', 53003, 'message_only', 'conditional-access', 'conditional-access'],
    ['invalid_grant', 70043, 'token_expired', 'conditional-access', 'sign-in-frequency'],
    ['interaction_required', 50076, 'basic_action', 'reconnect', 'sign-in-again'],
    ['invalid_grant', 123456, undefined, 'reconnect', 'reconnect'],
  ] as const)('%s %i (%s): somebody must sign in again', async (error, number, suberror, kind, remedy) => {
    const failure = classifyTokenError(await refreshWith(answering(400, refusal(error, number, suberror))));
    expect(failure).toMatchObject({ class: 'auth', phase: 'token', reconnect: true, kind, remedy, rule: error });
  });

  test.each([
    ['invalid_client', 7000215, 'secret', 'secret-wrong'],
    ['invalid_client', 7000222, 'secret', 'secret-expired'],
    ['invalid_client', 700027, 'secret', 'federated-credential'],
    ['invalid_client', 999999, 'secret', 'secret-wrong'],
    ['unauthorized_client', 700016, 'config', 'application-unknown'],
    ['invalid_scope', 70011, 'config', 'scope-wrong'],
    ['invalid_request', 900144, 'config', 'request-malformed'],
    ['invalid_resource', 500011, 'consent', 'exchange-permission'],
  ] as const)('%s %i: the sign-in stays, the settings are wrong', async (error, number, kind, remedy) => {
    const failure = classifyTokenError(await refreshWith(answering(401, refusal(error, number))));
    expect(failure).toMatchObject({ class: 'auth', phase: 'token', kind, remedy });
    expect(failure.reconnect).toBeUndefined();
  });

  test.each([
    [429, refusal('temporarily_unavailable', 90055), 'entra-busy'],
    [429, { error: 'too_many_requests', error_description: 'slow down', error_codes: [1] }, 'entra-busy'],
    [503, refusal('temporarily_unavailable', 90033), 'entra-busy'],
    [500, refusal('server_error', 50000), 'entra-busy'],
    [503, { error: 'whatever', error_description: 'whatever' }, 'entra-busy'],
    [400, refusal('invalid_request', 50196), 'too-many-requests'],
    [400, refusal('temporarily_unavailable', 1), 'entra-busy'],
  ] as const)('%i %j passes and leaves everything in place', async (status, body, remedy) => {
    const failure = classifyTokenError(await refreshWith(answering(status, body)));
    expect(failure).toMatchObject({ class: 'connection', phase: 'token', kind: 'temporary', remedy });
    expect(failure.reconnect).toBeUndefined();
  });

  test('a network that fails passes', async () => {
    const failure = classifyTokenError(await refreshWith(() => Promise.reject(new TypeError('fetch failed'))));
    expect(failure).toMatchObject({ class: 'connection', kind: 'temporary', remedy: 'entra-unreachable' });
  });

  test('a tenant that is missing is found by MSAL itself', async () => {
    const error = await msal(answering(500, {}), 'common')
      .acquireTokenByClientCredential({ scopes: ['https://outlook.office365.com/.default'] })
      .catch((thrown: unknown) => thrown);
    expect(classifyTokenError(error)).toMatchObject({ class: 'auth', kind: 'config', remedy: 'tenant-needed' });
  });

  test('an authority that is none is found by MSAL itself', async () => {
    const error = await msal(answering(500, {}))
      .acquireTokenByClientCredential({ scopes: ['x/.default'], authority: 'http://login.example.com/t' })
      .catch((thrown: unknown) => thrown);
    expect(classifyTokenError(error)).toMatchObject({ class: 'auth', kind: 'config', remedy: 'request-malformed' });
  });

  test('429 at the callback, where the status is known', () => {
    const failure = classifyRefusal({ error: 'whatever', status: 429 });
    expect(failure).toMatchObject({ class: 'connection', kind: 'temporary', remedy: 'too-many-requests' });
  });

  test('no sign-in yet', async () => {
    const application = msal(answering(500, {}));
    const account = {
      ...{ homeAccountId: `u.${tenant}`, environment: 'login.windows.net', tenantId: tenant },
      ...{ username: 'files@example.com', localAccountId: 'u' },
    };
    const error = await application
      .acquireTokenSilent({ account, scopes: ['https://outlook.office.com/SMTP.Send'] })
      .catch((thrown: unknown) => thrown);
    expect(classifyTokenError(error)).toMatchObject({ class: 'auth', reconnect: true, remedy: 'reconnect' });
  });

  test('a managed identity that gives no assertion', () => {
    const error = Object.assign(new Error('ManagedIdentityCredential: no identity'), {
      name: 'CredentialUnavailableError',
    });
    expect(classifyTokenError(error)).toMatchObject({ class: 'auth', kind: 'secret', remedy: 'federated-credential' });
  });

  test('a mistake in the program is thrown on', () => {
    const mistake = new TypeError('x is not a function');
    expect(() => classifyTokenError(mistake)).toThrow(mistake);
  });
});

test.each(
  Object.keys(aadsts).map(Number),
)('AADSTS%i has its help text at the callback and at the token endpoint', (number) => {
  const { kind, remedy } = aadsts[number]!;
  const atCallback = classifyRefusal({ error: 'access_denied', description: description(number, 'Words.') });
  const atToken = classifyRefusal({ error: 'invalid_grant', number: String(number), status: 400 });
  expect(atCallback).toMatchObject({ kind, remedy, class: kind === 'temporary' ? 'connection' : 'auth' });
  expect(atToken).toMatchObject({ kind, remedy, ...(kind === 'temporary' ? {} : { reconnect: true }) });
});

test('words of the description decide nothing: only a code at its beginning chooses the help text', () => {
  const planted = 'Something else, as in AADSTS50196: the server terminated an operation. interaction_required';
  expect(classifyRefusal({ error: 'invalid_client', description: planted })).toMatchObject({
    class: 'auth',
    kind: 'secret',
    remedy: 'secret-wrong',
  });
});

test('the callback without an AADSTS code: declined', () => {
  expect(
    classifyRefusal({ error: 'access_denied', description: 'the user canceled the authentication' }),
  ).toMatchObject({
    kind: 'consent',
    remedy: 'admin-consent',
  });
});

test('law 6: what Entra said is kept in one line and without tokens', () => {
  const failure = classifyRefusal({
    error: 'invalid_grant',
    description: 'AADSTS70000: bad\r\ntoken eyJ0eXAiOiJKV1QiLCJhbGciOiJSUzI1NiJ9.eyJhdWQiOiJ4In0.c2ln',
  });
  expect(failure.reply).toBe('invalid_grant: AADSTS70000: bad token […]');
});
