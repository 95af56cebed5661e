import { createHash } from 'node:crypto';
import type { Settings } from '../settings/schema.ts';

/** Whether mail goes by XOAUTH2 with these settings. */
export const usesOAuth = ({ type, smtp }: Settings): boolean =>
  type === 'smtp' && smtp.auth.enabled && smtp.auth.type === 'xoauth2';

/**
 * What a connection is for, as SHA-256 in hex: a token that was generated for one server, user, tenant and application
 * is never used for another (law 6).
 */
export const sealOfUse = ({ smtp }: Settings): string => {
  const { provider, cloud, grant, tenantId, clientId } = smtp.auth.oauth;
  const user = smtp.auth.user.toLowerCase();
  const parts = [smtp.host, smtp.port, user, provider, cloud, grant, tenantId.toLowerCase(), clientId.toLowerCase()];
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex');
};
