import { canonicalAddress } from '../message/address.ts';
import type { Kind } from '../message/kinds.ts';
import { escapeHtml } from './html.ts';
import { type Language, languageOf, texts } from './texts.ts';
import type { UnsubscribeTokens } from './token.ts';

/**
 * Which kinds carry an unsubscribe link. Priority kinds do not: nobody should lose their own sign-in codes by a click,
 * and large providers want one-click on subscribed mail only. `test` is the one system mail to admins. `error` goes to
 * users as well, so it carries one.
 */
export const carriesLink: Record<Kind, boolean> = {
  share: true,
  'file-change': true,
  error: true,
  notice: true,
  'password-recovery': false,
  'two-factor': false,
  test: false,
};

export interface Body {
  text?: string | undefined;
  html?: string | undefined;
}

const placeholder = /\{\{\s*unsubscribe_url\s*\}\}/g;

/**
 * The mail's text and HTML with the link: at `{{unsubscribe_url}}` where the content has it, else in a footer, each of
 * the two parts for itself. Where `url` is absent (kinds that carry no link) the placeholder goes and nothing comes.
 */
export const withLink = ({ text, html }: Body, url: string | undefined): Body => ({
  ...(text !== undefined && { text: linkedText(text, url, languageOf(html)) }),
  ...(html !== undefined && { html: linkedHtml(html, url, languageOf(html)) }),
});

/**
 * Header fields of a mail with the link: RFC 8058 section 3.1 wants one `List-Unsubscribe` with an HTTPS URI, and the
 * other with exactly this value. The address is made of ASCII only, since a field with other characters is encoded
 * (RFC 2047) and mail providers then pass over it.
 */
export const linkHeaders = (url: string): Record<string, string> => ({
  'List-Unsubscribe': `<${new URL(url).href}>`,
  'List-Unsubscribe-Post': 'List-Unsubscribe=One-Click',
});

/** @param publicUrl where people reach the app, without slash at the end */
export const linkTo = (publicUrl: string, token: string): string => new URL(`${publicUrl}/unsubscribe/${token}`).href;

function linkedText(text: string, url: string | undefined, language: Language): string {
  if (url === undefined || text.search(placeholder) >= 0) return text.replace(placeholder, () => url ?? '');
  return `${text.replace(/\s+$/, '')}\n\n-- \n${texts[language].footer}\n${url}\n`;
}

function linkedHtml(html: string, url: string | undefined, language: Language): string {
  if (url === undefined || html.search(placeholder) >= 0) return html.replace(placeholder, () => escapeHtml(url ?? ''));
  const footer =
    `<p lang="${language}" style="margin-top:2em;font-size:small;color:#666666">${escapeHtml(texts[language].footer)} ` +
    `<a href="${escapeHtml(url)}">${escapeHtml(texts[language].footerLink)}</a></p>`;
  const end = endOf(html);
  return `${html.slice(0, end)}${footer}${html.slice(end)}`;
}

/** Where the body ends: before the last `</body>`, else before `</html>`, else at the end. */
function endOf(html: string): number {
  const lower = html.toLowerCase();
  const places = ['</body', '</html'].map((tag) => lower.lastIndexOf(tag));
  return places.find((place) => place >= 0) ?? html.length;
}

export interface Linked {
  body: Body;
  headers: Record<string, string>;
}

/** Gives a mail to one recipient its unsubscribe link. @throws where there is no key to sign with: the mail then waits. */
export const unsubscribeLinks =
  ({ tokens, publicUrl }: { tokens: UnsubscribeTokens; publicUrl: string }) =>
  async (kind: Kind, recipient: string, body: Body): Promise<Linked> => {
    if (!carriesLink[kind]) return { body: withLink(body, undefined), headers: {} };
    const url = linkTo(publicUrl, await tokens.sign({ recipient: canonicalAddress(recipient), scope: kind }));
    return { body: withLink(body, url), headers: linkHeaders(url) };
  };
