import { z } from 'zod';
import { openApi } from '../../lib/http/openapi.ts';
import { type AnyRoute, route } from '../../lib/http/route.ts';
import type { Log } from '../../lib/log.ts';
import { queueSchema } from '../../lib/message/contract.ts';

interface Meta {
  /** Every route of the app, these included. Asked on each call, so that the list may be complete later. */
  routes(): readonly AnyRoute[];
  publicUrl: string;
  version: string;
  /** Rejects while the app cannot do its work, e.g. because storage does not answer. */
  probe(): Promise<void>;
  log: Log;
}

/** What the app says of itself, to anybody. None of it tells more than the published source does. */
export const metaRoutes = ({ routes, publicUrl, version, probe, log }: Meta): AnyRoute[] => [
  route({
    name: 'openApi',
    method: 'GET',
    path: 'api/openapi.json',
    access: 'public',
    summary: 'This API, as OpenAPI 3.1.',
    answers: { 200: { description: 'The description.', schema: z.looseObject({ openapi: z.string() }) } },
    handle: async () => ({ status: 200, body: openApi(routes(), { url: publicUrl, version }) }),
  }),
  route({
    name: 'queueContract',
    method: 'GET',
    path: 'api/contract.json',
    access: 'public',
    summary: 'The message that platform services put on the queues, as JSON Schema.',
    answers: {
      200: { description: 'JSON Schema, draft 2020-12.', schema: z.looseObject({}), type: 'application/schema+json' },
    },
    handle: async () => ({
      status: 200,
      headers: { 'content-type': 'application/schema+json' },
      body: queueSchema(),
    }),
  }),
  route({
    name: 'health',
    method: 'GET',
    path: 'api/health',
    access: 'public',
    summary: 'Whether the app can do its work: yes or no, the reason is in the log.',
    answers: {
      200: { description: 'Yes.', schema: z.object({ healthy: z.boolean() }) },
      503: { description: 'No.', schema: z.object({ healthy: z.boolean() }) },
    },
    handle: async () => {
      try {
        await probe();
        return { status: 200, body: { healthy: true } };
      } catch (error) {
        log.error('health.no', { reason: error instanceof Error ? error.message : String(error) });
        return { status: 503, body: { healthy: false } };
      }
    },
  }),
];
