import { existsSync, readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';

/** A .NET `TimeSpan` (`[d.]hh:mm:ss[.fff]`), read into milliseconds. */
const timeSpan = z.string().transform((text, context) => {
  const match = /^(?:(\d+)\.)?(\d{1,2}):(\d{2}):(\d{2})(?:\.(\d{1,7}))?$/.exec(text);
  if (!match) {
    context.addIssue({ code: 'custom', message: `"${text}" is not a time span like 00:00:30` });
    return z.NEVER;
  }
  const [, days = '0', hours, minutes, seconds, fraction = '0'] = match;
  const whole = ((Number(days) * 24 + Number(hours)) * 60 + Number(minutes)) * 60 + Number(seconds);
  return whole * 1000 + Math.floor(Number(`0.${fraction}`) * 1000);
});

/** Ranges and defaults of the storage queue extension, version 5 (Microsoft Learn, "Azure Queue storage trigger", host.json settings). */
const queues = z
  .object({
    batchSize: z.coerce.number().int().min(1).max(32).default(16),
    newBatchThreshold: z.coerce.number().int().min(0).optional(),
    maxPollingInterval: timeSpan.default(60_000),
    visibilityTimeout: timeSpan.default(0),
    maxDequeueCount: z.coerce.number().int().min(1).default(5),
    messageEncoding: z.enum(['base64', 'none']).default('base64'),
  })
  .transform((read) => ({
    ...read,
    newBatchThreshold: read.newBatchThreshold ?? Math.floor(read.batchSize / 2) * availableParallelism(),
    maxPollingInterval: Math.max(read.maxPollingInterval, 100),
  }));

const hostJson = z.object({
  version: z.literal('2.0'),
  extensions: z
    .object({
      http: z.object({ routePrefix: z.string().default('api') }).prefault({}),
      queues: queues.prefault({}),
    })
    .prefault({}),
});

export type HostJson = z.output<typeof hostJson>;
export type QueueOptions = HostJson['extensions']['queues'];

/**
 * Reads `host.json` of an app folder; app settings such as `AzureFunctionsJobHost__extensions__queues__batchSize`
 * override its values, as on the real host.
 * @throws Error that names the wrong path.
 */
export const readHostJson = (folder: string, env: Record<string, string | undefined>): HostJson => {
  const path = join(folder, 'host.json');
  if (!existsSync(path)) throw new Error(`${path} is missing: a functions app has a host.json`);
  const json: unknown = JSON.parse(readFileSync(path, 'utf8'));
  for (const [name, value] of Object.entries(env)) {
    const [head, ...keys] = name.split('__');
    if (head === 'AzureFunctionsJobHost' && value !== undefined) override(json, keys, value);
  }
  const read = hostJson.safeParse(json);
  if (read.success) return read.data;
  throw new Error(
    `${path}: ${read.error.issues.map(({ path: at, message }) => `${at.join('.')}: ${message}`).join('; ')}`,
  );
};

function override(json: unknown, keys: string[], value: string): void {
  let at = json as Record<string, unknown>;
  for (const key of keys.slice(0, -1)) {
    at[key] ??= {};
    at = at[key] as Record<string, unknown>;
  }
  const last = keys.at(-1);
  if (last) at[last] = value;
}
