import type { RpcData } from './core-types.ts';

/** What the storage queue tells about a message, under the names of the trigger's binding data. */
export interface QueueFacts {
  id: string;
  popReceipt: string;
  dequeueCount: number;
  insertedOn: Date;
  expiresOn: Date;
  nextVisibleOn: Date;
}

/**
 * Trigger metadata of a queue message. Top-level properties of a JSON body overwrite what the queue says, whatever
 * their case, and arrive as .NET strings: so does the real host (`Utility.ApplyBindingData`), and a producer can forge
 * `dequeueCount` that way. A handler must not believe them.
 */
export const queueMetadata = (body: string, facts: QueueFacts): Record<string, RpcData> => {
  const metadata = new Map<string, RpcData>([
    ['QueueTrigger', { string: body }],
    ['DequeueCount', { int: facts.dequeueCount }],
    ['ExpirationTime', { json: JSON.stringify(facts.expiresOn) }],
    ['Id', { string: facts.id }],
    ['InsertionTime', { json: JSON.stringify(facts.insertedOn) }],
    ['NextVisibleTime', { json: JSON.stringify(facts.nextVisibleOn) }],
    ['PopReceipt', { string: facts.popReceipt }],
  ]);
  for (const [name, value] of Object.entries(objectOf(body))) {
    if (Array.isArray(value)) continue;
    const known = [...metadata.keys()].find((key) => key.toLowerCase() === name.toLowerCase());
    metadata.set(known ?? name, { string: dotNetString(value) });
  }
  return Object.fromEntries(metadata);
};

function objectOf(body: string): object {
  try {
    const json: unknown = JSON.parse(body);
    return typeof json === 'object' && json !== null && !Array.isArray(json) ? json : {};
  } catch {
    return {};
  }
}

const isoTime = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:\d{2})?$/;

/** `ToString()` of a Newtonsoft value in the invariant culture: `True`, `11/23/2026 00:00:00`. */
function dotNetString(value: unknown): string {
  if (value === null) return '';
  if (typeof value === 'boolean') return value ? 'True' : 'False';
  if (typeof value === 'object') return JSON.stringify(value, null, 2);
  if (typeof value === 'string' && isoTime.test(value)) {
    const [date = '', time = ''] = new Date(value).toISOString().split('T');
    const [year, month, day] = date.split('-');
    return `${month}/${day}/${year} ${time.slice(0, 8)}`;
  }
  return String(value);
}
