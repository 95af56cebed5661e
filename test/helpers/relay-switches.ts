import type { Postern } from '../../functions/app.ts';
import { ask } from './http.ts';

/** An admin's request to one of the routes, through the real edge. @returns status and JSON */
export const asAdmin = async (
  postern: Postern,
  name: string,
  body?: object,
): Promise<{ status: number | undefined; json: Record<string, never> }> => {
  const route = postern.routes.find((it) => it.name === name);
  if (!route) throw new Error(`no route ${name}`);
  const answer = await ask(route, { path: `/${route.path}`, as: ['Admin'], ...(body ? { body } : {}) });
  return { status: answer.status, json: answer.json as Record<string, never> };
};
