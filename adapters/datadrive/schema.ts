import type { AttributeRule, ProductRule } from '../../src/mapping/index.js';

/** How a field is indexed, as far as a query can rely on it. */
export type FieldKind =
  | 'keyword'
  | 'text'
  | 'integer'
  | 'double'
  /** Single precision: the index rounds what the document says. */
  | 'single'
  /** Numbers that the index rounds in other ways: no query relies on them. */
  | 'float'
  | 'boolean'
  | 'date'
  | 'date-nanos'
  | 'other';

export interface FieldInfo {
  readonly kind: FieldKind;
  /** Field to query for exact values: the field itself or its keyword part; null where there is none. */
  readonly exact: string | null;
  /** Longer texts are not indexed; null = no limit. */
  readonly ignoreAbove: number | null;
  /** A `date_range` and the like: `<field>.gte`, `<field>.lte`. */
  readonly range: 'date' | 'integer' | 'double' | null;
}

/** Fields of one alias by dotted name. */
export type FieldTable = ReadonlyMap<string, FieldInfo>;

interface Mapping {
  readonly type?: string;
  readonly index?: boolean;
  readonly ignore_above?: number;
  readonly normalizer?: string;
  readonly fields?: Readonly<Record<string, Mapping>>;
  readonly properties?: Readonly<Record<string, Mapping>>;
}

const KINDS: Readonly<Record<string, FieldKind>> = {
  keyword: 'keyword',
  constant_keyword: 'keyword',
  wildcard: 'keyword',
  text: 'text',
  match_only_text: 'text',
  long: 'integer',
  integer: 'integer',
  short: 'integer',
  byte: 'integer',
  double: 'double',
  float: 'single',
  half_float: 'float',
  scaled_float: 'float',
  boolean: 'boolean',
  date: 'date',
  date_nanos: 'date-nanos',
};

const RANGES: Readonly<Record<string, FieldInfo['range']>> = {
  date_range: 'date',
  long_range: 'integer',
  integer_range: 'integer',
  double_range: 'double',
  float_range: 'double',
};

/** Reads the `properties` of an index mapping. Nested fields are left out: their parts do not belong together in a flat query. */
export function readFields(properties: Readonly<Record<string, Mapping>>, prefix = ''): Map<string, FieldInfo> {
  const fields = new Map<string, FieldInfo>();
  for (const [name, mapping] of Object.entries(properties)) {
    const path = prefix + name;
    if (mapping.type === 'nested') continue;
    if (mapping.properties)
      for (const [inner, info] of readFields(mapping.properties, `${path}.`)) fields.set(inner, info);
    else fields.set(path, infoOf(path, mapping));
  }
  return fields;
}

function infoOf(path: string, mapping: Mapping): FieldInfo {
  const type = mapping.type ?? 'object';
  const range = RANGES[type] ?? null;
  // A normalised text is not compared as it is written.
  const kind = mapping.normalizer === undefined ? (KINDS[type] ?? 'other') : 'other';
  const limit = (one: Mapping): number | null => one.ignore_above ?? null;
  if (mapping.index === false) return { kind, exact: null, ignoreAbove: null, range };
  if (kind !== 'text') return { kind, exact: path, ignoreAbove: limit(mapping), range };
  const part = Object.entries(mapping.fields ?? {}).find(
    ([, one]) => one.type === 'keyword' && one.index !== false && !one.normalizer,
  );
  return { kind, exact: part ? `${path}.${part[0]}` : null, ignoreAbove: part ? limit(part[1]) : null, range };
}

/** What an ObjectType JSON Schema adds to the index mapping. */
export interface ObjectType {
  readonly name: string;
  readonly description?: string;
  readonly schema?: {
    readonly properties?: Readonly<Record<string, { readonly description?: string; readonly format?: string }>>;
  };
}

const ATTRIBUTE_TYPES: Readonly<Record<FieldKind, AttributeRule['type']>> = {
  ...{
    keyword: 'String',
    text: 'String',
    integer: 'Long',
    double: 'Double',
    single: 'Double',
    float: 'Double',
    boolean: 'Boolean',
  },
  ...{ date: 'Time', 'date-nanos': 'FineTime', other: 'String' },
};
const RANGE_TYPES = { date: 'Time', integer: 'Long', double: 'Double' } as const;

/** A product type for an object type: one attribute a field that is not a system field (spec §10.3). */
export function ruleFor(
  type: string,
  fields: FieldTable,
  system: ReadonlySet<string>,
  known?: ObjectType,
): ProductRule {
  const attributes: AttributeRule[] = [];
  const add = (name: string, kind: AttributeRule['type']): void => {
    const property = known?.schema?.properties?.[name];
    const isTime = kind === 'String' && property?.format === 'date-time';
    const description = property?.description;
    attributes.push({
      ...{ name, type: isTime ? 'FineTime' : kind, from: [name], transform: [] },
      ...(description !== undefined && { description }),
    });
  };
  for (const [name, info] of fields) {
    if (system.has(name)) continue;
    if (info.range) for (const end of ['gte', 'lte']) add(`${name}.${end}`, RANGE_TYPES[info.range]);
    else add(name, ATTRIBUTE_TYPES[info.kind]);
  }
  return {
    name: type,
    description: known?.description ?? `DataDrive object type ${type}`,
    when: [{ [TYPE_FIELD]: { equals: type } }],
    attributes,
  };
}

/** Name under which the mapping sees the object type, whatever the field is called at the site. */
export const TYPE_FIELD = 'ocs_type_name';
