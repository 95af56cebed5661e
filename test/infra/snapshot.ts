import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { infraFolder, type ParameterSet } from '../../dev/infra.ts';

/** A resource as the compiler predicts it. Values that are known at run time only are expressions in brackets. */
export interface Resource {
  id: string;
  type: string;
  name: string;
  // biome-ignore lint/suspicious/noExplicitAny: shapes of some twenty resource types; the compiler checked them
  properties: any;
  // biome-ignore lint/suspicious/noExplicitAny: as above
  [other: string]: any;
}

export interface Snapshot {
  predictedResources: Resource[];
  outputs: Record<string, unknown>;
  diagnostics: unknown[];
}

export const readSnapshot = (set: ParameterSet, folder: string = infraFolder): Snapshot =>
  JSON.parse(readFileSync(join(folder, `snapshots/${set}.snapshot.json`), 'utf8'));

export const ofType = (snapshot: Snapshot, type: string): Resource[] =>
  snapshot.predictedResources.filter((resource) => resource.type === `Microsoft.${type}`);

/** `account/default/mail` → `mail`. */
export const leaf = (name: string): string => name.slice(name.lastIndexOf('/') + 1);
