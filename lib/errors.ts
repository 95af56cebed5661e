import type { KeyedRemedy } from './http/remedy.ts';

/**
 * The one error class for what Postern itself refuses. Thrown where the fault is found, translated once at the edge:
 * HTTP answers `application/problem+json` with `code` and `status`, the queue writes a visible `failed` row.
 */
export class PosternError extends Error {
  /** Stable, kebab-case, part of the contract; see `codes`. */
  readonly code: ErrorCode;
  /** Field-level faults: JSON path (`smtp.port`, `to.0.address`) and a sentence that says what to do. */
  readonly faults: readonly FieldFault[];
  /** What a service behind Postern said, where it is the one that refuses. */
  readonly reply: string | undefined;
  readonly remedy: KeyedRemedy | undefined;

  constructor(code: ErrorCode, detail: string, options: ErrorOptions = {}) {
    super(detail, { cause: options.cause });
    this.name = 'PosternError';
    this.code = code;
    this.faults = options.faults ?? [];
    this.reply = options.reply;
    this.remedy = options.remedy;
  }
}

interface ErrorOptions {
  faults?: readonly FieldFault[];
  reply?: string;
  remedy?: KeyedRemedy | undefined;
  cause?: unknown;
}

export interface FieldFault {
  path: string;
  reason: string;
}

/** Every code with its HTTP status and its title, which is the same for every occurrence (RFC 9457, section 3.1.3). */
export const codes = {
  'invalid-request': { status: 400, title: 'The request is not valid' },
  'invalid-json': { status: 400, title: 'The body is not valid JSON' },
  'length-required': { status: 411, title: 'The request has no Content-Length' },
  'body-too-large': { status: 413, title: 'The body is too large' },
  'unsupported-media-type': { status: 415, title: 'The content type is not supported' },
  'not-signed-in': { status: 401, title: 'Sign in first' },
  'not-allowed': { status: 403, title: 'Your role does not allow this' },
  'cross-site': { status: 403, title: 'The request comes from another site' },
  'not-found': { status: 404, title: 'There is no such thing' },
  'method-not-allowed': { status: 405, title: 'The method is not supported here' },
  'key-reused': { status: 409, title: 'The idempotency key was used for another message' },
  'illegal-state': { status: 409, title: 'The state does not allow this' },
  'entra-refused': { status: 409, title: 'Entra refuses the settings or the application' },
  'precondition-failed': { status: 412, title: 'Somebody else changed it meanwhile' },
  'precondition-required': { status: 428, title: 'If-Match is required' },
  'invalid-settings': { status: 422, title: 'The settings are not valid' },
  'too-many-requests': { status: 429, title: 'Too many requests' },
  internal: { status: 500, title: 'Something went wrong in Postern' },
  unavailable: { status: 503, title: 'A service that Postern depends on does not answer' },
} as const satisfies Record<string, { status: number; title: string }>;

export type ErrorCode = keyof typeof codes;
