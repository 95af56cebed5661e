import type { FaultInput, FaultReport } from '../smtp/faults.ts';

/** The stack's HTTP APIs, as an admin, a service, and the one who breaks the relay. */
export interface Api {
  /** @throws Error with status and body where the answer is none of 2xx. */
  admin<T>(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<T>;
  /** One request of a platform service; rejects only where there is no answer. */
  service(path: string, body: unknown, headers: Record<string, string>): Promise<{ status: number; body: unknown }>;
  setFaults(list: FaultInput[]): Promise<void>;
  faults(): Promise<FaultReport[]>;
  /** Newest first. @param query of the inbox's list, such as `?limit=100` */
  inbox(query?: string): Promise<InboxLine[]>;
}

export interface InboxLine {
  rcptTo: string[];
  subject: string;
  /** ISO 8601. */
  date: string;
}

export const chaosApi = (env: Record<string, string>): Api => {
  const { POSTERN_URL: url, SMTP_FAULTS_URL: faultsUrl = '', INBOX_URL: inboxUrl } = env;
  const json = { 'content-type': 'application/json' };
  const ask = async <T>(address: string, init: RequestInit): Promise<T> => {
    const response = await fetch(address, init);
    const text = await response.text();
    if (!response.ok) throw new Error(`${init.method} ${address}: ${response.status} ${text.slice(0, 500)}`);
    return (text === '' ? undefined : JSON.parse(text)) as T;
  };
  return {
    admin: (method, path, body, headers = {}) =>
      ask(`${url}${path}`, {
        method,
        headers: { authorization: `Bearer ${env.MASTER_ADMIN_TOKEN}`, ...json, ...headers },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      }),
    service: async (path, body, headers) => {
      const response = await fetch(`${url}${path}`, {
        method: 'POST',
        headers: { authorization: `Bearer ${env.SERVICE_TOKEN}`, ...json, ...headers },
        body: JSON.stringify(body),
      });
      const text = await response.text();
      const isJson = response.headers.get('content-type')?.includes('json');
      return { status: response.status, body: isJson ? JSON.parse(text) : text };
    },
    setFaults: async (list) => {
      await ask(faultsUrl, { method: 'PUT', headers: json, body: JSON.stringify(list) });
    },
    faults: () => ask(faultsUrl, { method: 'GET' }),
    inbox: (query = '') => ask(`${inboxUrl}/api/messages${query}`, { method: 'GET' }),
  };
};

/** What `GET /api/relay` tells, as far as it matters here. */
export interface RelayView {
  state: 'closed' | 'open' | 'probing';
  cause: { class: string; reply: string } | null;
  waiting: Record<string, number>;
}

/** Tries again for some seconds: a host may just have died. */
export const patiently = async <T>(work: () => Promise<T>, tries = 20): Promise<T> => {
  for (let n = 1; ; n++) {
    try {
      return await work();
    } catch (error) {
      if (n >= tries) throw error;
      await new Promise((resolve) => setTimeout(resolve, 300));
    }
  }
};
