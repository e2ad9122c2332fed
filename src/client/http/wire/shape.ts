import {
  type BodyDescriptor,
  DecodeError,
  decodeJson,
  encodeJson,
  type Json,
  type JsonOut,
  type JsonSchema,
  jsonSchema,
  jsonSchemas,
  jsonText,
  jsonWriter,
  quoted,
  type TypeDescriptor,
  type ValueOf,
  within,
} from '../../../mal/index.js';

export type { Json, JsonSchema };

export type Components = Readonly<Record<string, JsonSchema>>;

/** One declared JSON form: schema, both directions of the codec. Decoding throws `DecodeError` with the path of the fault. */
export interface Shape<T> {
  readonly schema: JsonSchema;
  /** Named schemas that `schema` refers to. */
  readonly components: () => Components;
  encode(value: T): Json;
  decode(json: unknown): T;
  /** The JSON text at once, where that is quicker than by `encode`; see {@link writeJson}. */
  write?(value: T, out: JsonOut): void;
}

export function writeJson<T>(shape: Shape<T>, value: T, out: JsonOut): void {
  if (shape.write === undefined) out.text += JSON.stringify(shape.encode(value));
  else shape.write(value, out);
}

/** The JSON text of a value. */
export const textOf = <T>(shape: Shape<T>, value: T): string =>
  jsonText((whole: T, out) => writeJson(shape, whole, out), value);

export interface Optional<T> {
  readonly optional: Shape<T>;
}

export type Value<S> = S extends Shape<infer T> ? T : never;
type Fields = Readonly<Record<string, Shape<unknown> | Optional<unknown>>>;
type OptionalKeys<F> = { [K in keyof F]: F[K] extends Optional<unknown> ? K : never }[keyof F];
type Flat<T> = { [K in keyof T]: T[K] };
export type RecordValue<F> = Flat<
  { readonly [K in Exclude<keyof F, OptionalKeys<F>>]: F[K] extends Shape<infer T> ? T : never } & {
    readonly [K in OptionalKeys<F>]?: F[K] extends Optional<infer T> ? T : never;
  }
>;

const none = (): Components => ({});

function fail(reason: string): never {
  throw new DecodeError('', reason);
}

function step<T>(name: string | number, decode: (json: unknown) => T, json: unknown): T {
  try {
    return decode(json);
  } catch (error) {
    throw error instanceof DecodeError ? within(name, error) : error;
  }
}

/** A type of MAL or MPD. @param shared types of parts that many values have in common */
export const mpd = <D extends TypeDescriptor | BodyDescriptor>(
  type: D,
  shared: readonly TypeDescriptor[] = [],
): Shape<ValueOf<D>> => ({
  schema: jsonSchema(type),
  components: () => jsonSchemas([type]),
  encode: (value) => encodeJson(type, value),
  decode: (json) => decodeJson(type, json),
  write: jsonWriter(type, shared),
});

export const text = (keywords: JsonSchema = {}): Shape<string> => ({
  schema: { type: 'string', ...keywords },
  components: none,
  encode: (value) => value,
  write: (value, out) => {
    out.text += quoted(value);
  },
  decode: (json) => (typeof json === 'string' ? json : fail('expected text')),
});

export const flag: Shape<boolean> = {
  schema: { type: 'boolean' },
  components: none,
  encode: (value) => value,
  decode: (json) => (typeof json === 'boolean' ? json : fail('expected true or false')),
};

export const whole = (minimum: number, maximum = Number.MAX_SAFE_INTEGER): Shape<number> => ({
  schema: { type: 'integer', minimum, maximum },
  components: none,
  encode: (value) => value,
  decode: (json) =>
    typeof json === 'number' && Number.isInteger(json) && json >= minimum && json <= maximum
      ? json
      : fail(`expected a whole number from ${minimum} to ${maximum}`),
});

export const oneOf = <const V extends string>(values: readonly V[]): Shape<V> => ({
  schema: { type: 'string', enum: [...values] },
  components: none,
  encode: (value) => value,
  decode: (json) => (values.includes(json as V) ? (json as V) : fail(`expected one of ${values.join(', ')}`)),
});

export const nullable = <T>(shape: Shape<T>): Shape<T | null> => ({
  schema:
    typeof shape.schema.type === 'string' && shape.schema.enum === undefined
      ? { ...shape.schema, type: [shape.schema.type, 'null'] }
      : { anyOf: [shape.schema, { type: 'null' }] },
  components: shape.components,
  encode: (value) => (value === null ? null : shape.encode(value)),
  write: (value, out) => {
    if (value === null) out.text += 'null';
    else writeJson(shape, value, out);
  },
  decode: (json) => (json === null ? null : shape.decode(json)),
});

/** A field that may be absent. */
export const optional = <T>(shape: Shape<T>): Optional<T> => ({ optional: shape });

export const listOf = <T>(
  item: Shape<T>,
  limits: { readonly minItems?: number; readonly maxItems?: number } = {},
): Shape<readonly T[]> => ({
  schema: { type: 'array', items: item.schema, ...limits },
  components: item.components,
  encode: (values) => values.map(item.encode),
  write: (values, out) => {
    out.text += '[';
    for (let i = 0; i < values.length; i++) {
      if (i > 0) out.text += ',';
      writeJson(item, values[i]!, out);
    }
    out.text += ']';
  },
  decode: (json) => {
    if (!Array.isArray(json)) fail('expected a list');
    if (json.length < (limits.minItems ?? 0)) fail(`expected at least ${limits.minItems}`);
    if (json.length > (limits.maxItems ?? Number.POSITIVE_INFINITY)) fail(`expected at most ${limits.maxItems}`);
    return json.map((entry, i) => step(i, item.decode, entry));
  },
});

/** An object whose keys are data. */
export const mapOf = <T>(item: Shape<T>): Shape<Readonly<Record<string, T>>> => ({
  schema: { type: 'object', additionalProperties: item.schema },
  components: item.components,
  encode: (values) => Object.fromEntries(Object.entries(values).map(([key, value]) => [key, item.encode(value)])),
  decode: (json) =>
    Object.fromEntries(Object.entries(asObject(json)).map(([key, entry]) => [key, step(key, item.decode, entry)])),
});

/** Whatever JSON can say; `bigint` as a number when safe, else as text. */
export const anything: Shape<unknown> = {
  schema: {},
  components: none,
  encode: toJson,
  decode: (json) => json,
};

export interface RecordOptions {
  /** Gives the schema a name among the components. */
  readonly name?: string;
  readonly doc?: string;
  /** Unknown fields are refused (what a server takes) or skipped (what a client reads). */
  readonly unknown?: 'refuse' | 'skip';
  readonly example?: Json;
}

/** An object with declared fields. A nullable field may be absent and is then null. */
export function record<const F extends Fields>(fields: F, options: RecordOptions = {}): Shape<RecordValue<F>> {
  const parts = Object.entries(fields).map(([name, field]) => {
    const shape = 'optional' in field ? field.optional : field;
    return {
      name,
      first: `{${JSON.stringify(name)}:`,
      next: `,${JSON.stringify(name)}:`,
      shape,
      optional: 'optional' in field,
      nullable: acceptsNull(shape),
    };
  });
  const properties = Object.fromEntries(parts.map(({ name, shape }) => [name, shape.schema]));
  const own: JsonSchema = {
    ...(options.doc === undefined ? {} : { description: options.doc }),
    type: 'object',
    properties,
    required: parts.filter((part) => !part.optional && !part.nullable).map((part) => part.name),
    ...(options.unknown === 'refuse' ? { additionalProperties: false } : {}),
    ...(options.example === undefined ? {} : { examples: [options.example] }),
  };
  const known = new Set(parts.map((part) => part.name));
  return {
    schema: options.name === undefined ? own : { $ref: `#/components/schemas/${options.name}` },
    components: () =>
      Object.assign(
        {},
        ...parts.map((part) => part.shape.components()),
        options.name === undefined ? {} : { [options.name]: own },
      ),
    encode: (value) => {
      const json: Record<string, Json> = {};
      for (const { name, shape } of parts) {
        const part = (value as Readonly<Record<string, unknown>>)[name];
        if (part !== undefined) json[name] = shape.encode(part);
      }
      return json;
    },
    write: (value, out) => {
      let begun = false;
      for (const { name, first, next, shape } of parts) {
        const part = (value as Readonly<Record<string, unknown>>)[name];
        if (part === undefined) continue;
        out.text += begun ? next : first;
        writeJson(shape, part, out);
        begun = true;
      }
      out.text += begun ? '}' : '{}';
    },
    decode: (json) => {
      const source = asObject(json);
      const value: Record<string, unknown> = {};
      for (const { name, shape, optional: absent, nullable: orNull } of parts) {
        const part = Object.hasOwn(source, name) ? source[name] : undefined;
        if (part !== undefined) value[name] = step(name, shape.decode, part);
        else if (orNull && !absent) value[name] = null;
        else if (!absent) throw new DecodeError(name, 'is missing');
      }
      if (options.unknown === 'refuse') {
        for (const name of Object.keys(source)) if (!known.has(name)) throw new DecodeError(name, 'unknown field');
      }
      return value as RecordValue<F>;
    },
  };
}

function acceptsNull(shape: Shape<unknown>): boolean {
  const { type, anyOf } = shape.schema;
  if (Array.isArray(type) && type.includes('null')) return true;
  return Array.isArray(anyOf) && anyOf.some((branch: Json) => (branch as { type?: Json }).type === 'null');
}

function asObject(json: unknown): Readonly<Record<string, unknown>> {
  if (typeof json !== 'object' || json === null || Array.isArray(json)) fail('expected an object');
  return json as Readonly<Record<string, unknown>>;
}

function toJson(value: unknown): Json {
  if (typeof value === 'bigint') {
    return value >= Number.MIN_SAFE_INTEGER && value <= Number.MAX_SAFE_INTEGER ? Number(value) : value.toString();
  }
  if (value instanceof Uint8Array) return Buffer.from(value).toString('base64');
  if (Array.isArray(value)) return value.map(toJson);
  if (typeof value === 'object' && value !== null) {
    return Object.fromEntries(
      Object.entries(value).flatMap(([key, entry]) => (entry === undefined ? [] : [[key, toJson(entry)]])),
    );
  }
  return value === undefined ? null : (value as Json);
}
