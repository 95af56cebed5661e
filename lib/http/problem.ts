import { z } from 'zod';
import { codes, type ErrorCode, PosternError } from '../errors.ts';
import { keyedRemedy } from './remedy.ts';
import type { Reply } from './route.ts';

export const problemType = 'application/problem+json';

/**
 * RFC 9457, with Postern's stable `code`, the faults by field, what a service behind Postern said and what helps, and the
 * incident under which the log has the error.
 */
export const problemSchema = z
  .object({
    type: z.string().meta({ description: 'urn:postern:problem: and the code' }),
    title: z.string(),
    status: z.int(),
    detail: z.string(),
    code: z.enum(Object.keys(codes) as [ErrorCode, ...ErrorCode[]]),
    faults: z.array(z.object({ path: z.string(), reason: z.string() })).optional(),
    reply: z.string().optional().meta({ description: 'What the service behind Postern said that refuses.' }),
    remedy: keyedRemedy.optional(),
    incident: z.string().optional(),
  })
  .meta({ id: 'Problem' });
export type Problem = z.output<typeof problemSchema>;

/** The answer for what Postern refuses. */
export const problemOf = (error: PosternError, headers: Record<string, string> = {}): Reply => {
  const { status, title } = codes[error.code];
  const problem: Problem = {
    type: `urn:postern:problem:${error.code}`,
    title,
    status,
    detail: error.message,
    code: error.code,
    ...(error.faults.length > 0 && { faults: [...error.faults] }),
    ...(error.reply !== undefined && { reply: error.reply }),
    ...(error.remedy && { remedy: error.remedy }),
  };
  return { status, headers: { 'content-type': problemType, ...headers }, body: problem };
};

/** The answer for what nobody foresaw. It tells the caller nothing but the incident. */
export const incidentOf = (incident: string): Reply => {
  const detail = `This is not your fault. Tell the operators the incident ${incident}; the log has the rest.`;
  const reply = problemOf(new PosternError('internal', detail));
  return { ...reply, body: { ...(reply.body as Problem), incident } };
};
