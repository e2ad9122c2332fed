import type { ObjectTypeDefinition, PropertySchema } from './options.js';

/** An Elasticsearch field mapping. */
export interface FieldMapping {
  readonly type?: string;
  readonly format?: string;
  readonly ignore_above?: number;
  readonly fields?: Readonly<Record<string, FieldMapping>>;
  readonly properties?: Readonly<Record<string, FieldMapping>>;
  readonly enabled?: boolean;
}

const keyword: FieldMapping = { type: 'keyword' };
const dateFormat = 'date_optional_time||epoch_millis';
const date: FieldMapping = { type: 'date', format: dateFormat };
const text: FieldMapping = { type: 'text', fields: { keyword: { type: 'keyword', ignore_above: 256 } } };

/** The fields that every file document has (spec §2.3). */
export const systemMapping: Readonly<Record<string, FieldMapping>> = {
  ...Object.fromEntries(
    [
      ...['dataset_id', 'package_id', 'package_name', 'type_name', 'name', 'path', 'full_name', 'url', 'created_by'],
      'etag',
    ].map((name) => [`ocs_${name}`, keyword]),
  ),
  ext: keyword,
  group_id: keyword,
  overlay_id: keyword,
  ocs_created_at: date,
  ocs_updated_at: date,
  size: { type: 'long' },
};

/** The index mapping of an object type (spec §11.1). `geoShape`: the server has that field type. */
export function mappingOf(type: ObjectTypeDefinition, geoShape: boolean): Readonly<Record<string, unknown>> {
  const own = Object.entries(type.schema.properties ?? {}).map(([name, schema]) => [
    name,
    fieldMapping(name, schema, geoShape),
  ]);
  return { dynamic: false, properties: { ...systemMapping, ...Object.fromEntries(own) } };
}

function fieldMapping(name: string, schema: PropertySchema, geoShape: boolean): FieldMapping {
  if (schema.contentMediaType === 'application/geo+json')
    return geoShape ? { type: 'geo_shape' } : { type: 'object', enabled: false };
  switch (schema.type) {
    case 'integer':
      return { type: 'long' };
    case 'number':
      return { type: schema.format === 'float' ? 'float' : 'double' };
    case 'boolean':
      return { type: 'boolean' };
    case 'array':
      return fieldMapping(name, schema.items ?? { type: 'string' }, geoShape);
    case 'object':
      return objectMapping(schema, geoShape);
    default:
      if (schema.format === 'date-time') return date;
      return /description|comment|abstract|text/i.test(name) ? text : keyword;
  }
}

function objectMapping(schema: PropertySchema, geoShape: boolean): FieldMapping {
  const { gte, lte } = schema.properties ?? {};
  if (gte && lte) return gte.type === 'string' ? { type: 'date_range', format: dateFormat } : { type: 'double_range' };
  const properties = Object.entries(schema.properties ?? {}).map(([name, property]) => [
    name,
    fieldMapping(name, property, geoShape),
  ]);
  return { properties: Object.fromEntries(properties) };
}
