import { expect } from 'vitest';
import { roles } from '../../lib/http/principal.ts';
import { registrations } from '../../lib/http/register.ts';
import type { AnyRoute } from '../../lib/http/route.ts';
import { ask, logLines, publicUrl } from './http.ts';

/**
 * Law 8 on a list of routes: what is public is exactly what is listed, and every other route answers nobody without
 * sign-in, nobody with a forged header where Easy Auth is off, and no role that it does not name. A closed route whose
 * guard let somebody through would answer something else than 401 and 403.
 * @param declaredPublic `GET api/health` and so on: the one place where a route is made public on purpose
 */
export const assertClosed = async (routes: readonly AnyRoute[], declaredPublic: readonly string[]): Promise<void> => {
  const isPublic = ({ access }: AnyRoute) => access === 'public';
  const found = routes.filter(isPublic).map(told);
  const byMistake = found.filter((it) => !declaredPublic.includes(it));
  expect(byMistake, `public without being declared so: ${byMistake}`).toEqual([]);
  expect(found.sort()).toEqual([...declaredPublic].sort());
  for (const route of routes.filter((it) => !isPublic(it))) {
    const path = `/${route.path.replaceAll(/\{[^}]*\}/g, 'x')}`;
    expect(route.access.length, `${told(route)} names the roles that may`).toBeGreaterThan(0);
    expect((await ask(route, { path })).status, `${told(route)} without sign-in`).toBe(401);
    const forged = await ask(route, { path, as: roles }, { easyAuth: false });
    expect(forged.status, `${told(route)} with a forged principal`).toBe(401);
    expect((await ask(route, { path, as: [] })).status, `${told(route)} without a role`).toBe(403);
    for (const role of roles) {
      if (route.access.includes(role) || (role === 'MasterAdmin' && route.access.includes('Admin'))) continue;
      expect((await ask(route, { path, as: [role] })).status, `${told(route)} as ${role}`).toBe(403);
    }
  }
};

/** What the Functions host wants of a registration: methods and level named, no route of its own, no two alike. */
export const assertRegistrable = (routes: readonly AnyRoute[]): void => {
  const all = registrations(routes, { easyAuth: true, publicUrl, log: logLines().log });
  expect(all).toHaveLength(routes.length + 1);
  for (const { name, options } of all) {
    expect(options.methods.length, name).toBeGreaterThan(0);
    expect(options.authLevel, name).toBe('anonymous');
    expect(options.route, name).toMatch(/^(?!admin|runtime)[a-z]/i);
    expect(name, name).toMatch(/^(?!admin|runtime)[a-z][A-Za-z0-9]*$/i);
  }
};

const told = ({ method, path }: AnyRoute): string => `${method} ${path}`;
