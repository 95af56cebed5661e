import { z } from 'zod';
import type { Settings } from './schema.ts';
import { type SecretReferences, sealedNames, sealedSecrets } from './seal.ts';

const scalar = z.union([z.string(), z.number(), z.boolean()]);
type Scalar = z.output<typeof scalar>;

/** One changed field. Of a secret only what happened to it is told. */
export const changeSchema = z.union([
  z.object({ path: z.string(), from: scalar, to: scalar }),
  z.object({ path: z.string(), secret: z.enum(['set', 'changed', 'removed']) }),
]);
export type Change = z.output<typeof changeSchema>;

/** Every field with its path, secrets left out. */
const leaves = (value: unknown, path: string, into: Map<string, Scalar>): Map<string, Scalar> => {
  if (sealedNames.some((name) => sealedSecrets[name].path === path)) return into;
  if (typeof value !== 'object' || value === null) return into.set(path, value as Scalar);
  for (const [key, inner] of Object.entries(value)) leaves(inner, path ? `${path}.${key}` : key, into);
  return into;
};

/** What changed from one state of the settings to another, field by field. */
export const difference = (
  before: { settings: Settings; secrets: SecretReferences },
  after: { settings: Settings; secrets: SecretReferences },
): Change[] => {
  const old = leaves(before.settings, '', new Map());
  const fields: Change[] = [...leaves(after.settings, '', new Map())]
    .filter(([path, to]) => old.get(path) !== to)
    .map(([path, to]) => ({ path, from: old.get(path) ?? '', to }));
  const secrets = sealedNames.flatMap((name): Change[] => {
    const { path } = sealedSecrets[name];
    const from = before.secrets[name]?.version;
    const to = after.secrets[name]?.version;
    if (from === to) return [];
    if (!from) return [{ path, secret: 'set' }];
    return [{ path, secret: to ? 'changed' : 'removed' }];
  });
  return [...fields, ...secrets];
};
