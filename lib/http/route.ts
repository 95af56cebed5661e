import type { z } from 'zod';

/** `MasterAdmin` may all that `Admin` may. `Send` is a platform service. */
export type Role = 'MasterAdmin' | 'Admin' | 'Send';

export type Access = 'public' | readonly Role[];

export type Method = 'GET' | 'POST' | 'PUT' | 'DELETE';

/** Who is calling, as Easy Auth says (`x-ms-client-principal`). */
export interface Principal {
  /** Stable id of the user or service, `oid` of Entra. */
  id: string;
  /** What a person recognises: user principal name, or the service's application id. */
  name: string;
  /** E-mail address, where the token tells one. */
  email?: string | undefined;
  roles: readonly Role[];
}

export interface Call<Params = unknown, Query = unknown, Body = unknown> {
  params: Params;
  query: Query;
  body: Body;
  headers: Headers;
  /** Absent only on public routes. */
  principal: Principal | undefined;
  /** The whole request address, for links back. */
  url: URL;
}

export interface Reply {
  status: number;
  headers?: Record<string, string>;
  /** An object is sent as JSON; a string as it is, with the content type of `headers`. */
  body?: unknown;
}

/**
 * One declaration a route: registration, guard, validation, OpenAPI and the all-routes test come from it.
 */
export interface Route<
  P extends z.ZodType = z.ZodType,
  Q extends z.ZodType = z.ZodType,
  B extends z.ZodType = z.ZodType,
> {
  /** Function name and OpenAPI operationId, camelCase. */
  name: string;
  method: Method;
  /** As the Functions host wants it, without leading slash: `api/messages/{id}`. */
  path: string;
  access: Access;
  /** Set on a GET that leaves a trace, if only in the audit. Whoever asks with HEAD wants none, so HEAD is refused there. */
  leavesTrace?: true;
  /** One sentence for OpenAPI. */
  summary: string;
  params?: P;
  query?: Q;
  /**
   * Schema of a JSON body. With `bodyType` set to another media type, or several (`*`: any), it is the schema of the
   * text as it came; without a schema the handler gets that text. A schema that takes `undefined` makes the body optional.
   */
  body?: B;
  bodyType?: string | readonly string[];
  /** Largest body in bytes; 64 KiB unless told. */
  maxBody?: number;
  /** Schemas of the answers by status, for OpenAPI; problems are added by the builder. */
  answers: Record<number, { description: string; schema?: z.ZodType; type?: string }>;
  handle(call: Call<z.output<P>, z.output<Q>, z.output<B>>): Promise<Reply>;
}

/** Keeps the types of a declaration's schemas for its handler, and forgets them for the list of all routes. */
export const route = <P extends z.ZodType, Q extends z.ZodType, B extends z.ZodType>(
  declared: Route<P, Q, B>,
): AnyRoute => declared as unknown as AnyRoute;

export type AnyRoute = Route;
