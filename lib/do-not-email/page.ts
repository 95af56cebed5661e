import { createHash } from 'node:crypto';
import { escapeHtml } from './html.ts';
import { type Language, type Texts, texts } from './texts.ts';
import type { UnsubscribeLink } from './token.ts';

/** `a•••@example.com`: enough to recognise one's own address, no use to who finds the link. */
export const masked = (address: string): string => {
  const at = address.lastIndexOf('@');
  const [first = ''] = address.slice(0, at);
  return `${first}•••${address.slice(at)}`;
};

const style = `
:root { color-scheme: light dark; --ink: #1b1b1f; --paper: #ffffff; --line: #767680; --deed: #0b57d0; --on-deed: #ffffff; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e6ea; --paper: #17171a; --line: #8e8e99; --deed: #a8c7fa; --on-deed: #062e6f; }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 1.0625rem/1.5 system-ui, sans-serif; }
main { max-width: 34rem; margin: 0 auto; padding: 12vh 1.25rem 3rem; }
h1 { font-size: 1.5rem; line-height: 1.25; overflow-wrap: anywhere; }
fieldset { margin: 1.5rem 0; padding: .75rem 1rem; border: 1px solid var(--line); border-radius: .5rem; }
label { display: flex; gap: .75rem; align-items: baseline; padding: .5rem 0; }
button { font: inherit; font-weight: 600; min-height: 2.75rem; padding: .5rem 1.25rem; border: 2px solid var(--deed); border-radius: .5rem; background: var(--deed); color: var(--on-deed); cursor: pointer; }
button.quiet { background: transparent; color: var(--deed); }
:focus-visible { outline: 3px solid var(--deed); outline-offset: 3px; }
p { overflow-wrap: anywhere; }
`;

/**
 * For the page's answer. Nothing is loaded, no script runs, nobody frames it, its forms come back here; a search engine
 * does not list it. No cookie is set or read.
 */
export const pageHeaders: Record<string, string> = {
  'content-type': 'text/html; charset=utf-8',
  'cache-control': 'no-store',
  'content-security-policy': `default-src 'none'; style-src 'sha256-${createHash('sha256').update(style).digest('base64')}'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'`,
  'referrer-policy': 'no-referrer',
  'x-robots-tag': 'noindex, nofollow',
  vary: 'Accept-Language',
};

/** Asks what should stop. Only its button acts: a scanner that fetches the page changes nothing (law 7). */
export const askPage = (link: UnsubscribeLink, language: Language): string => {
  const words = texts[language];
  const choice =
    link.scope === 'all'
      ? '<input type="hidden" name="scope" value="all">'
      : `<fieldset><legend>${escapeHtml(words.which)}</legend>
<label><input type="radio" name="scope" value="kind" checked> <span>${escapeHtml(words.onlyKind(words.kinds[link.scope]))}</span></label>
<label><input type="radio" name="scope" value="all"> <span>${escapeHtml(words.all)}</span></label>
</fieldset>`;
  return page(
    language,
    words.question(masked(link.recipient)),
    `<form method="post">${choice}<button type="submit">${escapeHtml(words.act)}</button></form>`,
  );
};

/** @param undo token for the undo button; absent where it is too late for that. */
export const donePage = (link: UnsubscribeLink, undo: string | undefined, language: Language): string => {
  const words = texts[language];
  const told = stopped(link, words);
  const back = undo
    ? `<p>${escapeHtml(words.wasNotMe)}</p>
<form method="post" action="${escapeHtml(`${undo}/undo`)}"><button class="quiet" type="submit">${escapeHtml(words.undo)}</button></form>`
    : '';
  return page(language, words.done, `<p role="status">${escapeHtml(told)}</p>${back}`);
};

const stopped = ({ recipient, scope }: UnsubscribeLink, words: Texts): string =>
  scope === 'all' ? words.doneAll(masked(recipient)) : words.doneKind(masked(recipient), words.kinds[scope]);

export const undonePage = (recipient: string, language: Language): string =>
  page(
    language,
    texts[language].undone,
    `<p role="status">${escapeHtml(texts[language].undoneText(masked(recipient)))}</p>`,
  );

/** A page that says why nothing happened. */
export const trouble = (what: 'changed' | 'invalid' | 'failed' | 'away', language: Language): string => {
  const words = texts[language];
  const say = {
    changed: words.changedText,
    invalid: words.invalidText,
    failed: words.failedText,
    away: words.awayText,
  };
  return page(language, words[what], `<p role="alert">${escapeHtml(say[what])}</p>`);
};

const page = (language: Language, heading: string, body: string): string => `<!doctype html>
<html lang="${language}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex, nofollow">
<title>${escapeHtml(heading)}</title>
<style>${style}</style>
</head>
<body>
<main>
<h1>${escapeHtml(heading)}</h1>
${body}
</main>
</body>
</html>
`;
