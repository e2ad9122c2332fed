import { parseTime } from '../../src/formats/time.js';
import { memo } from '../../src/mal/index.js';
import type { Place, Raw } from '../../src/mapping/index.js';
import type { DataDriveConfig } from './config.js';
import type { FieldTable } from './schema.js';
import type { Document } from './search.js';

const NS_PER_MS = 1_000_000n;

/** Names that the mapping table uses, whatever the fields are called at the site. */
const CANONICAL: Readonly<Record<string, keyof DataDriveConfig['fields']>> = {
  ocs_dataset_id: 'id',
  ocs_package_name: 'package',
  ocs_type_name: 'type',
  ocs_name: 'name',
  ocs_full_name: 'fullName',
  ocs_url: 'url',
  ocs_created_at: 'created',
  ocs_updated_at: 'updated',
  ocs_created_by: 'owner',
  ocs_etag: 'etag',
  size: 'size',
  ext: 'extension',
};

/** The site's name of a field that the mapping names. */
export function siteField(field: string, names: DataDriveConfig['fields']): string {
  const role = Object.hasOwn(CANONICAL, field) ? CANONICAL[field] : undefined;
  return role ? names[role] : field;
}

/** The values of the documents of one index as the mapping reads them; times of date fields as nanoseconds. */
export const placeIn =
  (table: FieldTable, names: DataDriveConfig['fields']): Place<Document> =>
  (field) => {
    const name = siteField(field, names);
    const isEnd = /\.(gte|lte)$/.test(name) && !table.has(name);
    // A range that the index does not know is not used: a search for it would find nothing.
    if (isEnd && !table.get(name.slice(0, -4))?.range) return () => undefined;
    const time = isTime(name, table);
    const find = finder(name);
    return (document) => {
      const value = find(document);
      if (typeof value === 'string' && !time) return value;
      return value === undefined || value === null ? undefined : toRaw(value, time);
    };
  };

function isTime(name: string, table: FieldTable): boolean {
  const own = table.get(name);
  if (own) return own.kind === 'date' || own.kind === 'date-nanos';
  const parent = /^(.*)\.(gte|lte|gt|lt)$/.exec(name)?.[1];
  return parent !== undefined && table.get(parent)?.range === 'date';
}

/** {@link lookUp} for one path in many documents. */
function finder(path: string): (document: Document) => unknown {
  const [head = '', end, ...more] = path.split('.');
  if (end === undefined) return (document) => (Object.hasOwn(document, path) ? document[path] : undefined);
  if (head === '' || more.length > 0) return (document) => lookUp(document, path);
  return (document) => {
    if (Object.hasOwn(document, path)) return document[path];
    const inner = Object.hasOwn(document, head) ? document[head] : undefined;
    if (typeof inner !== 'object' || inner === null) return undefined;
    if (Array.isArray(inner)) return lookUp(inner, end);
    return Object.hasOwn(inner, end) ? (inner as Document)[end] : undefined;
  };
}

/** `a.b` is a key of that name, or `b` inside `a`; inside a list of objects it is a list. */
function lookUp(value: unknown, path: string): unknown {
  if (Array.isArray(value)) {
    const found = value.map((item) => lookUp(item, path)).filter((item) => item !== undefined && item !== null);
    return found.length > 0 ? found : undefined;
  }
  if (typeof value !== 'object' || value === null) return undefined;
  if (Object.hasOwn(value, path)) return (value as Document)[path];
  for (let dot = path.indexOf('.'); dot > 0; dot = path.indexOf('.', dot + 1)) {
    const head = path.slice(0, dot);
    if (!Object.hasOwn(value, head)) continue;
    const found = lookUp((value as Document)[head], path.slice(dot + 1));
    if (found !== undefined) return found;
  }
  return undefined;
}

function toRaw(value: unknown, time: boolean): Raw | undefined {
  if (Array.isArray(value)) return value.map((item) => toRaw(item, time)).filter((item) => item !== undefined);
  if (typeof value === 'object') return value === null ? undefined : JSON.stringify(value);
  if (time) return timeOf(value) ?? undefined;
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean' ? value : undefined;
}

/** ISO 8601 (calendar or day of the year, with or without zone) or ms since 1970, as the index takes them; null for anything else. */
export function timeOf(value: unknown): bigint | null {
  if (typeof value === 'number') return Number.isFinite(value) ? BigInt(Math.floor(value)) * NS_PER_MS : null;
  return typeof value === 'string' ? timeOfText(value) : null;
}

/** One document names the same time several times, and its neighbours often too. */
const timeOfText = memo(1000, parseText);

function parseText(value: string): bigint | null {
  const common = value.endsWith('Z') && (value.length === 20 || value.length === 24) ? Date.parse(value) : Number.NaN;
  if (!Number.isNaN(common)) return BigInt(common) * NS_PER_MS;
  return /^-?\d{5,}$/.test(value) ? BigInt(value) * NS_PER_MS : parseTime(value);
}

/** The first text of a field that may be a list. */
export function textOf(document: Document, name: string): string | null {
  const value = Object.hasOwn(document, name) ? document[name] : lookUp(document, name);
  const first = Array.isArray(value) ? value[0] : value;
  return typeof first === 'string' || typeof first === 'number' ? String(first) : null;
}

export function numberOf(document: Document, name: string): number | null {
  const text = textOf(document, name);
  return text !== null && /^\d+$/.test(text) ? Number(text) : null;
}
