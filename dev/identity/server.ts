import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface IdentityOptions {
  /** 0 or left out: any free one. */
  port?: number;
  host?: string;
  /** The shared secret that App Service puts into IDENTITY_HEADER. */
  header: string;
  /** User-assigned identities by client id; left out: any client id is known. */
  clientIds?: readonly string[];
}

export interface Identity {
  /** What the app must be given so that `DefaultAzureCredential` finds this endpoint. */
  environment: { IDENTITY_ENDPOINT: string; IDENTITY_HEADER: string };
  /** Resources that tokens were asked for, in order. */
  requests: { resource: string; clientId: string | undefined }[];
  close(): Promise<void>;
}

const tenant = '00000000-0000-4000-8000-000000000001';
const systemAssigned = '00000000-0000-4000-8000-000000000002';
const lifetimeSeconds = 86_400;

/**
 * The managed-identity endpoint of App Service
 * (learn.microsoft.com/azure/app-service/overview-managed-identity, REST endpoint reference, api-version 2019-08-01).
 * Its tokens have the claims that Azurite's `--oauth basic` and the vault stand-in look at, and no signature of worth.
 */
export const startIdentity = async (options: IdentityOptions): Promise<Identity> => {
  const host = options.host ?? '127.0.0.1';
  const requests: Identity['requests'] = [];

  const answerTo = (request: IncomingMessage): { status: number; body: unknown } => {
    const url = new URL(request.url ?? '/', 'http://localhost');
    const resource = url.searchParams.get('resource')?.replace(/\/+$/, '');
    const clientId = url.searchParams.get('client_id') ?? undefined;
    if (url.pathname !== '/msi/token' || request.method !== 'GET') return refusal(404, 'There is no such endpoint.');
    // The header is what keeps a forged request from a web page out: such a request cannot set it.
    if (request.headers['x-identity-header'] !== options.header)
      return refusal(401, 'X-IDENTITY-HEADER is missing or wrong.');
    if (url.searchParams.get('api-version') !== '2019-08-01') return refusal(400, 'api-version must be 2019-08-01.');
    if (!resource) return refusal(400, 'resource is missing.');
    if (clientId !== undefined && options.clientIds && !options.clientIds.includes(clientId)) {
      return refusal(
        400,
        'No User Assigned or Delegated Managed Identity found for specified ClientId/ResourceId/PrincipalId.',
      );
    }
    requests.push({ resource, clientId });
    const expires = Math.floor(Date.now() / 1000) + lifetimeSeconds;
    return {
      status: 200,
      body: {
        access_token: tokenFor(resource, clientId ?? systemAssigned, expires),
        expires_on: String(expires),
        resource,
        token_type: 'Bearer',
        client_id: clientId ?? systemAssigned,
      },
    };
  };

  const server = createServer((request, answer) => {
    const { status, body } = answerTo(request);
    answer.writeHead(status, { 'content-type': 'application/json; charset=utf-8' }).end(JSON.stringify(body));
  });
  server.listen(options.port ?? 0, host);
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    environment: { IDENTITY_ENDPOINT: `http://${host}:${port}/msi/token`, IDENTITY_HEADER: options.header },
    requests,
    close: async () => {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
};

const tokenFor = (resource: string, clientId: string, expires: number): string => {
  const now = Math.floor(Date.now() / 1000);
  const claims = {
    aud: resource,
    iss: `https://sts.windows.net/${tenant}/`,
    iat: now,
    nbf: now - 300,
    exp: expires,
    appid: clientId,
    oid: clientId,
    sub: clientId,
    tid: tenant,
    ver: '1.0',
  };
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
  return [part({ alg: 'RS256', typ: 'JWT' }), part(claims), Buffer.from('local').toString('base64url')].join('.');
};

const refusal = (statusCode: number, message: string) => ({ status: statusCode, body: { statusCode, message } });
