import { createHmac, timingSafeEqual } from 'node:crypto';
import { z } from 'zod';
import type { Person } from './people.ts';

/** The name that App Service gives its session cookie. */
export const cookieName = 'AppServiceAuthSession';

const person = z.object({ name: z.string(), email: z.string().optional(), roles: z.array(z.string()) });

const sign = (payload: string, key: string) => createHmac('sha256', key).update(payload).digest('base64url');

/** The person in the cookie itself, signed: a session survives a restart of the gate with the same key. */
export const sealSession = (who: Person, key: string): string => {
  const payload = Buffer.from(JSON.stringify(who)).toString('base64url');
  return `${payload}.${sign(payload, key)}`;
};

/** @returns `undefined` for a cookie that this key did not sign: the caller is then nobody. */
export const openSession = (cookieHeader: string | undefined, key: string): Person | undefined => {
  const value = /(?:^|;\s*)AppServiceAuthSession=([^;]*)/.exec(cookieHeader ?? '')?.[1];
  const [payload = '', signature = ''] = (value ?? '').split('.');
  const expected = Buffer.from(sign(payload, key));
  const given = Buffer.from(signature);
  if (given.length !== expected.length || !timingSafeEqual(given, expected)) return undefined;
  const read = person.safeParse(JSON.parse(Buffer.from(payload, 'base64url').toString()));
  if (!read.success) return undefined;
  const { name, email, roles } = read.data;
  return { name, roles, ...(email && { email }) };
};
