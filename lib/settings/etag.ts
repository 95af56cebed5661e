import { PosternError } from '../errors.ts';

/** Conditions of a PUT, as the header fields have them (RFC 9110 sections 13.1.1 and 13.1.2). */
export interface Precondition {
  ifMatch?: string | null | undefined;
  ifNoneMatch?: string | null | undefined;
}

export const etagOf = (revision: number): string => `"${revision}"`;

/** RFC 9110 section 8.8.3. */
const entityTag = /^\s*(?:W\/)?"[^"]*"\s*$/;

/**
 * @param etag one entity tag. A weak one counts as the strong one: proxies that compress an answer weaken its tag, and
 * the revision names the document exactly.
 */
export const revisionOf = (etag: string): number | undefined => {
  const digits = /^\s*(?:W\/)?"(\d{1,15})"\s*$/.exec(etag)?.[1];
  return digits === undefined ? undefined : Number(digits);
};

/**
 * @param revision of the stored settings, 0 where nothing was saved yet
 * @throws PosternError `precondition-required` without a condition, `precondition-failed` where it does not hold,
 * `invalid-request` where a tag has lost its quotes
 */
export const checkPrecondition = (revision: number, { ifMatch, ifNoneMatch }: Precondition): void => {
  if (ifMatch) {
    const holds = ifMatch.trim() === '*' || ifMatch.split(',').some((etag) => revisionOf(etag) === revision);
    if (holds) return;
    if (!ifMatch.split(',').every((etag) => entityTag.test(etag))) {
      const detail = 'If-Match wants the ETag as GET gave it, in its quotes, such as If-Match: "7".';
      throw new PosternError('invalid-request', detail);
    }
    throw new PosternError(
      'precondition-failed',
      'The settings changed since you read them. Read them again, then repeat your change.',
    );
  }
  if (ifNoneMatch?.trim() === '*') {
    if (revision === 0) return;
    throw new PosternError('precondition-failed', 'There are settings already. Read them, then send their ETag.');
  }
  throw new PosternError(
    'precondition-required',
    'Send the ETag of the settings that you read as If-Match, so that nobody’s change is overwritten unseen.',
  );
};
