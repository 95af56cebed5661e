import type { INetworkModule, NetworkRequestOptions, NetworkResponse } from '@azure/msal-node';

/** What the last answer of the token endpoint said besides the tokens; times in seconds. */
export interface Told {
  /** HTTP status; absent where no answer came. */
  status?: number;
  expiresIn?: number;
  retryAfter?: number;
}

/**
 * The way to Entra for MSAL, whose own has no time-out for POST and follows redirects, with the client secret in hand.
 * A page instead of JSON (a proxy, a captive portal) counts as passing.
 * @param timeout milliseconds for one request
 */
export const networkOf = (timeout: number): { network: INetworkModule; told: Told } => {
  const told: Told = {};
  const send = async <T>(
    method: 'GET' | 'POST',
    url: string,
    options: NetworkRequestOptions | undefined,
  ): Promise<NetworkResponse<T>> => {
    const response = await fetch(url, {
      method,
      headers: options?.headers ?? {},
      ...(method === 'POST' && { body: options?.body ?? '' }),
      redirect: 'error',
      signal: AbortSignal.timeout(timeout),
    });
    const body = jsonOf(await response.text()) ?? {
      error: 'temporarily_unavailable',
      error_description: `Entra answered ${response.status} with a page instead of JSON.`,
    };
    if (method === 'POST') {
      told.status = response.status;
      const { expires_in: expiresIn } = body as { expires_in?: unknown };
      const retryAfter = Number(response.headers.get('retry-after'));
      if (Number(expiresIn) > 0) told.expiresIn = Number(expiresIn);
      if (retryAfter > 0) told.retryAfter = retryAfter;
    }
    return { headers: Object.fromEntries(response.headers), body: body as T, status: response.status };
  };
  return {
    told,
    network: {
      sendGetRequestAsync: (url, options) => send('GET', url, options),
      sendPostRequestAsync: (url, options) => send('POST', url, options),
    },
  };
};

const jsonOf = (text: string): object | undefined => {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? value : undefined;
  } catch {
    return undefined;
  }
};
