import { Script } from 'node:vm';
import { Registry } from 'prom-client';
import { describe, expect, it } from 'vitest';
import { fakeGateway, product } from '../../../test/http/fake-gateway.js';
import { schemaFaults } from '../../../test/http/json-schema.js';
import { json, serve } from '../../../test/http/serve.js';
import type { Json, JsonSchema } from '../../client/http/wire/index.js';
import { SCRIPT } from './docs-page.js';
import { openApiPath, type Route } from './route.js';
import { allRoutes } from './routes/index.js';

interface Operation {
  readonly operationId: string;
  readonly parameters: readonly { name: string; in: string; required?: boolean; schema: JsonSchema; example?: Json }[];
  readonly requestBody?: { content: Record<string, { schema: JsonSchema }> };
  readonly responses: Record<string, { description: string; content?: Record<string, { schema: JsonSchema }> }>;
}
interface Document {
  readonly openapi: string;
  readonly paths: Record<string, Record<string, Operation>>;
  readonly components: { schemas: Record<string, JsonSchema> };
}

const routes = allRoutes({
  services: () => ({ name: 'x', version: '1', services: [] }),
  metrics: new Registry(),
  openMetrics: false,
  checksums: () => null,
});

const gateway = () => fakeGateway([product('a/b.pkt', 'abc')]);
const documentOf = async (): Promise<Document> =>
  (await (await serve(gateway())).fetch('/openapi.json', { key: null })).json() as Promise<Document>;

describe('the document', () => {
  it('has every route, and no other', async () => {
    const { openapi, paths } = await documentOf();
    expect(openapi).toBe('3.1.0');
    const documented = Object.entries(paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method} ${path}`),
    );
    expect(documented.sort()).toEqual(routes.map((route) => `${route.method} ${openApiPath(route.path)}`).sort());
    const ids = Object.values(paths).flatMap((methods) => Object.values(methods).map(({ operationId }) => operationId));
    expect(new Set(ids).size).toBe(ids.length);
    expect(ids).toHaveLength(routes.length);
  });

  it('has every path parameter that its path names', async () => {
    const { paths } = await documentOf();
    for (const [path, methods] of Object.entries(paths)) {
      const named = [...path.matchAll(/\{(\w+)\}/g)].map((match) => match[1]);
      for (const { parameters } of Object.values(methods)) {
        expect(parameters.filter((parameter) => parameter.in === 'path').map(({ name }) => name)).toEqual(named);
      }
    }
  });

  it('refers to nothing that it does not have, and has no schema that nobody can read', async () => {
    const { components, paths } = await documentOf();
    const refs = [...JSON.stringify({ components, paths }).matchAll(/"\$ref":"#\/components\/schemas\/([^"]+)"/g)].map(
      (match) => match[1]!,
    );
    expect(refs.length).toBeGreaterThan(50);
    expect(refs.filter((name) => components.schemas[name] === undefined)).toEqual([]);
    expect(Object.keys(components.schemas)).toEqual(
      expect.arrayContaining(['ProductMetadata', 'StandingOrder', 'FilterTree', 'Problem', 'Delivery']),
    );
  });

  it('gives examples that its own schemas accept and its own readers read', async () => {
    const { components, paths } = await documentOf();
    let examples = 0;
    const check = (schema: JsonSchema, example: Json): void => {
      examples += 1;
      expect(schemaFaults(schema, example, components.schemas)).toEqual([]);
    };
    for (const methods of Object.values(paths)) {
      for (const { parameters } of Object.values(methods)) {
        for (const { schema, example } of parameters) if (example !== undefined) check(schema, example);
      }
    }
    for (const schema of Object.values(components.schemas))
      for (const example of (schema.examples ?? []) as Json[]) check(schema, example);
    for (const route of routes) readExamples(route, components.schemas);
    expect(examples).toBeGreaterThan(30);
  });

  it('every request body comes with an example', () => {
    const components = Object.assign({}, ...routes.map((route) => route.body?.components()));
    for (const { body, id } of routes)
      if (body !== undefined) expect([id, examplesOf(body.schema, components)]).not.toEqual([id, []]);
  });
});

function readExamples(route: Route, components: Record<string, JsonSchema>): void {
  for (const [name, param] of Object.entries({ ...route.params, ...route.query })) {
    if ('prefix' in param || param.example === undefined) continue;
    expect(() => param.parse(String(param.example), name)).not.toThrow();
  }
  for (const example of route.body === undefined ? [] : examplesOf(route.body.schema, components)) {
    expect(() => route.body!.decode(example)).not.toThrow();
  }
}

function examplesOf(schema: JsonSchema, components: Record<string, JsonSchema>): readonly Json[] {
  const named = typeof schema.$ref === 'string' ? components[schema.$ref.split('/').at(-1)!] : schema;
  return (named?.examples ?? []) as Json[];
}

const order = {
  deliveryMethod: 'SERVICE_COMPLETE',
  productFilter: { domain: ['local', '*'] },
  validityPeriod: { start: '2026-01-01', end: '2027-01-01' },
  tree: { any: [] },
};

/** [method, path as called, path as documented, request] */
const calls: readonly (readonly [string, string, string, RequestInit?])[] = [
  ['get', '/api/v1/types', '/api/v1/types'],
  ['get', '/api/v1/products', '/api/v1/products'],
  ['post', '/api/v1/products:search', '/api/v1/products:search', json({ limit: 1 })],
  ['get', '/api/v1/products/local/1/a/b.pkt', '/api/v1/products/{ref}'],
  ['get', '/api/v1/folders?path=a', '/api/v1/folders'],
  ['post', '/api/v1/orders', '/api/v1/orders', json(order)],
  ['get', '/api/v1/orders', '/api/v1/orders'],
  ['get', '/api/v1/orders/1', '/api/v1/orders/{orderID}'],
  ['post', '/api/v1/orders/1:pause', '/api/v1/orders/{orderID}:pause', json({ policy: 'skip' })],
  ['post', '/api/v1/orders/1:resume', '/api/v1/orders/{orderID}:resume', { method: 'POST' }],
  ['post', '/api/v1/orders/1:replay', '/api/v1/orders/{orderID}:replay', json({ axis: 'available' })],
  [
    'post',
    '/api/v1/orders/1:backfill',
    '/api/v1/orders/{orderID}:backfill',
    json({ axis: 'created', from: '2026-01-01' }),
  ],
  ['get', '/api/v1/orders/1/deliveries', '/api/v1/orders/{orderID}/deliveries'],
  ['get', '/api/v1/orders/1/missing?created=2026-01-01/P1D', '/api/v1/orders/{orderID}/missing'],
  ['get', '/api/v1/orders/1/pull', '/api/v1/orders/{orderID}/pull'],
  ['post', '/api/v1/orders/1:redrive', '/api/v1/orders/{orderID}:redrive', json({ ids: 'dead' })],
  ['post', '/api/v1/orders/1:acknowledge', '/api/v1/orders/{orderID}:acknowledge', json({ position: 3 })],
  ['post', '/api/v1/orders/1:cancel', '/api/v1/orders/{orderID}:cancel', { method: 'POST' }],
  ['delete', '/api/v1/orders/1', '/api/v1/orders/{orderID}', { method: 'DELETE' }],
  ['get', '/api/v1/upstream', '/api/v1/upstream'],
  [
    'put',
    '/api/v1/filters/mine',
    '/api/v1/filters/{name}',
    { ...json({ filter: { pathPrefix: 'a/' } }), method: 'PUT' },
  ],
  ['get', '/api/v1/filters', '/api/v1/filters'],
  ['get', '/api/v1/filters/ops/mine', '/api/v1/filters/{name}'],
  ['delete', '/api/v1/filters/mine', '/api/v1/filters/{name}', { method: 'DELETE' }],
  ['get', '/api/v1/events?cursor=0', '/api/v1/events'],
  ['get', '/api/v1/services', '/api/v1/services'],
  ['get', '/healthz', '/healthz'],
  ['get', '/readyz', '/readyz'],
];

it('what is served is what is documented', async () => {
  const fake = gateway();
  fake.publish({ metadata: product('x', 'x').metadata, payload: { some: 'thing' } });
  const { fetch } = await serve(fake);
  const { paths, components } = (await (await fetch('/openapi.json')).json()) as Document;
  for (const [method, path, template, init] of calls) {
    const response = await fetch(path, init);
    const documented = paths[template]![method]!.responses[String(response.status)];
    expect([path, response.status, documented?.description]).toEqual([path, response.status, expect.any(String)]);
    expect(response.status).toBeLessThan(300);
    if (response.status === 204) continue;
    const schema = documented!.content!['application/json']!.schema;
    const value = (await response.json()) as Json;
    expect([path, schemaFaults(schema, value, components.schemas)]).toEqual([path, []]);
  }
});

it('what is refused is documented too', async () => {
  const fake = gateway();
  fake.health = async () => ({ ready: false, parts: [] });
  fake.floor = 1;
  const { fetch } = await serve(fake);
  const { paths, components } = (await (await fetch('/openapi.json')).json()) as Document;
  const body = '/api/v1/bodies/local/1/a/b.pkt';
  const refusals: readonly (readonly [string, string, string, number, RequestInit?])[] = [
    ['get', '/readyz', '/readyz', 503],
    ['get', body, '/api/v1/bodies/{ref}', 206, { headers: { Range: 'bytes=0-0' } }],
    ['get', body, '/api/v1/bodies/{ref}', 304, { headers: { 'If-None-Match': '*' } }],
    ['get', body, '/api/v1/bodies/{ref}', 412, { headers: { 'If-Match': '"x"' } }],
    ['get', body, '/api/v1/bodies/{ref}', 416, { headers: { Range: 'bytes=99-' } }],
    ['get', '/api/v1/bodies/x/1/y', '/api/v1/bodies/{ref}', 404],
    ['get', '/api/v1/events?cursor=0', '/api/v1/events', 410],
    ['get', '/api/v1/events', '/api/v1/events', 406, { headers: { Accept: 'text/csv' } }],
    ['get', '/api/v1/products?x=1', '/api/v1/products', 400],
    ['post', '/api/v1/orders', '/api/v1/orders', 415, { method: 'POST', body: 'x' }],
    ['post', '/api/v1/orders', '/api/v1/orders', 400, { ...json(null), body: '{' }],
    ['get', '/api/v1/upstream', '/api/v1/upstream', 401, { headers: { Authorization: 'Bearer wrong' } }],
  ];
  for (const [method, path, template, status, init] of refusals) {
    const response = await fetch(path, init);
    const documented = paths[template]![method]!.responses[String(status)];
    expect([path, response.status, documented?.description]).toEqual([path, status, expect.any(String)]);
    const type = response.headers.get('content-type')?.split(';')[0] ?? '';
    if (status === 206 || status === 304) continue;
    const schema = documented!.content![type]!.schema;
    expect([path, schemaFaults(schema, (await response.json()) as Json, components.schemas)]).toEqual([path, []]);
  }
});

it('the page shows it without anything from outside', async () => {
  const { fetch } = await serve(gateway());
  for (const path of ['/', '/docs']) {
    const response = await fetch(path, { key: null });
    const html = await response.text();
    expect(response.headers.get('content-type')).toBe('text/html; charset=utf-8');
    expect(html).not.toMatch(/(src|href)="(https?:)?\/\//);
    expect(html).toContain('/openapi.json');
    expect(() => new Script(SCRIPT)).not.toThrow();
    const policy = response.headers.get('content-security-policy')!;
    expect(policy).toContain("default-src 'none'");
    expect(policy).not.toContain('unsafe');
  }
});
