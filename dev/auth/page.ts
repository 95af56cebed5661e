import { type Person, people } from './people.ts';

const escapeHtml = (text: string) => text.replace(/[&<>"']/g, (char) => `&#${char.charCodeAt(0)};`);

const about: Record<keyof typeof people, string> = {
  'master-admin': 'may do everything, secrets and OAuth included',
  admin: 'may change settings and see all mail',
  service: 'may put mail on its way, as a platform service does',
};

const choices = Object.entries(people)
  .map(([who, { name }]) => {
    const [title, hint] = [who.replace('-', ' '), about[who as keyof typeof people]];
    return `<p><button name="who" value="${who}" aria-describedby="${who}-about">Sign in as ${title}</button>
      <span id="${who}-about">${escapeHtml(name)}: ${hint}</span></p>`;
  })
  .join('\n');

const page = (title: string, main: string): string => `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title} – Postern, local</title>
<link rel="icon" href="data:,">
<style>
  :root { color-scheme: light dark; font: 1rem/1.5 system-ui, sans-serif; }
  body { max-width: 38rem; margin: 2rem auto; padding: 0 1rem; }
  button, input, select { font: inherit; padding: .4rem .8rem; }
  button { min-width: 14rem; text-align: start; }
  fieldset { margin: 1.5rem 0; }
  label { display: block; margin: .5rem 0; }
  :focus-visible { outline: 3px solid; outline-offset: 2px; }
</style>
</head>
<body>
<main>
<h1>${title}</h1>
${main}
</main>
</body>
</html>
`;

const status = (signedIn: Person | undefined): string => {
  const roles = signedIn?.roles.join(', ') || 'no role';
  const who = signedIn ? `You are ${signedIn.email ?? signedIn.name} (${roles}).` : 'You are signed out.';
  return `<p role="status">${escapeHtml(who)}</p>`;
};

const places = {
  '/.auth/login': 'sign in, or as somebody else',
  '/api/messages': 'what became of mails',
  '/api/settings': 'the settings',
  '/api/relay': 'whether mail goes',
  '/api/usage': 'the limit of 24 hours',
  '/api/do-not-email': 'the Do Not Email list',
  '/api/openapi.json': 'the API in full',
};

/** What stands at `/` of the local stack: where to go from here. */
export const startPage = (signedIn: Person | undefined): string => {
  const links = Object.entries(places).map(([path, what]) => `<li><a href="${path}">${path}</a>: ${what}</li>`);
  return page('Where to go', `${status(signedIn)}\n<ul>\n${links.join('\n')}\n</ul>`);
};

/** The sign-in page: plain HTML, works without script. */
export const signInPage = (signedIn: Person | undefined, next: string): string =>
  page(
    'Sign in',
    `<p>This stands in for Microsoft Entra on your own machine. Nobody is asked for a password.</p>
${status(signedIn)}
<form method="post" action="/.auth/login">
<input type="hidden" name="next" value="${escapeHtml(next)}">
${choices}
<p><button name="who" value="nobody">Sign out</button></p>
</form>
<form method="post" action="/.auth/login">
<input type="hidden" name="next" value="${escapeHtml(next)}">
<input type="hidden" name="who" value="custom">
<fieldset>
<legend>Somebody else</legend>
<label>Name <input name="name" required maxlength="200" autocomplete="off"></label>
<label>E-mail address <input name="email" type="email" maxlength="254" autocomplete="off"></label>
<label>Role <select name="role">
<option value="">none</option>
<option>Mail.MasterAdmin</option>
<option>Mail.Admin</option>
<option>Mail.Send</option>
</select></label>
<button>Sign in with this name</button>
</fieldset>
</form>`,
  );
