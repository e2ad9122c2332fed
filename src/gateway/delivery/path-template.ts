import { invalid } from '../../mpd/index.js';
import type { Entry } from '../backend.js';
import { checkRelativePath, safeSegment, withoutMeaning } from './file-name.js';

/**
 * Sub-folders by template, as in `{productType}/{created:yyyy}/{created:DDD}`. Fields: `productType`, `source`, `key`,
 * `folder` (the product's own folders, if any; the file then keeps its own name), `domain` (one folder an element),
 * `attribute.NAME`, and the times `created`, `content` (its start), `updated` with a format of yyyy MM dd DDD HH mm ss. A value
 * that is not there is `none`.
 */
const FIELD = /\{([^{}]*)\}/g;
const TIMES = ['created', 'content', 'updated'];
const PLAIN = ['productType', 'source', 'key', 'folder', 'domain'];

/** Throws Invalid naming `pathTemplate` and what is wrong with it. */
export function checkPathTemplate(template: string): void {
  const rest = template.replace(FIELD, (_whole, field: string) => {
    checkField(field);
    return 'x';
  });
  if (/[{}]/.test(rest)) throw invalid('pathTemplate', 'a brace is open');
  checkRelativePath(rest, 'pathTemplate');
}

/** Name of the delivered file relative to deliverTo: folders by the template, then the mapping's name, else the key made safe. */
export function deliveryPath(
  entry: Pick<Entry, 'metadata' | 'updatedAt' | 'path' | 'fileName'>,
  template: string | null,
): string {
  const name = entry.fileName ?? entry.metadata.productRef.key;
  if (template === null) return safeSegment(name);
  const own = template.includes('{folder}') ? entry.path?.split('/').at(-1) : undefined;
  const file = safeSegment(entry.fileName ?? (own || name));
  const folders = template.replace(FIELD, (_whole, field: string) => fieldValue(field, entry));
  const path = [
    ...folders
      .split('/')
      .filter((part) => part !== '')
      .map(withoutMeaning),
    file,
  ].join('/');
  checkRelativePath(path, 'pathTemplate');
  return path;
}

function checkField(field: string): void {
  const [name = '', format] = field.split(/:(.*)/s);
  if (TIMES.includes(name)) {
    if (format === undefined || format === '')
      throw invalid('pathTemplate', `{${field}} needs a format, as in {${name}:yyyy}`);
    if (/[\\/]/.test(format)) throw invalid('pathTemplate', `{${field}}: a format holds no slash`);
    return;
  }
  if (format !== undefined) throw invalid('pathTemplate', `{${field}}: only times have a format`);
  if (!PLAIN.includes(name) && !/^attribute\../s.test(name))
    throw invalid('pathTemplate', `{${field}} is unknown; known: ${[...TIMES, ...PLAIN, 'attribute.NAME'].join(', ')}`);
}

function fieldValue(
  field: string,
  { metadata, updatedAt, path }: Pick<Entry, 'metadata' | 'updatedAt' | 'path'>,
): string {
  const [name = '', format = ''] = field.split(/:(.*)/s);
  switch (name) {
    case 'created':
      return formatTime(metadata.creationDate, format);
    case 'content':
      return formatTime(metadata.contentDate.start, format);
    case 'updated':
      return formatTime(updatedAt, format);
    case 'productType':
      return safeSegment(metadata.productType.name);
    case 'source':
      return segment(metadata.source);
    case 'key':
      return safeSegment(metadata.productRef.key);
    case 'domain':
      return metadata.productRef.domain.map(segment).join('/') || 'none';
    case 'folder':
      return (path ?? '').split('/').slice(0, -1).map(segment).join('/');
    default:
      return segment(attribute(metadata.attributes, name.slice('attribute.'.length)));
  }
}

function attribute(attributes: Entry['metadata']['attributes'], name: string): string | null {
  const value = attributes?.find((item) => item.name === name)?.value;
  if (value === undefined || value === null || value.value instanceof Uint8Array || typeof value.value === 'object')
    return null;
  return String(value.value);
}

const segment = (text: string | null): string => (text === null || text === '' ? 'none' : safeSegment(text));

function formatTime(ns: bigint, format: string): string {
  const seconds = ns / 1_000_000_000n - (ns % 1_000_000_000n < 0n ? 1n : 0n);
  const date = new Date(Number(seconds) * 1000);
  const two = (value: number): string => String(value).padStart(2, '0');
  const day = Math.floor((date.getTime() - Date.UTC(date.getUTCFullYear(), 0, 1)) / 86_400_000) + 1;
  const values: Readonly<Record<string, string>> = {
    yyyy: String(date.getUTCFullYear()).padStart(4, '0'),
    MM: two(date.getUTCMonth() + 1),
    dd: two(date.getUTCDate()),
    DDD: String(day).padStart(3, '0'),
    HH: two(date.getUTCHours()),
    mm: two(date.getUTCMinutes()),
    ss: two(date.getUTCSeconds()),
  };
  return segment(format.replace(/yyyy|MM|DDD|dd|HH|mm|ss/g, (token) => values[token]!));
}
