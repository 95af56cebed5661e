import { ignoresForAny } from '../do-not-email/gate.ts';
import type { FieldFault } from '../errors.ts';
import { canonicalAddress } from '../message/address.ts';
import type { Settings } from './schema.ts';

/** What the rules know beside the settings themselves. */
export interface Circumstances {
  /** Milliseconds since 1970. */
  now: number;
  /** Why the mail command of `type` cannot be run here, in words; `undefined` where it can, and for `smtp`. */
  commandFault: string | undefined;
  /** What is wrong with `delivery.retry`, in words; `undefined` where it is right. */
  scheduleFault: string | undefined;
}

export interface Rule {
  /** Stable: part of the contract where it is a warning's `code`. */
  id: string;
  /** The field to change. */
  path: string;
  when(settings: Settings, circumstances: Circumstances): boolean;
  /** What is wrong and what to do. */
  sentence: string | ((settings: Settings, circumstances: Circumstances) => string);
}

export interface Warning {
  path: string;
  code: string;
  reason: string;
}

const smtp = (s: Settings) => s.type === 'smtp';
const signsIn = (s: Settings) => smtp(s) && s.smtp.auth.enabled;
const basic = (s: Settings) => signsIn(s) && s.smtp.auth.type === 'basic';
const xoauth2 = (s: Settings) => signsIn(s) && s.smtp.auth.type === 'xoauth2';
const usesClientSecret = (s: Settings) => xoauth2(s) && s.smtp.auth.oauth.credential === 'secret';
const office365 = (s: Settings) =>
  smtp(s) && /^smtp\.(office365\.(com|us)|partner\.outlook\.cn)$/.test(s.smtp.host) && s.smtp.auth.enabled;

/** The last moment of the day that the client secret ends on. */
const secretEnds = (s: Settings) => Date.parse(`${s.smtp.auth.oauth.clientSecretExpires}T23:59:59Z`);
const month = 30 * 86_400_000;

/** What is refused although every field for itself is right. */
export const refusals: readonly Rule[] = [
  {
    id: 'from-missing',
    path: 'from.address',
    when: (s) => s.from.address === '',
    sentence: 'give the address that mail is sent from where it names no sender',
  },
  {
    id: 'host-missing',
    path: 'smtp.host',
    when: (s) => smtp(s) && s.smtp.host === '',
    sentence: 'give the SMTP server, or choose another email type',
  },
  {
    id: 'user-missing',
    path: 'smtp.auth.user',
    when: (s) => signsIn(s) && s.smtp.auth.user === '',
    sentence: 'give the user name, or switch authentication off',
  },
  {
    id: 'from-is-not-user',
    path: 'from.address',
    when: (s) =>
      xoauth2(s) && !s.smtp.auth.sendAs && canonicalAddress(s.from.address) !== canonicalAddress(s.smtp.auth.user),
    sentence:
      'with XOAUTH2 it must be the same as SMTP Auth User (smtp.auth.user), unless that user may send as others (smtp.auth.sendAs)',
  },
  {
    id: 'token-in-the-clear',
    path: 'smtp.security',
    // RFC 7628 section 4: a bearer token may only go over TLS.
    when: (s) => xoauth2(s) && s.smtp.security === 'none',
    sentence: 'with XOAUTH2 choose TLS or SSL: a token may not travel unencrypted',
  },
  {
    id: 'tenant-missing',
    path: 'smtp.auth.oauth.tenantId',
    when: (s) => xoauth2(s) && s.smtp.auth.oauth.tenantId === '',
    sentence: 'give the directory (tenant) id of the app registration',
  },
  {
    id: 'client-missing',
    path: 'smtp.auth.oauth.clientId',
    when: (s) => xoauth2(s) && s.smtp.auth.oauth.clientId === '',
    sentence: 'give the application (client) id of the app registration',
  },
  {
    id: 'redirect-missing',
    path: 'smtp.auth.oauth.redirectUri',
    when: (s) => xoauth2(s) && s.smtp.auth.oauth.grant === 'delegated' && s.smtp.auth.oauth.redirectUri === '',
    sentence: 'give the redirect URI that is registered with the app: the delegated grant needs it to generate a token',
  },
  {
    id: 'sendmail-not-found',
    path: 'sendmail.path',
    when: (s, { commandFault }) => s.type === 'sendmail' && commandFault !== undefined,
    sentence: (_, { commandFault }) => commandFault ?? '',
  },
  {
    id: 'mail-not-found',
    path: 'type',
    when: (s, { commandFault }) => s.type === 'mail' && commandFault !== undefined,
    sentence: (_, { commandFault }) => commandFault ?? '',
  },
  {
    id: 'reserve-too-large',
    path: 'limit.priorityReserve',
    when: ({ limit }) => limit.per24Hours > 0 && limit.priorityReserve >= limit.per24Hours,
    sentence: 'must be smaller than the maximum in 24 hours, or no ordinary mail could ever be sent',
  },
  {
    id: 'retry-unreadable',
    path: 'delivery.retry',
    when: (_, { scheduleFault }) => scheduleFault !== undefined,
    sentence: (_, { scheduleFault }) => scheduleFault ?? '',
  },
];

/** What is saved, and told. */
export const warnings: readonly Rule[] = [
  {
    id: 'port-is-for-ssl',
    path: 'smtp.security',
    when: (s) => smtp(s) && s.smtp.port === 465 && s.smtp.security !== 'ssl',
    sentence: 'port 465 usually speaks SSL from the first byte; choose SSL, or port 587',
  },
  {
    id: 'port-is-for-tls',
    path: 'smtp.security',
    when: (s) => smtp(s) && [25, 587].includes(s.smtp.port) && s.smtp.security === 'ssl',
    sentence: (s) => `port ${s.smtp.port} usually begins in the clear; choose TLS (STARTTLS), or port 465`,
  },
  {
    id: 'port-25-blocked',
    path: 'smtp.port',
    when: (s) => smtp(s) && s.smtp.port === 25,
    sentence: 'Azure blocks port 25 to the outside for most subscriptions; prefer 587 where the server offers it',
  },
  {
    id: 'password-in-the-clear',
    path: 'smtp.security',
    when: (s) => basic(s) && s.smtp.security === 'none',
    sentence: 'the password travels unencrypted; choose TLS or SSL',
  },
  {
    id: 'password-missing',
    path: 'smtp.auth.password',
    when: (s) => basic(s) && !s.smtp.auth.password.set,
    sentence: 'no password is stored: mail waits until a master admin gives it',
  },
  {
    id: 'client-secret-missing',
    path: 'smtp.auth.oauth.clientSecret',
    when: (s) => usesClientSecret(s) && !s.smtp.auth.oauth.clientSecret.set,
    sentence: 'no client secret is stored: no token can be had until a master admin gives it',
  },
  {
    id: 'client-secret-without-end',
    path: 'smtp.auth.oauth.clientSecretExpires',
    when: (s) =>
      usesClientSecret(s) && s.smtp.auth.oauth.clientSecret.set && s.smtp.auth.oauth.clientSecretExpires === '',
    sentence: 'give the end date of the client secret, so that nobody is surprised by it',
  },
  {
    id: 'client-secret-expired',
    path: 'smtp.auth.oauth.clientSecretExpires',
    when: (s, { now }) => usesClientSecret(s) && secretEnds(s) < now,
    sentence: (s) => `the client secret ended on ${s.smtp.auth.oauth.clientSecretExpires}; make a new one`,
  },
  {
    id: 'client-secret-ends-soon',
    path: 'smtp.auth.oauth.clientSecretExpires',
    when: (s, { now }) => usesClientSecret(s) && secretEnds(s) >= now && secretEnds(s) < now + month,
    sentence: (s) => `the client secret ends on ${s.smtp.auth.oauth.clientSecretExpires}; make a new one soon`,
  },
  {
    id: 'redirect-not-ours',
    path: 'smtp.auth.oauth.redirectUri',
    when: ({ smtp: { auth } }) =>
      auth.oauth.redirectUri !== '' && !new URL(auth.oauth.redirectUri).pathname.endsWith('/getoauthtoken'),
    sentence: 'it does not end in /getoauthtoken; something in front must lead it to /api/getoauthtoken',
  },
  {
    id: 'office-365-basic',
    path: 'smtp.auth.type',
    // Microsoft message MC786329, as of January 2026.
    when: (s) => office365(s) && basic(s),
    sentence: 'Office 365 switches Basic off for existing tenants at the end of December 2026; prefer XOAUTH2',
  },
  {
    id: 'office-365-pace',
    path: 'limit.perMinute',
    when: (s) => office365(s) && (s.limit.perMinute === 0 || s.limit.perMinute > 30),
    sentence: 'Office 365 takes 30 mails a minute from a mailbox; set 30 or less',
  },
  {
    id: 'office-365-connections',
    path: 'limit.connections',
    when: (s) => office365(s) && s.limit.connections > 3,
    sentence: 'Office 365 takes 3 connections at a time from a mailbox; set 3 or less',
  },
  {
    id: 'reserve-without-limit',
    path: 'limit.priorityReserve',
    when: ({ limit }) => limit.per24Hours === 0 && limit.priorityReserve > 0,
    sentence: 'has no effect while there is no maximum in 24 hours',
  },
  {
    id: 'reply-to-missing',
    path: 'replyTo.address',
    when: ({ replyTo }) => replyTo.always && replyTo.address === '',
    sentence: 'there is no Reply-To address to show: users’ own is concealed and replies go to the From address',
  },
  {
    id: 'list-ignored',
    path: 'doNotEmail.ignoreForAny',
    when: ({ doNotEmail }, { now }) => ignoresForAny(doNotEmail, now) && doNotEmail.ignoreForAnyReason !== '',
    sentence: ({ doNotEmail: { ignoreForAnyUntil: until } }) =>
      `everybody on the Do Not Email list is mailed ${until === '' ? 'while this is on' : `until ${until}`}`,
  },
  {
    id: 'list-ignored-without-reason',
    path: 'doNotEmail.ignoreForAnyReason',
    when: ({ doNotEmail }, { now }) => ignoresForAny(doNotEmail, now) && doNotEmail.ignoreForAnyReason === '',
    sentence: ({ doNotEmail }) =>
      `everybody on the Do Not Email list is mailed until ${doNotEmail.ignoreForAnyUntil || 'a day after the next save'}: say why, since without a reason this ends after a day, and the reason is kept with every mail that it lets pass`,
  },
  {
    id: 'list-ignored-no-more',
    path: 'doNotEmail.ignoreForAnyUntil',
    when: ({ doNotEmail }, { now }) => doNotEmail.ignoreForAny && !ignoresForAny(doNotEmail, now),
    sentence: 'this time has passed: the Do Not Email list is honoured again although the switch is on',
  },
];

const broken = (rules: readonly Rule[], settings: Settings, circumstances: Circumstances) =>
  rules
    .filter((rule) => rule.when(settings, circumstances))
    .map(({ id, path, sentence }) => ({
      id,
      path,
      reason: typeof sentence === 'string' ? sentence : sentence(settings, circumstances),
    }));

export const refusalsOf = (settings: Settings, circumstances: Circumstances): FieldFault[] =>
  broken(refusals, settings, circumstances).map(({ path, reason }) => ({ path, reason }));

export const warningsOf = (settings: Settings, circumstances: Circumstances): Warning[] =>
  broken(warnings, settings, circumstances).map(({ id, path, reason }) => ({ path, code: id, reason }));
