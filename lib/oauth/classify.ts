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
  const { cause, status, retryAfter } = error;
  // The kept cache does not hold the account: nothing was asked of Entra.
  if (cause === undefined) return { fault: cacheLost() };
  const { classifyRefusal, classifyTokenError } = await import('./aadsts.ts');
  const fault = classifyTokenError(cause);
  // MSAL forgets the status of what it takes for a matter of signing in. A throttled answer is none, whatever it says.
  const passing = status !== undefined && (status === 429 || status >= 500);
  if (!passing || fault.kind === 'temporary') return { fault, retryAfter };
  return { fault: classifyRefusal({ error: fault.rule, status, description: fault.reply }), retryAfter };
};

/** By name, since its module brings MSAL along, which is loaded only where Entra is asked. */
const isEntraFailure = (error: unknown): error is EntraFailure =>
  error instanceof Error && error.name === 'EntraFailure';
