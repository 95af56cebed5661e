import type { IncomingMessage, ServerResponse } from 'node:http';
import { signInPage, startPage } from './page.ts';
import { claimsOf, objectId, type Person, people } from './people.ts';
import { cookieName, sealSession } from './session.ts';

const largestForm = 10_000;

interface Deps {
  sessionKey: string;
  signedIn: Person | undefined;
}

/** Answers `/` and everything under `/.auth/`, as the platform does before the app sees a request. */
export const authPages = async (
  request: IncomingMessage,
  response: ServerResponse,
  { sessionKey, signedIn }: Deps,
): Promise<void> => {
  const url = new URL(request.url ?? '/', 'http://localhost');
  const next = localPath(url.searchParams.get('post_login_redirect_uri'));
  const goTo = (path: string, cookie: string) =>
    response.writeHead(303, { location: path, 'set-cookie': cookie, 'cache-control': 'no-store' }).end();
  const routes: Record<string, () => unknown> = {
    'GET ': () => html(response, startPage(signedIn)),
    'GET /.auth/login': () => html(response, signInPage(signedIn, next)),
    'GET /.auth/login/aad': () => html(response, signInPage(signedIn, next)),
    'POST /.auth/login': async () => {
      if (!fromOwnPage(request)) return response.writeHead(403).end();
      const form = new URLSearchParams(await textOf(request));
      const person = personOf(form);
      return goTo(localPath(form.get('next')), person ? sessionCookie(sealSession(person, sessionKey)) : noCookie);
    },
    'GET /.auth/logout': () =>
      goTo(localPath(url.searchParams.get('post_logout_redirect_uri'), '/.auth/login'), noCookie),
    'GET /.auth/me': () => {
      if (!signedIn) return response.writeHead(401).end();
      response.writeHead(200, { 'content-type': 'application/json', 'cache-control': 'no-store' });
      return response.end(JSON.stringify([me(signedIn)]));
    },
  };
  const route = routes[`${request.method} ${url.pathname.replace(/\/$/, '')}`];
  if (route) await route();
  else response.writeHead(404).end();
};

const cookieTraits = 'Path=/; HttpOnly; SameSite=Lax';
const sessionCookie = (value: string) => `${cookieName}=${value}; ${cookieTraits}`;
const noCookie = `${cookieName}=; ${cookieTraits}; Max-Age=0`;

/**
 * Where to go after signing in: a path of this site only, so that a link cannot send a signed-in admin elsewhere.
 * A backslash or control character is read as a slash or dropped by browsers, hence the parse.
 */
const localPath = (path: string | null, otherwise = '/'): string => {
  if (!path?.startsWith('/')) return otherwise;
  const base = 'http://here.invalid';
  if (!URL.canParse(path, base)) return otherwise;
  const url = new URL(path, base);
  return url.origin === base && !url.pathname.startsWith('//') ? url.pathname + url.search + url.hash : otherwise;
};

/** A browser sends Origin with every form post; another site's page must not sign anybody in or out. */
function fromOwnPage({ headers }: IncomingMessage): boolean {
  return !headers.origin || headers.origin === `http://${headers.host}`;
}

function personOf(form: URLSearchParams): Person | undefined {
  const who = form.get('who');
  if (who === 'custom') {
    const [name, email, role] = [form.get('name'), form.get('email'), form.get('role')];
    return { name: name || 'Nameless', roles: role ? [role] : [], ...(email && { email }) };
  }
  return Object.entries(people).find(([known]) => known === who)?.[1];
}

const me = (person: Person) => ({
  provider_name: 'aad',
  user_id: person.email ?? objectId(person),
  user_claims: claimsOf(person),
});

function html(response: ServerResponse, page: string): void {
  response.writeHead(200, {
    'content-type': 'text/html; charset=utf-8',
    'cache-control': 'no-store',
    'content-security-policy':
      "default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'self'; frame-ancestors 'none'",
  });
  response.end(page);
}

async function textOf(request: IncomingMessage): Promise<string> {
  let text = '';
  for await (const chunk of request) {
    text += chunk;
    if (text.length > largestForm) return '';
  }
  return text;
}
