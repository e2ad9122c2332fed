import { type Json, type JsonSchema, PROBLEM_TYPE, ProblemShape } from '../../client/http/wire/index.js';
import { MpdError } from '../../mpd/index.js';
import { isRest, openApiPath, type Param, type PrefixParam, type Route } from './route.js';
import { statusOf } from './status.js';

type Doc = Record<string, Json>;

/** OpenAPI 3.1 of the routes: the table that serves is the table that documents. */
export function openApiDocument(
  routes: readonly Route[],
  info: { readonly title: string; readonly version: string },
): Doc {
  const components: Record<string, JsonSchema> = { ...ProblemShape.components() };
  const paths: Record<string, Doc> = {};
  for (const route of routes) {
    for (const found of [route.body, route.answers, ...(route.streams ?? [])])
      Object.assign(components, found?.components?.());
    const path = openApiPath(route.path);
    paths[path] = { ...paths[path], [route.method]: operation(route) };
  }
  const sorted = Object.fromEntries(Object.entries(components).sort(([a], [b]) => (a < b ? -1 : 1)));
  return {
    openapi: '3.1.0',
    info: {
      ...info,
      description:
        'CCSDS Mission Product Distribution (CCSDS 522.2) over HTTP/JSON. Times are ISO 8601 UTC with up to nine decimals; 64-bit numbers ' +
        'are JSON numbers when safe, else decimal text. Faults are RFC 9457 problems with the MPD error code.',
    },
    servers: [{ url: '/' }],
    security: [{ apiKey: [] }],
    tags: [...new Set(routes.map((route) => route.tag))].map((name) => ({ name })),
    paths,
    components: {
      schemas: sorted,
      securitySchemes: {
        apiKey: { type: 'http', scheme: 'bearer', description: 'API key made by `mpd-gateway keys create`.' },
      },
    },
  };
}

function operation(route: Route): Doc {
  return {
    operationId: route.id,
    tags: [route.tag],
    summary: route.summary,
    ...(route.doc === undefined ? {} : { description: route.doc }),
    ...(route.access === 'open' ? { security: [] } : {}),
    parameters: [
      ...Object.entries(route.params ?? {}).map(([name, param]) => pathParameter(name, param, route.path)),
      ...Object.entries(route.query ?? {}).map(([name, param]) => queryParameter(name, param)),
    ],
    ...(route.body === undefined
      ? {}
      : { requestBody: { required: true, content: { 'application/json': { schema: route.body.schema } } } }),
    responses: responses(route),
  };
}

const pathParameter = (name: string, param: Param<unknown>, path: string): Doc => ({
  name,
  in: 'path',
  required: true,
  description: isRest(path, name) ? `${param.doc} Its slashes stay as they are.` : param.doc,
  schema: param.schema,
  ...(param.example === undefined ? {} : { example: param.example }),
});

function queryParameter(name: string, param: Param<unknown> | PrefixParam): Doc {
  if ('prefix' in param) {
    return {
      name,
      in: 'query',
      description: param.doc,
      style: 'form',
      explode: true,
      schema: { type: 'object', additionalProperties: param.schema },
      example: param.example,
    };
  }
  const many = 'repeatable' in param;
  const example = param.example === undefined ? {} : { example: many ? [param.example] : param.example };
  return {
    name,
    in: 'query',
    description: param.doc,
    ...(many
      ? { style: 'form', explode: true, schema: { type: 'array', items: param.schema } }
      : { schema: param.schema }),
    ...example,
  };
}

function responses(route: Route): Doc {
  const good: Doc = {};
  if (route.streams !== undefined) {
    good['200'] = {
      description: route.streams.flatMap((media) => media.doc ?? []).join(' ') || 'OK',
      content: Object.fromEntries(route.streams.map((media) => [media.type, { schema: media.schema }])),
    };
  } else if (route.answers == null) good['204'] = { description: 'Done' };
  else {
    good[String(route.status ?? 200)] = {
      description: 'OK',
      content: { 'application/json': { schema: route.answers.schema } },
    };
  }
  return { ...good, ...problems(route), ...further(route) };
}

/** Statuses that the declared errors have, and those that every route may answer. */
function problems(route: Route): Doc {
  const codes = new Map<number, Set<string>>();
  const add = (status: number, code: string): void =>
    void codes.set(status, (codes.get(status) ?? new Set()).add(code));
  for (const code of route.errors) add(statusOf(new MpdError(code, { class: 'refuse', message: '' })), code);
  if (route.body !== undefined) {
    add(400, 'Bad Encoding');
    add(413, 'Invalid');
    add(415, 'Bad Encoding');
  }
  if (route.access !== 'open') {
    add(401, 'Authentication Failed');
    add(429, 'Too Many');
  }
  add(500, 'Internal');
  add(503, 'Shutdown');
  return Object.fromEntries(
    [...codes].map(([status, names]) => [String(status), { description: [...names].join(', '), content: PROBLEM }]),
  );
}

const PROBLEM: Doc = { [PROBLEM_TYPE]: { schema: ProblemShape.schema } };

const further = (route: Route): Doc =>
  Object.fromEntries(
    Object.entries(route.also ?? {}).map(([status, { doc, answers }]) => [
      status,
      {
        description: doc,
        ...(answers === null
          ? {}
          : { content: answers === undefined ? PROBLEM : { 'application/json': { schema: answers.schema } } }),
      },
    ]),
  );
