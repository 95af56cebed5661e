import type { TokenFailure } from './aadsts.ts';
import type { EntraFailure } from './entra.ts';
import { cacheLost } from './faults.ts';
import { TokenFault } from './tokens.ts';

/**
 * What kept us from a token, as a fault.
 * @returns with the seconds that Entra asked to wait @throws the error itself where it is none of a token's
 */
export const classifyFailure = async (
  error: unknown,
): Promise<{ fault: TokenFailure; retryAfter?: number | undefined }> => {
  if (error instanceof TokenFault) return { fault: error.fault as TokenFailure };
  if (!isEntraFailure(error)) throw error;
  const { cause, retryAfter } = error;
  // The kept cache does not hold the account: nothing was asked of Entra.
  if (cause === undefined) return { fault: cacheLost() };
  const { classifyTokenError } = await import('./aadsts.ts');
  return { fault: classifyTokenError(cause), retryAfter };
};

/** By name, since its module brings MSAL along, which is loaded only where Entra is asked. */
const isEntraFailure = (error: unknown): error is EntraFailure =>
  error instanceof Error && error.name === 'EntraFailure';
