import { EntraRefusal } from './errors.ts';

/** Exchange Online's resource in each cloud, by the host in a scope, as it appears as audience of a token. */
const exchangeHosts = new Set([
  'outlook.office.com',
  'outlook.office365.com',
  'outlook.office365.us',
  'outlook-dod.office365.us',
  'partner.outlook.cn',
]);

const openid = new Set(['openid', 'profile', 'email', 'offline_access']);

export interface Asked {
  /** Audience of the access token. */
  audience: string;
  /** Permissions asked for, without the resource; `.default` = what was granted. */
  permissions: string[];
  offline: boolean;
}

/** @throws EntraRefusal 70011 where a scope is not of one resource, 500011 where the resource is unknown here. */
export const readScope = (scope: string): Asked => {
  const all = scope.split(' ').filter(Boolean);
  const own = all.filter((it) => !openid.has(it));
  if (own.length === 0 || !own.every((it) => URL.canParse(it))) throw new EntraRefusal(70011);
  const origins = new Set(own.map((it) => new URL(it).origin));
  if (origins.size !== 1) throw new EntraRefusal(28002);
  const [audience = ''] = origins;
  const known = exchangeHosts.has(new URL(audience).host) || audience === 'https://graph.microsoft.com';
  if (!known) throw new EntraRefusal(500011);
  return {
    audience,
    permissions: own.map((it) => new URL(it).pathname.slice(1)),
    offline: all.includes('offline_access'),
  };
};

export const isExchange = (audience: string): boolean => exchangeHosts.has(new URL(audience).host);
