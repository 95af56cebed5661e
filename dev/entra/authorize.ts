import { randomBytes } from 'node:crypto';
import { type Account, type Directory, findAccount, findRegistration } from './directory.ts';
import { described, EntraRefusal, errorOf } from './errors.ts';
import { readScope } from './scopes.ts';

/** A code that was handed out and not yet redeemed, or was: then `used`. */
export interface Code {
  account: Account;
  clientId: string;
  redirectUri: string;
  scope: string;
  nonce: string | undefined;
  challenge: string | undefined;
  /** Milliseconds since 1970. */
  ends: number;
  used: boolean;
}

export interface AuthorizeRequest {
  clientId: string;
  redirectUri: string;
  scope: string;
  state: string;
  nonce: string | undefined;
  challenge: string | undefined;
  hint: string;
  prompt: string;
}

/**
 * What a browser asks for at the authorization endpoint (RFC 6749 section 4.1.1, RFC 7636).
 * @throws EntraRefusal where Entra shows a page of its own and no callback comes: unknown client or redirect URI
 */
export const readAuthorize = (query: URLSearchParams, directory: Directory): AuthorizeRequest => {
  const of = (name: string) => query.get(name) ?? undefined;
  const registration = findRegistration(directory, of('client_id') ?? '');
  if (!registration) throw new EntraRefusal(700016);
  const redirectUri = of('redirect_uri') ?? '';
  if (!registration.redirectUris.includes(redirectUri)) throw new EntraRefusal(50011);
  if (of('code_challenge') && of('code_challenge_method') !== 'S256') throw new EntraRefusal(9002313);
  return {
    clientId: registration.clientId,
    redirectUri,
    scope: of('scope') ?? '',
    state: of('state') ?? '',
    nonce: of('nonce'),
    challenge: of('code_challenge'),
    hint: of('login_hint') ?? '',
    prompt: of('prompt') ?? '',
  };
};

/** Back to the application: with a code, or with why not. */
export const backTo = (request: AuthorizeRequest, answer: Record<string, string>): string => {
  const url = new URL(request.redirectUri);
  for (const [name, value] of Object.entries({ ...answer, state: request.state })) url.searchParams.set(name, value);
  return url.href;
};

export const refusalFor = (code: number): Record<string, string> => ({
  error: errorOf(code),
  error_description: described(code),
  ...(code === 65004 && { error_subcode: 'cancel' }),
});

/** Signs `username` in and hands out a code, or the refusal that the account brings. */
export const decide = (
  request: AuthorizeRequest,
  username: string,
  { directory, codes, now }: { directory: Directory; codes: Map<string, Code>; now: number },
): Record<string, string> => {
  const account = findAccount(directory, username);
  if (!account) return refusalFor(50034);
  try {
    readScope(request.scope);
  } catch (error) {
    if (error instanceof EntraRefusal) return refusalFor(error.code);
    throw error;
  }
  const code = randomBytes(24).toString('base64url');
  const { clientId, redirectUri, scope, nonce, challenge } = request;
  codes.set(code, { account, clientId, redirectUri, scope, nonce, challenge, ends: now + 600_000, used: false });
  return { code, session_state: randomBytes(8).toString('hex') };
};

/** The page on which somebody chooses an account or declines. Its form carries the request along. */
export const authorizePage = (request: AuthorizeRequest, directory: Directory, query: URLSearchParams): string => {
  const hidden = [...query].map(
    ([name, value]) => `<input type="hidden" name="${escaped(name)}" value="${escaped(value)}">`,
  );
  const hinted = (it: Account) => it.username.toLowerCase() === request.hint.toLowerCase();
  const ordered = [...directory.accounts].sort((a, b) => Number(hinted(b)) - Number(hinted(a)));
  const buttons = ordered.map(
    (it) =>
      `<p><button name="account" value="${escaped(it.username)}"${hinted(it) ? ' autofocus' : ''}>${escaped(it.name)} (${escaped(it.username)})${hinted(it) ? ' – suggested' : ''}</button></p>`,
  );
  return page(
    'Sign in to the fake Entra',
    `<p>The application ${escaped(request.clientId)} asks for:</p><p><code>${escaped(request.scope)}</code></p>
<form method="post">${hidden.join('')}<h2>Pick an account</h2>${buttons.join('')}
<p><button name="decline" value="yes">Cancel: decline the consent</button></p></form>`,
  );
};

/** What stands at `/`: what an app registration's page in the portal would tell, and who may sign in. */
export const directoryPage = ({ tenantId, accounts, registrations }: Directory): string => {
  const lines = [
    `Tenant: <code>${escaped(tenantId)}</code>`,
    ...registrations.flatMap((it) => [
      `Application: <code>${escaped(it.clientId)}</code>`,
      ...it.secrets.map(({ value }) => `Its client secret: <code>${escaped(value)}</code>`),
      ...it.redirectUris.map((uri) => `Its redirect URI: <code>${escaped(uri)}</code>`),
    ]),
    ...accounts.map(({ name, username }) => `Account: ${escaped(name)} (${escaped(username)})`),
  ];
  return page('The fake Entra', `<ul>${lines.map((line) => `<li>${line}</li>`).join('\n')}</ul>`);
};

export const refusalPage = (refusal: EntraRefusal): string =>
  page('Sorry, but we’re having trouble signing you in', `<p>${escaped(refusal.message)}</p>`);

const page = (title: string, body: string): string => `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>${title}</title></head>
<body><h1>${title}</h1>${body}</body></html>
`;

const escaped = (text: string): string => text.replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);
