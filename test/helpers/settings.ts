import type { Settings } from '../../lib/settings/schema.ts';

/** A copy of the settings with the values at these paths (`smtp.port`) in place. */
export const settingsWith = (settings: Settings, values: Record<string, unknown>): Settings => {
  const copy = structuredClone(settings);
  for (const [path, value] of Object.entries(values)) {
    const keys = path.split('.');
    const last = keys.pop() ?? '';
    const parent = keys.reduce<unknown>((node, key) => (node as Record<string, unknown>)[key], copy);
    (parent as Record<string, unknown>)[last] = value;
  }
  return copy;
};
