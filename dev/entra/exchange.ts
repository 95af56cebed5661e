import { exchange as texts } from '../smtp/exchange.ts';
import { type Directory, findRegistration } from './directory.ts';
import type { Mint } from './mint.ts';
import { isExchange } from './scopes.ts';

const host = 'AM0PR02CA0001.eurprd02.prod.outlook.com';
const refused = (why: string) => `535 5.7.139 Authentication unsuccessful, ${why} [${host}]`;

/** Why Exchange lets nobody in although the token is good (facts of SMTP AUTH, learn.microsoft.com). */
export const switches = {
  'off-for-tenant': refused(
    'SmtpClientAuthentication is disabled for the Tenant. Visit https://aka.ms/smtp_auth_disabled for more information.',
  ),
  'off-for-mailbox': refused(
    'SmtpClientAuthentication is disabled for the Mailbox. Visit https://aka.ms/smtp_auth_disabled for more information.',
  ),
  'security-defaults': refused(
    "user is locked by your organization's security defaults policy. Contact your administrator.",
  ),
  'conditional-access': refused('the request did not meet the criteria to be authenticated successfully.'),
} as const;
export type Switch = keyof typeof switches;

/** How Exchange Online judges `AUTH XOAUTH2`. @returns `ok`, or its reply line */
export const exchangeDoor = ({ directory, mint, now }: { directory: Directory; mint: Mint; now(): number }) => {
  let thrown: Switch | undefined;
  const unsuccessful = texts.authenticationUnsuccessful;
  return {
    /** Throws one of the switches of Exchange's administrators; `undefined`: all are as they should be. */
    throwSwitch: (which: Switch | undefined) => {
      thrown = which;
    },
    checkToken: (user: string, token: string): 'ok' | string => {
      const claims = mint.readAccess(token);
      if (!claims || !isExchange(claims.aud) || claims.exp * 1000 <= now()) return unsuccessful;
      const same = (one: string) => one.toLowerCase() === user.toLowerCase();
      const delegated = claims.scp?.split(' ').includes('SMTP.Send') === true && same(claims.upn ?? '');
      const mailboxes = findRegistration(directory, claims.appid)?.mailboxes ?? [];
      const asApp = claims.roles?.includes('SMTP.SendAsApp') === true && mailboxes.some(same);
      if (!delegated && !asApp) return unsuccessful;
      return thrown ? switches[thrown] : 'ok';
    },
  };
};
