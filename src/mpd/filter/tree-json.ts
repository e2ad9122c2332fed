import {
  COMPONENTS,
  DecodeError,
  decodeJson,
  encodeJson,
  type Json,
  type JsonSchema,
  within,
} from '../../mal/index.js';
import { ProductFilter, TimeWindow } from '../types.js';
import { FILTER_LIMITS } from './limits.js';
import type { FilterTree } from './tree.js';

/** JSON form of a filter tree: its shape in memory, ProductFilter and TimeWindow in theirs. */
export function encodeTree(tree: FilterTree): Json {
  if ('all' in tree) return { all: tree.all.map(encodeTree) };
  if ('any' in tree) return { any: tree.any.map(encodeTree) };
  if ('not' in tree) return { not: encodeTree(tree.not) };
  if ('filter' in tree) return { filter: encodeJson(ProductFilter, tree.filter) };
  if ('created' in tree) return { created: encodeJson(TimeWindow, tree.created) };
  if ('content' in tree) return { content: encodeJson(TimeWindow, tree.content) };
  if ('productTypes' in tree) return { productTypes: [...tree.productTypes] };
  if ('domain' in tree) return { domain: [...tree.domain] };
  return { ...tree };
}

/** @throws DecodeError naming the path of the first fault */
export const decodeTree = (json: unknown): FilterTree => decodeNode(json, 1);

function decodeNode(json: unknown, depth: number): FilterTree {
  if (depth > FILTER_LIMITS.depth) throw new DecodeError('', `more than ${FILTER_LIMITS.depth} levels`);
  const keys = typeof json === 'object' && json !== null && !Array.isArray(json) ? Object.keys(json) : [];
  const [key] = keys;
  if (key === undefined || keys.length !== 1) {
    throw new DecodeError('', `expected an object with one of ${Object.keys(parts).join(', ')}`);
  }
  if (!Object.hasOwn(parts, key))
    throw new DecodeError(key, `unknown; expected one of ${Object.keys(parts).join(', ')}`);
  const part = (json as Record<string, unknown>)[key];
  return { [key]: step(key, () => parts[key as Key](part, depth)) } as unknown as FilterTree;
}

type Key = FilterTree extends infer T ? (T extends T ? keyof T : never) : never;

const parts: Readonly<Record<Key, (json: unknown, depth: number) => unknown>> = {
  all: nodes,
  any: nodes,
  not: (json, depth) => decodeNode(json, depth + 1),
  filter: (json) => decodeJson(ProductFilter, json),
  productTypes: texts,
  domain: texts,
  pathPrefix: text,
  named: text,
  created: (json) => decodeJson(TimeWindow, json),
  content: (json) => decodeJson(TimeWindow, json),
};

function nodes(json: unknown, depth: number): FilterTree[] {
  return asList(json).map((node, i) => step(i, () => decodeNode(node, depth + 1)));
}

function texts(json: unknown): string[] {
  return asList(json).map((entry, i) => step(i, () => text(entry)));
}

function text(json: unknown): string {
  if (typeof json !== 'string') throw new DecodeError('', 'expected text');
  return json;
}

function asList(json: unknown): unknown[] {
  if (!Array.isArray(json)) throw new DecodeError('', 'expected a list');
  return json;
}

function step<T>(name: string | number, decode: () => T): T {
  try {
    return decode();
  } catch (error) {
    throw error instanceof DecodeError ? within(name, error) : error;
  }
}

/** JSON Schema of {@link FilterTree}, to stand as the component `FilterTree` beside those of the MPD types. */
export function filterTreeSchema(prefix = COMPONENTS): JsonSchema {
  const self = { $ref: `${prefix}FilterTree` };
  const window = { $ref: `${prefix}TimeWindow` };
  const names = { type: 'array', items: { type: 'string' } };
  const schemas: Readonly<Record<Key, JsonSchema>> = {
    all: { type: 'array', items: self },
    any: { type: 'array', items: self },
    not: self,
    filter: { $ref: `${prefix}ProductFilter` },
    productTypes: names,
    domain: names,
    pathPrefix: { type: 'string' },
    named: { type: 'string' },
    created: window,
    content: window,
  };
  return {
    description: 'A Boolean filter over products; every node has exactly one key.',
    oneOf: Object.entries(schemas).map(([key, schema]) => ({
      type: 'object',
      properties: { [key]: schema },
      required: [key],
      additionalProperties: false,
    })),
  };
}
