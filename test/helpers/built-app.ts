import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { inject } from 'vitest';
import { buildApp } from '../../dev/build.ts';

let built: Promise<string> | undefined;

const build = async (): Promise<string> => {
  const folder = join(inject('builds'), randomUUID());
  await buildApp(folder);
  return folder;
};

/** Folder of the bundle that is deployed, from the sources as they are, built once in each process of the tests. */
export const builtApp = (): Promise<string> => {
  built ??= build();
  return built;
};
