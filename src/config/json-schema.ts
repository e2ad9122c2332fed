import { z } from 'zod';
import { configSchema } from './schema.js';

type Node = Record<string, unknown>;

const REFERENCE = { type: 'string', pattern: '^(env:[A-Za-z_][A-Za-z0-9_]*|file:.+)$' };

/** JSON Schema of gateway.yaml for editors (`# yaml-language-server: $schema=…`). Any value may be `env:NAME` or `file:path` instead. */
export function configJsonSchema(): Node {
  const schema = z.toJSONSchema(configSchema, { io: 'input', target: 'draft-2020-12' }) as Node;
  return { ...(withReferences(schema) as Node), title: 'gateway.yaml of the MPD gateway' };
}

function withReferences(node: unknown): unknown {
  if (Array.isArray(node)) return node.map(withReferences);
  if (typeof node !== 'object' || node === null) return node;
  const { kind: _kind, secret, ...rest } = node as Node;
  if (isScalar(rest)) return scalar(rest, secret === true);
  return Object.fromEntries(Object.entries(rest).map(([key, value]) => [key, keyword(key, value)]));
}

function keyword(key: string, value: unknown): unknown {
  if (key === 'default') return value;
  if (key !== 'properties') return withReferences(value);
  return Object.fromEntries(Object.entries(value as Node).map(([name, schema]) => [name, withReferences(schema)]));
}

const SCALARS = ['integer', 'number', 'boolean', 'string'];

const isScalar = ({ type, anyOf }: Node): boolean =>
  Array.isArray(anyOf) ? anyOf.every(isScalar) : [type].flat().every((name) => SCALARS.includes(String(name)));

function scalar({ description, default: fallback, ...constraint }: Node, secret: boolean): Node {
  const about: Node = {
    ...(description === undefined ? {} : { description }),
    ...(fallback === undefined ? {} : { default: fallback }),
    ...(secret ? { writeOnly: true } : {}),
  };
  return takesAnyText(constraint) ? { ...about, ...constraint } : { ...about, anyOf: [constraint, REFERENCE] };
}

/** Numbers may be written as text (`64MiB`), so a reference already fits. */
const takesAnyText = ({ type, pattern, enum: values }: Node): boolean =>
  pattern === undefined &&
  values === undefined &&
  (type === 'string' || (Array.isArray(type) && type.includes('string')));
