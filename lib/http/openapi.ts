import { z } from 'zod';
import { codes, type ErrorCode } from '../errors.ts';
import { bodyTypes, takesBody } from './body.ts';
import { appRoles } from './principal.ts';
import { problemSchema, problemType } from './problem.ts';
import type { AnyRoute } from './route.ts';

type Json = Record<string, unknown>;

/**
 * The OpenAPI 3.1 description of all routes, made from their declarations. A zod schema with an `id` in its meta stands
 * once under `components`, by that name; where what is read differs from what is written (defaults), the latter has
 * the name with `Input`.
 * @param about `url`: where people reach this app; `version`: of Postern.
 */
export const openApi = (routes: readonly AnyRoute[], about: { url: string; version: string }): Json => {
  const named: Json = {};
  const schemaOf = (schema: z.ZodType, io: 'input' | 'output') => hoisted(schema, io, named);
  // What is read comes first: it keeps the plain names.
  for (const schema of routes.flatMap((route) => Object.values(route.answers).map((it) => it.schema))) {
    if (schema) schemaOf(schema, 'output');
  }
  schemaOf(problemSchema, 'output');
  const paths: Record<string, Json> = {};
  for (const route of routes) {
    const path = `/${route.path.replace('{*', '{')}`;
    paths[path] = { ...paths[path], [route.method.toLowerCase()]: operation(route, schemaOf) };
  }
  return {
    openapi: '3.1.1',
    info: { title: 'Postern, the mail gate', version: about.version },
    servers: [{ url: about.url }],
    paths,
    components: {
      schemas: named,
      securitySchemes: {
        token: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT', description: 'A token of Microsoft Entra ID.' },
        session: { type: 'apiKey', in: 'cookie', name: 'AppServiceAuthSession', description: 'A signed-in browser.' },
      },
    },
  };
};

type SchemaOf = (schema: z.ZodType, io: 'input' | 'output') => Json;

const operation = (route: AnyRoute, schemaOf: SchemaOf): Json => {
  const closed = route.access !== 'public';
  const roles = route.access === 'public' ? [] : route.access.map((role) => appRoles[role]);
  return {
    operationId: route.name,
    summary: route.summary,
    ...(closed && { description: `App role: ${roles.join(' or ')}.` }),
    security: closed ? [{ token: [] }, { session: [] }] : [],
    parameters: [...pathParameters(route, schemaOf), ...queryParameters(route, schemaOf)],
    ...(takesBody(route) && { requestBody: requestBody(route, schemaOf) }),
    responses: { ...answers(route, schemaOf), ...problems(route) },
  };
};

const pathParameters = (route: AnyRoute, schemaOf: SchemaOf): Json[] => {
  const schema = properties(route.params, schemaOf);
  return [...route.path.matchAll(/\{\*?([^}:?]+)[^}]*\}/g)].map(([, name = '']) => ({
    name,
    in: 'path',
    required: true,
    schema: schema.properties[name] ?? { type: 'string' },
  }));
};

const queryParameters = (route: AnyRoute, schemaOf: SchemaOf): Json[] => {
  const { properties: all, required } = properties(route.query, schemaOf);
  return Object.entries(all).map(([name, schema]) => ({
    name,
    in: 'query',
    required: required.includes(name),
    schema,
  }));
};

const properties = (schema: z.ZodType | undefined, schemaOf: SchemaOf) => {
  const made: { properties?: Json; required?: string[] } = schema ? schemaOf(schema, 'input') : {};
  return { properties: made.properties ?? {}, required: made.required ?? [] };
};

const requestBody = (route: AnyRoute, schemaOf: SchemaOf): Json => {
  const schema = route.body ? schemaOf(route.body, 'input') : { type: 'string' };
  return {
    required: route.body?.safeParse(undefined).success !== true,
    content: Object.fromEntries(bodyTypes(route).map((type) => [type.replace(/^\*$/, '*/*'), { schema }])),
  };
};

const answers = (route: AnyRoute, schemaOf: SchemaOf): Json =>
  Object.fromEntries(
    Object.entries(route.answers).map(([status, { description, schema, type }]) => {
      const media = type ?? (schema ? 'application/json' : undefined);
      const content = media && {
        content: { [media]: { schema: schema ? schemaOf(schema, 'output') : { type: 'string' } } },
      };
      return [status, { description, ...content }];
    }),
  );

/** What the edge itself may answer. A route's own refusals stand in its `answers`. */
const problems = (route: AnyRoute): Json => {
  const edge: ErrorCode[] = [
    ...(route.query || route.params || takesBody(route) ? (['invalid-request'] as const) : []),
    ...(route.access === 'public' ? [] : (['not-signed-in', 'not-allowed'] as const)),
    ...(takesBody(route) ? (['length-required', 'body-too-large', 'unsupported-media-type'] as const) : []),
    'internal',
  ];
  const ownStatus = new Set(Object.keys(route.answers));
  return Object.fromEntries(
    edge
      .map((code) => codes[code])
      .filter(({ status }) => !ownStatus.has(String(status)))
      .map(({ status, title }) => [
        status,
        { description: title, content: { [problemType]: { schema: { $ref: '#/components/schemas/Problem' } } } },
      ]),
  );
};

/**
 * A schema as JSON Schema, with what has a name moved to `named` and referred to. What a caller writes gets names of
 * its own (`…Input`) where any part of it differs from what the same names mean in answers.
 */
function hoisted(schema: z.ZodType, io: 'input' | 'output', named: Json): Json {
  const { $schema: _, $defs, ...own } = z.toJSONSchema(schema, { io, unrepresentable: 'any' }) as Json;
  const parts = Object.entries(($defs ?? {}) as Json);
  const plain = (name: string) => name;
  const differs = ([name, part]: [string, unknown]) =>
    named[name] !== undefined && JSON.stringify(named[name]) !== JSON.stringify(referring(part, plain));
  const nameOf = io === 'input' && parts.some(differs) ? (name: string) => `${name}Input` : plain;
  for (const [name, part] of parts) named[nameOf(name)] = referring(part, nameOf);
  return referring(own, nameOf) as Json;
}

const referring = (value: unknown, nameOf: (name: string) => string): unknown =>
  JSON.parse(JSON.stringify(value), (key, it) => {
    const name = key === '$ref' && typeof it === 'string' ? /^#\/\$defs\/(.+)$/.exec(it)?.[1] : undefined;
    return name === undefined ? it : `#/components/schemas/${nameOf(name)}`;
  });
