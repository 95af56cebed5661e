/** One thing that must be true of an app that runs, and what is wrong where it is not. */
interface Check {
  what: string;
  path: string;
  headers?: Record<string, string>;
  is(answer: Response): boolean;
  otherwise: string;
}

/** A header that the platform must take away from outside: it claims the master administrator's role. */
const forged = Buffer.from(
  JSON.stringify({
    auth_typ: 'aad',
    role_typ: 'roles',
    claims: [
      { typ: 'http://schemas.microsoft.com/identity/claims/objectidentifier', val: 'smoke' },
      { typ: 'roles', val: 'Mail.MasterAdmin' },
    ],
  }),
).toString('base64');

const checks: Check[] = [
  {
    what: 'the app works',
    path: '/api/health',
    is: ({ status }) => status === 200,
    otherwise: 'No function answers, or storage is out of reach. Look at the log for "Postern cannot start".',
  },
  {
    what: 'closed routes are closed',
    path: '/api/settings',
    is: ({ status }) => status === 401,
    otherwise: 'A closed route answered somebody who is not signed in. Stop the app: az functionapp stop.',
  },
  {
    what: 'a forged principal is refused',
    path: '/api/settings',
    headers: { 'x-ms-client-principal': forged },
    is: ({ status }) => status === 401,
    otherwise: 'Anybody can be administrator: Easy Auth is not in front of the app. Stop the app: az functionapp stop.',
  },
  {
    what: 'people can sign in',
    path: '/.auth/login/aad',
    is: ({ status, headers }) => status === 302 && /\/oauth2\//.test(headers.get('location') ?? ''),
    otherwise: 'Easy Auth does not lead to Entra. Look at the authentication settings of the app.',
  },
];

export interface SmokeWorld {
  fetch: typeof globalThis.fetch;
  /** Waits before the next try: a new version takes a minute to start. */
  wait(): Promise<unknown>;
  tries: number;
}

/** Asks a deployed app from outside. @returns one line for each thing that is wrong */
export const smokeTest = async (url: string, { fetch, wait, tries }: SmokeWorld): Promise<string[]> => {
  const tryOnce = async () => {
    const faults: string[] = [];
    for (const { what, path, headers, is, otherwise } of checks) {
      const answer = await fetch(`${url}${path}`, { redirect: 'manual', headers: headers ?? {} }).catch(
        (error: Error) => error,
      );
      if (answer instanceof Response && is(answer)) continue;
      const got = answer instanceof Response ? `answered ${answer.status}` : answer.message;
      faults.push(`Not true that ${what}: ${path} ${got}. ${otherwise}`);
    }
    return faults;
  };
  let faults = await tryOnce();
  for (let tried = 1; faults.length > 0 && tried < tries; tried++) {
    await wait();
    faults = await tryOnce();
  }
  return faults;
};
