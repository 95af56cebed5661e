import { z } from 'zod';
import { iso } from '../../lib/clock.ts';
import { actorOf } from '../../lib/http/principal.ts';
import { remedySchema } from '../../lib/http/remedy.ts';
import { type AnyRoute, type Reply, route } from '../../lib/http/route.ts';
import type { Connected } from '../../lib/oauth/connect.ts';
import type { OAuthRoom } from '../../lib/oauth/room.ts';
import { tokenView } from '../../lib/oauth/view.ts';
import { remedyOf } from '../../lib/relay/remedies.ts';

const started = z.object({
  authorizationUrl: z.url().nullable().meta({
    description: 'Open it in the browser that is signed in here. Null with the application grant: nobody signs in.',
  }),
  endsAt: z.iso.datetime().nullable().meta({ description: 'Until when the sign-in must be finished.' }),
  token: tokenView,
});

const connected = z.object({
  result: z.enum(['0', '1']),
  message: z.string(),
  code: z.string().optional(),
  account: z.string().optional(),
  tenantId: z.string().optional(),
  remedy: remedySchema.optional(),
});

const disconnected = z.object({
  token: tokenView,
  toRevoke: z.array(z.string()).meta({ description: 'How to take back the consent at Entra too.' }),
});

/** Long enough for what Entra sends, which may grow. */
const text = z.string().max(8192).optional();

/** "Generate OAuth Token", its callback, the state of the token, and the way to disconnect. */
export const oauthRoutes = (oauth: OAuthRoom): AnyRoute[] => [
  route({
    name: 'generateToken',
    method: 'POST',
    path: 'api/oauth/token',
    access: ['MasterAdmin'],
    summary: 'Begins the sign-in at Microsoft for the saved settings, or gets the application’s own token.',
    answers: {
      200: { description: 'Where to sign in.', schema: started },
      409: {
        description:
          'The settings are not ready, or Entra refuses them or the application (`entra-refused`): `reply` has its words, `remedy` what helps.',
      },
      503: { description: 'Entra or Key Vault does not answer.' },
    },
    handle: async ({ principal }) => {
      const begun = await oauth.start(actorOf(principal));
      const delegated = begun.grant === 'delegated' ? begun : undefined;
      const body = {
        authorizationUrl: delegated?.authorizationUrl ?? null,
        endsAt: delegated ? iso(delegated.ends) : null,
        token: await oauth.view(),
      };
      return { status: 200, body };
    },
  }),
  route({
    name: 'getToken',
    method: 'GET',
    path: 'api/oauth/token',
    access: ['Admin'],
    summary: 'Which account is connected, what ends when, and what is wrong. Never the token.',
    answers: { 200: { description: 'The state.', schema: tokenView } },
    handle: async () => ({ status: 200, body: await oauth.view() }),
  }),
  route({
    name: 'disconnectToken',
    method: 'DELETE',
    path: 'api/oauth/token',
    access: ['MasterAdmin'],
    summary: 'Disconnects the account: its tokens are deleted here. Mail waits until one is connected.',
    answers: { 200: { description: 'Done, or there was none.', schema: disconnected } },
    handle: async ({ principal }) => ({
      status: 200,
      body: { token: await oauth.disconnect(actorOf(principal)), toRevoke },
    }),
  }),
  route({
    name: 'getOAuthToken',
    method: 'GET',
    path: 'api/getoauthtoken',
    // The one GET that changes something: Entra calls it. It takes a one-time state and the session of who began.
    access: ['MasterAdmin'],
    leavesTrace: true,
    summary: 'Where Entra sends the master admin back to. XML, or JSON with `Accept: application/json`.',
    query: z.looseObject({ state: text, code: text, error: text, error_description: text }),
    answers: {
      200: { description: 'The account is connected.', schema: connected, type: 'application/xml' },
      400: { description: 'The sign-in failed; `remedy` says what to do.' },
      403: { description: 'Somebody else began this sign-in.' },
      409: { description: 'The wrong account signed in.' },
      503: { description: 'Entra or Key Vault does not answer.' },
    },
    handle: async ({ query, principal, headers }) => {
      const { state, code, error, error_description } = query;
      return shown(await oauth.callback({ state, code, error, error_description }, actorOf(principal)), headers);
    },
  }),
];

const toRevoke = [
  'Microsoft Entra admin center > Enterprise applications > the application > Permissions: review and revoke.',
  'Microsoft Entra admin center > Users > the account > Revoke sessions ends every refresh token of the account.',
];

type Shown = z.output<typeof connected>;

function shown(outcome: Connected, headers: Headers): Reply {
  const status = outcome.ok ? 200 : outcome.status;
  const body = bodyOf(outcome);
  const vary = { vary: 'Accept' };
  if (wantsJson(headers)) return { status, headers: vary, body };
  return { status, headers: { ...vary, 'content-type': 'application/xml; charset=utf-8' }, body: xmlOf(body) };
}

function bodyOf(outcome: Connected): Shown {
  if (outcome.ok) {
    const message = `OAuth token generated. Mail is sent as ${outcome.username}. You can close this page.`;
    return { result: '1', message, account: outcome.username, tenantId: outcome.tenantId };
  }
  const remedy = remedyOf(outcome.remedy);
  return { result: '0', message: outcome.message, code: outcome.code, ...(remedy && { remedy }) };
}

/** A browser names XML among what it takes; a program that wants JSON says so, and no XML. */
const wantsJson = (headers: Headers): boolean => {
  const accept = headers.get('accept') ?? '';
  return accept.includes('application/json') && !/\b(?:xml|html)\b/.test(accept);
};

function xmlOf({ result, message, code, account, tenantId, remedy }: Shown): string {
  const element = (name: string, value: string | undefined, indent: string) =>
    value === undefined ? '' : `${indent}<${name}>${escaped(value)}</${name}>\n`;
  const deep = '        ';
  const steps = remedy?.doThis.map((step) => element('step', step, deep)).join('') ?? '';
  const help = remedy
    ? `      <remedy>\n${element('title', remedy.title, deep)}${element('means', remedy.means, deep)}${steps}${element('takes', remedy.takes, deep)}      </remedy>\n`
    : '';
  const inner = '      ';
  return `<?xml version="1.0" encoding="UTF-8"?>
<commands>
    <command>
${element('type', 'getoauthtoken', inner)}${element('result', result, inner)}${element('message', message, inner)}${element('code', code, inner)}${element('account', account, inner)}${element('tenant', tenantId, inner)}${help}    </command>
</commands>
`;
}

const escaped = (value: string): string =>
  value
    // biome-ignore lint/suspicious/noControlCharactersInRegex: XML 1.0 section 2.2 allows no other control characters
    .replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g, '')
    .replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);
