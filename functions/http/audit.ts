import { z } from 'zod';
import { type AuditLog, auditEntry } from '../../lib/audit/audit.ts';
import { continuation, continuationOf, pageLimit } from '../../lib/http/paging.ts';
import { type AnyRoute, route } from '../../lib/http/route.ts';
import { nextPage } from '../../lib/storage/page.ts';

export const auditRoutes = (audit: AuditLog): AnyRoute[] => [
  route({
    name: 'listAudit',
    method: 'GET',
    path: 'api/audit',
    access: ['Admin'],
    summary: 'Who did what, newest first.',
    query: z.object({
      limit: pageLimit(200, 50),
      after: continuation(nextPage).optional(),
      subject: z.string().max(1000).optional(),
    }),
    answers: {
      200: {
        description: 'Entries, and `next` where there may be more, even after none: give it as `after`.',
        schema: z.object({ entries: z.array(auditEntry), next: z.string().optional() }),
      },
    },
    handle: async ({ query }) => {
      const { entries, next } = await audit.list(query);
      return { status: 200, body: { entries, ...(next && { next: continuationOf(next) }) } };
    },
  }),
];
