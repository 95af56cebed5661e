import { PosternError } from '../errors.ts';
import type { AnyRoute } from './route.ts';

/**
 * Keeps other web sites from acting with the session cookie of a signed-in admin (cross-site request forgery).
 * A browser says by `Sec-Fetch-Site` where a request comes from (W3C Fetch Metadata), an older one by `Origin`; neither
 * can be set by a page. A caller that sends neither is no browser, and holds a token instead of a cookie.
 *
 * Public routes are left alone: a one-click unsubscribe comes from the mail provider's site (RFC 8058), and nothing
 * there is done in a session's name. Reading needs no check, since GET changes nothing and no CORS header is sent.
 * @throws PosternError `cross-site` (403).
 */
export const refuseCrossSite = (route: Pick<AnyRoute, 'access' | 'method'>, asked: Asked): void => {
  if (route.access === 'public' || route.method === 'GET') return;
  const site = asked.headers.get('sec-fetch-site');
  const origin = asked.headers.get('origin');
  const fromHere = site !== null ? site === 'same-origin' || site === 'none' : origin === null || isOwn(origin, asked);
  if (fromHere) return;
  throw new PosternError('cross-site', 'A change is taken only from this app’s own pages, or with a token.');
};

interface Asked {
  headers: Headers;
  url: URL;
  /** The app's address as seen from outside; it may differ from `url` behind a front door. */
  publicUrl: string;
}

const isOwn = (origin: string, { url, publicUrl }: Asked): boolean =>
  origin === url.origin || origin === new URL(publicUrl).origin;
