/** The shapes that pass between the host and `@azure/functions` (its `@azure/functions-core` types), as far as used. */

export type LogLevel = 'trace' | 'debug' | 'information' | 'warning' | 'error' | 'critical' | 'none';
export type LogCategory = 'user' | 'system' | 'customMetric';

export interface Binding {
  type: string;
  direction: 'in' | 'out';
  name?: string;
  [option: string]: unknown;
}

export interface FunctionMetadata {
  name: string;
  bindings: Record<string, Binding>;
}

// biome-ignore lint/suspicious/noExplicitAny: a handler takes what its trigger gives; the library types it for the app.
export type FunctionCallback = (...args: any[]) => unknown;

// biome-ignore lint/suspicious/noExplicitAny: every hook has a context of its own shape.
export type HookCallback = (context: any) => unknown;

/** One value as it crosses the worker's wire (`RpcTypedData`); one of the members is set. */
export interface RpcData {
  string?: string;
  json?: string;
  bytes?: Uint8Array;
  int?: number;
  double?: number;
  http?: RpcHttp;
}

export interface RpcHttp {
  url?: string;
  method?: string;
  nullableHeaders?: Record<string, { value: string }>;
  nullableQuery?: Record<string, { value: string }>;
  nullableParams?: Record<string, { value: string }>;
  body?: RpcData | null;
  statusCode?: string;
  headers?: Record<string, string>;
  cookies?: RpcCookie[];
}

export interface RpcCookie {
  name: string;
  value: string;
  domain?: { value: string };
  path?: { value: string };
  expires?: { value: { seconds: number } };
  secure?: { value: boolean };
  httpOnly?: { value: boolean };
  maxAge?: { value: number };
  sameSite?: 'none' | 'lax' | 'strict' | 'explicitNone';
}

export interface InvocationModel {
  getArguments(): Promise<{ context: unknown; inputs: unknown[] }>;
  invokeFunction(context: unknown, inputs: unknown[], handler: FunctionCallback): Promise<unknown>;
  getResponse(context: unknown, result: unknown): Promise<{ returnValue?: RpcData | null }>;
}
