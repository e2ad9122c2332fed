import { ATTRIBUTE_TYPES, type AttributeTypeName, NUMBER_RANGES } from '../types/index.js';
import type { BodyDescriptor, FieldDescriptor, TypeDescriptor } from './descriptor.js';
import type { Json } from './json.js';

/** JSON Schema (draft 2020-12) of the JSON form; named types are referred to by `$ref`, as OpenAPI 3.1 components have them. */
export type JsonSchema = { readonly [keyword: string]: Json };

export const COMPONENTS = '#/components/schemas/';

/** Schema of a type as a field uses it: a `$ref` for every type with a name of its own. */
export function jsonSchema(type: TypeDescriptor | BodyDescriptor, prefix = COMPONENTS): JsonSchema {
  if (!('kind' in type)) return fieldsSchema(type.fields, null, prefix);
  switch (type.kind) {
    case 'attribute':
      return type.name === 'ObjectRef' ? reference('ObjectRef', prefix) : attributeSchemas[type.name];
    case 'list':
      return { type: 'array', items: jsonSchema(type.item, prefix) };
    default:
      return reference(type.name, prefix);
  }
}

/** The named schemas that the given types need, themselves included; keys are type names. */
export function jsonSchemas(
  types: readonly (TypeDescriptor | BodyDescriptor)[],
  prefix = COMPONENTS,
): Readonly<Record<string, JsonSchema>> {
  const found = new Map<string, JsonSchema>();
  const visit = (type: TypeDescriptor | BodyDescriptor): void => {
    if (!('kind' in type)) {
      for (const field of type.fields) visit(field.type);
      return;
    }
    if (type.kind === 'list') {
      visit(type.item);
      return;
    }
    if ((type.kind === 'attribute' && type.name !== 'ObjectRef') || found.has(type.name)) return;
    found.set(type.name, definition(type, prefix));
    if (type.kind === 'composite') for (const field of type.fields) visit(field.type);
    if (type.kind === 'abstract') for (const subtype of type.subtypes.values()) visit(subtype);
    if (type.kind === 'any-attribute') found.set('ObjectRef', objectRefSchema);
  };
  for (const type of types) visit(type);
  return Object.fromEntries([...found].sort(([a], [b]) => (a < b ? -1 : 1)));
}

function definition(type: Exclude<TypeDescriptor, { kind: 'list' }>, prefix: string): JsonSchema {
  switch (type.kind) {
    case 'attribute':
      return objectRefSchema;
    case 'any-attribute':
      return anyAttributeSchema(prefix);
    case 'enumeration':
      return described(type.doc, { type: 'string', enum: [...type.items.keys()] });
    case 'composite':
      return described(type.doc, fieldsSchema(type.fields, type.tagged ? type.name : null, prefix));
    case 'abstract': {
      const names = [...type.subtypes.keys()];
      return described(type.doc, {
        oneOf: names.map((name) => reference(name, prefix)),
        discriminator: { propertyName: 'type', mapping: Object.fromEntries(names.map((n) => [n, `${prefix}${n}`])) },
      });
    }
  }
}

function fieldsSchema(fields: readonly FieldDescriptor[], tag: string | null, prefix: string): JsonSchema {
  const properties: Record<string, JsonSchema> = tag === null ? {} : { type: { const: tag } };
  for (const field of fields) {
    const schema = jsonSchema(field.type, prefix);
    properties[field.name] = field.nullable ? orNull(schema) : schema;
  }
  const required = fields.filter((field) => !field.nullable).map((field) => field.name);
  return {
    type: 'object',
    properties,
    required: tag === null ? required : ['type', ...required],
    additionalProperties: false,
  };
}

function orNull(schema: JsonSchema): JsonSchema {
  return typeof schema.type === 'string'
    ? { ...schema, type: [schema.type, 'null'] }
    : { anyOf: [schema, { type: 'null' }] };
}

const reference = (name: string, prefix: string): JsonSchema => ({ $ref: `${prefix}${name}` });
const described = (doc: string, schema: JsonSchema): JsonSchema =>
  doc === '' ? schema : { description: doc, ...schema };

const text: JsonSchema = { type: 'string' };
const time: JsonSchema = { type: 'string', format: 'date-time', description: 'ISO 8601, up to nine decimals' };
const wide: JsonSchema = {
  type: ['integer', 'string'],
  pattern: '^-?\\d{1,20}$',
  description: 'as text beyond 2^53 - 1',
};
const float: JsonSchema = { anyOf: [{ type: 'number' }, { enum: ['NaN', 'Infinity', '-Infinity', '-0'] }] };
const whole = (name: keyof typeof NUMBER_RANGES): JsonSchema => ({
  type: 'integer',
  minimum: NUMBER_RANGES[name][0],
  maximum: NUMBER_RANGES[name][1],
});

const attributeSchemas: Readonly<Record<Exclude<AttributeTypeName, 'ObjectRef'>, JsonSchema>> = {
  Blob: { type: 'string', contentEncoding: 'base64' },
  Boolean: { type: 'boolean' },
  Duration: { type: 'string', format: 'duration', description: 'ISO 8601, as in PT1.5S' },
  Float: float,
  Double: float,
  Identifier: text,
  Octet: whole('Octet'),
  UOctet: whole('UOctet'),
  Short: whole('Short'),
  UShort: whole('UShort'),
  Integer: whole('Integer'),
  UInteger: whole('UInteger'),
  Long: wide,
  ULong: wide,
  String: text,
  Time: time,
  FineTime: time,
  URI: { type: 'string', format: 'uri-reference' },
};

const objectRefSchema: JsonSchema = {
  description: 'Reference to an object: domain, type name, key, version.',
  type: 'object',
  properties: {
    domain: { type: 'array', items: text },
    type: { type: 'string', default: 'Product' },
    key: text,
    version: whole('UInteger'),
  },
  required: ['domain', 'key', 'version'],
  additionalProperties: false,
};

const anyAttributeSchema = (prefix: string): JsonSchema => ({
  description: 'A value with its type.',
  oneOf: ATTRIBUTE_TYPES.map((name) => ({
    type: 'object',
    properties: {
      type: { const: name },
      value: name === 'ObjectRef' ? reference('ObjectRef', prefix) : attributeSchemas[name],
    },
    required: ['type', 'value'],
    additionalProperties: false,
  })),
});
