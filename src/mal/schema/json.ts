import {
  ATTRIBUTE_TYPES,
  type Attribute,
  type AttributeTypeName,
  BIGINT_RANGES,
  formatDuration,
  formatTime,
  NUMBER_RANGES,
  type ObjectRef,
  parseDuration,
  parseTime,
} from '../types/index.js';
import type { BodyDescriptor, FieldDescriptor, TypeDescriptor, ValueOf } from './descriptor.js';

/**
 * JSON form of declared values: the shape of the value in memory, times ISO 8601, Duration `PT1.5S`, Long and ULong a number
 * when safe and else a decimal string, Blob base64, non-finite floats as text.
 */

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

/** A JSON text that is not a value of the declared type; the message starts with the path of the fault. */
export class DecodeError extends Error {
  /** As in `productFilter.domain[1]`; empty at the root. */
  readonly path: string;
  readonly reason: string;

  constructor(path: string, reason: string) {
    super(path === '' ? reason : `${path}: ${reason}`);
    this.name = 'DecodeError';
    this.path = path;
    this.reason = reason;
  }
}

/** Puts a field name or an index in front of the path. */
export function within(step: string | number, error: DecodeError): DecodeError {
  const head = typeof step === 'number' ? `[${step}]` : step;
  const glue = error.path === '' || error.path.startsWith('[') ? '' : '.';
  return new DecodeError(`${head}${glue}${error.path}`, error.reason);
}

interface Coder {
  readonly encode: (value: never) => Json;
  readonly decode: (json: unknown) => unknown;
}

const coders = new WeakMap<object, Coder>();

/** @returns the JSON form; the value must be one of the type */
export const encodeJson = <T extends TypeDescriptor | BodyDescriptor>(type: T, value: ValueOf<T>): Json =>
  coderOf(type).encode(value as never);

/** @throws DecodeError naming the path of the first fault */
export const decodeJson = <T extends TypeDescriptor | BodyDescriptor>(type: T, json: unknown): ValueOf<T> =>
  coderOf(type).decode(json) as ValueOf<T>;

function coderOf(type: TypeDescriptor | BodyDescriptor): Coder {
  const known = coders.get(type);
  if (known !== undefined) return known;
  const coder = 'kind' in type ? createCoder(type) : fieldsCoder(type.fields, null);
  coders.set(type, coder);
  return coder;
}

function createCoder(type: TypeDescriptor): Coder {
  switch (type.kind) {
    case 'attribute':
      return attributeCoders[type.name];
    case 'any-attribute':
      return anyAttributeCoder;
    case 'enumeration':
      return {
        encode: (value: string) => value,
        decode: (json) => {
          if (typeof json !== 'string' || !type.items.has(json))
            fail(`expected one of ${[...type.items.keys()].join(', ')}`);
          return json;
        },
      };
    case 'list':
      return listCoder(coderOf(type.item));
    case 'composite':
      return fieldsCoder(type.fields, type.tagged ? type.name : null);
    case 'abstract': {
      const subtypes = new Map([...type.subtypes].map(([name, subtype]) => [name, coderOf(subtype)]));
      const names = [...subtypes.keys()].join(', ');
      const pick = (name: unknown): Coder => subtypes.get(name as string) ?? failAt('type', `expected one of ${names}`);
      return {
        encode: (value: { readonly type: string }) => pick(value.type).encode(value as never),
        decode: (json) => pick(asObject(json).type).decode(json),
      };
    }
  }
}

function listCoder(item: Coder): Coder {
  return {
    encode: (values: readonly unknown[]) => values.map((value) => item.encode(value as never)),
    decode: (json) => {
      if (!Array.isArray(json)) return fail(`expected a list, not ${kindOf(json)}`);
      return json.map((entry, i) => step(i, item.decode, entry));
    },
  };
}

function fieldsCoder(fields: readonly FieldDescriptor[], tag: string | null): Coder {
  const parts = fields.map((field) => ({ ...field, coder: coderOf(field.type) }));
  const known = new Set(fields.map((field) => field.name));
  return {
    encode: (value: Readonly<Record<string, unknown>>) => {
      const json: Record<string, Json> = tag === null ? {} : { type: tag };
      for (const { name, coder } of parts) {
        const part = value[name];
        json[name] = part === null || part === undefined ? null : coder.encode(part as never);
      }
      return json;
    },
    decode: (json) => {
      const source = asObject(json);
      const value: Record<string, unknown> = tag === null ? {} : { type: tag };
      if (tag !== null && source.type !== tag) failAt('type', `expected ${tag}`);
      for (const { name, nullable, coder } of parts) {
        const part = Object.hasOwn(source, name) ? source[name] : undefined;
        if (part === undefined || part === null) {
          if (!nullable) failAt(name, part === null ? 'must not be null' : 'is missing');
          value[name] = null;
        } else {
          value[name] = step(name, coder.decode, part);
        }
      }
      for (const name of Object.keys(source)) {
        if (!known.has(name) && !(tag !== null && name === 'type')) failAt(name, 'unknown field');
      }
      return value;
    },
  };
}

const textCoder: Coder = {
  encode: (value: string) => value,
  decode: (json) => (typeof json === 'string' ? json : fail(`expected text, not ${kindOf(json)}`)),
};

const booleanCoder: Coder = {
  encode: (value: boolean) => value,
  decode: (json) => (typeof json === 'boolean' ? json : fail(`expected true or false, not ${kindOf(json)}`)),
};

const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

const blobCoder: Coder = {
  encode: (value: Uint8Array) => Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('base64'),
  decode: (json) => {
    if (typeof json !== 'string' || !BASE64.test(json)) return fail('expected base64 text');
    return new Uint8Array(Buffer.from(json, 'base64'));
  },
};

function floatCoder(round: (value: number) => number): Coder {
  return {
    encode: (value: number) => (Number.isFinite(value) ? (Object.is(value, -0) ? '-0' : value) : String(value)),
    decode: (json) => {
      if (typeof json === 'number') return round(json);
      if (json === 'NaN' || json === 'Infinity' || json === '-Infinity' || json === '-0') return Number(json);
      return fail(`expected a number, "NaN", "Infinity" or "-Infinity", not ${kindOf(json)}`);
    },
  };
}

function integerCoder(name: keyof typeof NUMBER_RANGES): Coder {
  const [low, high] = NUMBER_RANGES[name];
  return {
    encode: (value: number) => value,
    decode: (json) => {
      if (typeof json !== 'number' || !Number.isInteger(json) || json < low || json > high) {
        return fail(`expected a whole number from ${low} to ${high}`);
      }
      return json === 0 ? 0 : json;
    },
  };
}

function bigintCoder(name: 'Long' | 'ULong'): Coder {
  const [low, high] = BIGINT_RANGES[name];
  const range = `expected a whole number from ${low} to ${high}, as text beyond ${Number.MAX_SAFE_INTEGER}`;
  return {
    encode: (value: bigint) =>
      value >= Number.MIN_SAFE_INTEGER && value <= Number.MAX_SAFE_INTEGER ? Number(value) : value.toString(),
    decode: (json) => {
      const whole =
        typeof json === 'number' ? Number.isSafeInteger(json) : typeof json === 'string' && /^-?\d{1,20}$/.test(json);
      if (!whole) return fail(range);
      const value = BigInt(json as number | string);
      return value < low || value > high ? fail(range) : value;
    },
  };
}

function isoCoder(format: (ns: bigint) => string, parse: (text: string) => bigint): Coder {
  return {
    encode: (value: bigint) => format(value),
    decode: (json) => {
      if (typeof json !== 'string') return fail(`expected ISO 8601 text, not ${kindOf(json)}`);
      try {
        return parse(json);
      } catch (error) {
        return fail((error as Error).message);
      }
    },
  };
}

const uinteger = integerCoder('UInteger');

const objectRefCoder: Coder = {
  encode: (ref: ObjectRef) => ({ domain: [...ref.domain], type: ref.type, key: ref.key, version: ref.version }),
  decode: (json) => {
    const source = asObject(json);
    const part = (name: string, coder: Coder): unknown =>
      source[name] === undefined ? failAt(name, 'is missing') : step(name, coder.decode, source[name]);
    const ref = {
      domain: part('domain', listCoder(textCoder)),
      type: source.type === undefined ? 'Product' : part('type', textCoder),
      key: part('key', textCoder),
      version: part('version', uinteger),
    };
    for (const name of Object.keys(source)) if (!Object.hasOwn(ref, name)) failAt(name, 'unknown field');
    return ref;
  },
};

const time = isoCoder(formatTime, parseTime);

const attributeCoders: Readonly<Record<AttributeTypeName, Coder>> = {
  Blob: blobCoder,
  Boolean: booleanCoder,
  Duration: isoCoder(formatDuration, parseDuration),
  Float: floatCoder(Math.fround),
  Double: floatCoder((value) => value),
  Identifier: textCoder,
  Octet: integerCoder('Octet'),
  UOctet: integerCoder('UOctet'),
  Short: integerCoder('Short'),
  UShort: integerCoder('UShort'),
  Integer: integerCoder('Integer'),
  UInteger: uinteger,
  Long: bigintCoder('Long'),
  ULong: bigintCoder('ULong'),
  String: textCoder,
  Time: time,
  FineTime: time,
  URI: textCoder,
  ObjectRef: objectRefCoder,
};

const anyAttributeCoder: Coder = {
  encode: (value: Attribute) => ({ type: value.type, value: attributeCoders[value.type].encode(value.value as never) }),
  decode: (json) => {
    const source = asObject(json);
    const type = source.type;
    if (typeof type !== 'string' || !Object.hasOwn(attributeCoders, type)) {
      return failAt('type', `expected one of ${ATTRIBUTE_TYPES.join(', ')}`);
    }
    if (source.value === undefined) failAt('value', 'is missing');
    for (const name of Object.keys(source)) if (name !== 'type' && name !== 'value') failAt(name, 'unknown field');
    return { type, value: step('value', attributeCoders[type as AttributeTypeName].decode, source.value) };
  },
};

function asObject(json: unknown): Readonly<Record<string, unknown>> {
  if (typeof json !== 'object' || json === null || Array.isArray(json)) fail(`expected an object, not ${kindOf(json)}`);
  return json as Readonly<Record<string, unknown>>;
}

function step(name: string | number, decode: (json: unknown) => unknown, json: unknown): unknown {
  try {
    return decode(json);
  } catch (error) {
    throw error instanceof DecodeError ? within(name, error) : error;
  }
}

function fail(reason: string): never {
  throw new DecodeError('', reason);
}

function failAt(path: string, reason: string): never {
  throw new DecodeError(path, reason);
}

function kindOf(json: unknown): string {
  if (json === null) return 'null';
  return Array.isArray(json) ? 'a list' : typeof json === 'object' ? 'an object' : typeof json;
}
