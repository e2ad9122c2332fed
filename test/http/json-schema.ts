import type { Json, JsonSchema } from '../../src/client/http/wire/index.js';

const KNOWN = new Set([
  '$ref',
  'type',
  'properties',
  'required',
  'additionalProperties',
  'items',
  'enum',
  'const',
  'oneOf',
  'anyOf',
  'minItems',
  'maxItems',
  'minimum',
  'maximum',
  'pattern',
  'format',
  'description',
  'default',
  'examples',
  'discriminator',
  'contentEncoding',
]); // prettier-ignore

/** What is wrong with a value by JSON Schema 2020-12, as far as our documents use it; a keyword beyond that is a fault of the schema. */
export function schemaFaults(
  schema: JsonSchema,
  value: Json,
  components: Readonly<Record<string, JsonSchema>>,
  path = '$',
): string[] {
  const strange = Object.keys(schema).filter((keyword) => !KNOWN.has(keyword));
  if (strange.length > 0) return [`${path}: the schema has ${strange.join(', ')}`];
  const faults: string[] = [];
  const fail = (reason: string): void => void faults.push(`${path}: ${reason}`);
  const sub = (part: Json | undefined, inner: Json, at: string): string[] =>
    schemaFaults(part as JsonSchema, inner, components, at);
  if (typeof schema.$ref === 'string') {
    const target = components[schema.$ref.replace('#/components/schemas/', '')];
    if (target === undefined) fail(`${schema.$ref} leads nowhere`);
    else faults.push(...sub(target, value, path));
  }
  if (schema.type !== undefined && ![schema.type].flat().some((type) => isOf(type as string, value)))
    fail(`is no ${schema.type}`);
  if (Array.isArray(schema.enum) && !schema.enum.includes(value)) fail(`is none of ${schema.enum}`);
  if (schema.const !== undefined && schema.const !== value) fail(`is not ${schema.const}`);
  if (Array.isArray(schema.anyOf) && !schema.anyOf.some((part) => sub(part, value, path).length === 0))
    fail('fits no alternative');
  if (Array.isArray(schema.oneOf)) {
    const fitting = schema.oneOf.filter((part) => sub(part, value, path).length === 0).length;
    if (fitting !== 1) fail(`fits ${fitting} of the alternatives`);
  }
  if (typeof value === 'number') {
    if (typeof schema.minimum === 'number' && value < schema.minimum) fail(`is below ${schema.minimum}`);
    if (typeof schema.maximum === 'number' && value > schema.maximum) fail(`is above ${schema.maximum}`);
  }
  if (typeof value === 'string' && typeof schema.pattern === 'string' && !new RegExp(schema.pattern).test(value))
    fail('does not fit the pattern');
  if (Array.isArray(value)) {
    if (typeof schema.minItems === 'number' && value.length < schema.minItems) fail('has too few');
    if (typeof schema.maxItems === 'number' && value.length > schema.maxItems) fail('has too many');
    if (schema.items !== undefined)
      for (const [i, item] of value.entries()) faults.push(...sub(schema.items, item, `${path}[${i}]`));
  } else if (typeof value === 'object' && value !== null) {
    const properties = (schema.properties ?? {}) as Readonly<Record<string, JsonSchema>>;
    for (const name of (schema.required ?? []) as readonly string[]) if (!(name in value)) fail(`${name} is missing`);
    for (const [name, inner] of Object.entries(value)) {
      if (Object.hasOwn(properties, name)) faults.push(...sub(properties[name], inner, `${path}.${name}`));
      else if (schema.additionalProperties === false) fail(`${name} is not declared`);
      else if (typeof schema.additionalProperties === 'object')
        faults.push(...sub(schema.additionalProperties, inner, `${path}.${name}`));
    }
  }
  return faults;
}

function isOf(type: string, value: Json): boolean {
  if (type === 'null') return value === null;
  if (type === 'array') return Array.isArray(value);
  if (type === 'integer') return Number.isInteger(value);
  if (type === 'object') return typeof value === 'object' && value !== null && !Array.isArray(value);
  return typeof value === type;
}
