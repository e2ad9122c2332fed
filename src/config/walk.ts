import type { z } from 'zod';
import type { FieldMeta } from './fields.js';

type Schema = z.core.$ZodType;
interface Def {
  readonly type: string;
  readonly innerType?: Schema;
  readonly in?: Schema;
  readonly shape?: Readonly<Record<string, Schema>>;
  readonly catchall?: Schema;
  readonly element?: Schema;
  readonly valueType?: Schema;
}

const def = (schema: Schema): Def => schema._zod.def as unknown as Def;

/** Wrappers (default, optional, transform) taken off. */
export function bare(schema: Schema): Schema {
  const { type, innerType, in: input } = def(schema);
  if (innerType !== undefined && ['default', 'prefault', 'optional', 'nullable', 'readonly'].includes(type))
    return bare(innerType);
  return type === 'pipe' && input !== undefined ? bare(input) : schema;
}

/** What was declared of a field, on the field itself or on what it wraps. */
export function metaOf(schema: Schema): Partial<FieldMeta> {
  const { innerType, in: input } = def(schema);
  const inner = innerType ?? input;
  const own = (schema as z.ZodType).meta?.() as Partial<FieldMeta> | undefined;
  return { ...(inner === undefined ? {} : metaOf(inner)), ...own };
}

/** Fields of an object schema, or null. `open` = other keys are passed through. */
export function fieldsOf(
  schema: Schema,
): { readonly shape: Readonly<Record<string, Schema>>; readonly open: boolean } | null {
  const { type, shape, catchall } = def(bare(schema));
  if (type !== 'object' || shape === undefined) return null;
  return { shape, open: catchall !== undefined && def(catchall).type !== 'never' };
}

export const elementOf = (schema: Schema): Schema | null => def(bare(schema)).element ?? null;
export const entryOf = (schema: Schema): Schema | null => {
  const { type, valueType } = def(bare(schema));
  return type === 'record' ? (valueType ?? null) : null;
};

/** The schema of the value at `path`; null where nothing is declared (keys that belong to an adapter). */
export function schemaAt(root: Schema, path: readonly PropertyKey[]): Schema | null {
  let at: Schema | null = root;
  for (const step of path) {
    if (at === null) return null;
    at = typeof step === 'number' ? elementOf(at) : (fieldsOf(at)?.shape[String(step)] ?? entryOf(at));
  }
  return at;
}

const SECRET_NAME = /pass(word|phrase)?$|secret|token$|apikey$|api_key$|credential|privatekey$|^key$/i;

/** Declared secret, or named like one among the keys that belong to an adapter. */
export function isSecret(root: Schema, path: readonly PropertyKey[]): boolean {
  const schema = schemaAt(root, path);
  if (schema !== null && metaOf(schema).secret !== undefined) return metaOf(schema).secret === true;
  const last = path.findLast((step) => typeof step === 'string');
  return schema === null && last !== undefined && SECRET_NAME.test(String(last));
}

/** Every scalar in `value` with its path. */
export function* leaves(
  value: unknown,
  path: readonly PropertyKey[] = [],
): Generator<{ readonly path: readonly PropertyKey[]; readonly value: unknown }> {
  if (Array.isArray(value)) for (const [index, item] of value.entries()) yield* leaves(item, [...path, index]);
  else if (typeof value === 'object' && value !== null)
    for (const [key, item] of Object.entries(value)) yield* leaves(item, [...path, key]);
  else yield { path, value };
}

/** A copy with every scalar replaced. */
export function mapLeaves(
  value: unknown,
  change: (value: unknown, path: readonly PropertyKey[]) => unknown,
  path: readonly PropertyKey[] = [],
): unknown {
  if (Array.isArray(value)) return value.map((item, index) => mapLeaves(item, change, [...path, index]));
  if (typeof value !== 'object' || value === null) return change(value, path);
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, mapLeaves(item, change, [...path, key])]));
}
