import { createHash } from 'node:crypto';
import type { Insertable, Selectable } from 'kysely';
import { parseTime } from '../../src/formats/time.js';
import type { Entry } from '../../src/gateway/backend.js';
import type { ObjectRef } from '../../src/mal/index.js';
import type { ProductMapper, Raw } from '../../src/mapping/index.js';
import type { TimeWindow } from '../../src/mpd/index.js';
import type { CatalogueRecord } from './service.js';
import type { ProductTable } from './tables.js';

export type ProductRow = Selectable<ProductTable>;
export type NewRow = Insertable<ProductTable>;

/** What turns rows into entries. */
export interface EntryContext {
  readonly domain: readonly string[];
  readonly mapper: ProductMapper;
}

/** Whole seconds of the update time, as a UInteger; a part never changes, a selection has no version. */
export function versionOf(row: Pick<ProductRow, 'kind' | 'updated_ns'>): number {
  if (row.kind === 'selection') return 0;
  return row.kind === 'part' ? 1 : Number(BigInt.asUintN(32, row.updated_ns / 1_000_000_000n));
}

const refTo = (context: EntryContext, key: string, version: number): ObjectRef => ({
  domain: [...context.domain],
  type: 'Product',
  key,
  version,
});

/** Reference of a row that is gone: parts have request ids. */
export const refOf = (context: EntryContext, row: ProductRow): ObjectRef =>
  refTo(context, row.key, row.request_id !== null ? 1 : versionOf({ ...row, kind: 'file' }));

/** The entry of a file or part. */
export function entryOf(context: EntryContext, row: ProductRow): Entry {
  const described = context.mapper.describe(fieldsOf(row));
  const type = described?.productType ?? row.product_type;
  return {
    metadata: {
      productType: context.mapper.type(type),
      productRef: refTo(context, row.key, versionOf(row)),
      creationDate: row.created_ns,
      source: described?.source ?? null,
      externalURI: null,
      contentDate: { start: row.content_start_ns, end: row.content_end_ns },
      attributes: described === null || described.attributes.length === 0 ? null : described.attributes,
      description: described?.description ?? null,
      fileMetadata: row.size === null ? null : { updateDate: row.updated_ns, mime: row.mime, fileSize: row.size },
      checksum: row.sha256,
    },
    revision: row.revision,
    updatedAt: row.updated_ns,
    path: null,
    fileName: row.kind === 'part' || row.kind === 'file' ? row.key : null,
    claim: null,
    ...ordersOf('madeFor', row.record['part.madeFor']),
    ...ordersOf('joinedBy', row.record['part.joinedBy']),
  };
}

/** Orders in the record of a part, as `7,12`. */
function ordersOf(name: 'madeFor' | 'joinedBy', text: string | number | undefined): Partial<Entry> {
  if (text === undefined) return {};
  return { [name]: String(text).split(',').filter(Boolean).map(BigInt) };
}

/** The virtual product of a selection: what it holds in the window, or all. Null when it holds nothing there. */
export function virtualEntry(context: EntryContext, row: ProductRow, window: TimeWindow | null): Entry | null {
  const start = window === null || window.start < row.content_start_ns ? row.content_start_ns : window.start;
  const end = window === null || window.end > row.content_end_ns ? row.content_end_ns : window.end;
  if (end < start) return null;
  const entry = entryOf(context, { ...row, content_start_ns: start, content_end_ns: end });
  const key = virtualKey(row.key, start, end);
  return {
    ...entry,
    metadata: { ...entry.metadata, productRef: refTo(context, key, 0) },
    revision: virtualRevision(key),
    fileName: `${key.replaceAll('/', '_').replaceAll(':', '')}.xml`,
    mediaType: row.mime,
    // For whoever asks by name: no order gets it.
    madeFor: [],
  };
}

/** Nothing tells whether the same request would give the same bytes again; the key alone names what is asked for. */
export const virtualRevision = (key: string): string => `on-request:${key}`;

/** `<type>/<selector hash>/<begin>--<end>`, times in ISO 8601 with as many decimals as they need. */
export const virtualKey = (selection: string, start: bigint, end: bigint): string =>
  `${selection}/${iso(start)}--${iso(end)}`;

const VIRTUAL = /^([^/]+\/[0-9a-f]{16})\/([^/]+Z)--([^/]+Z)$/;

/** Selection and window of a virtual key; null when it is none in its one form. */
export function parseVirtualKey(
  key: string,
): { readonly selection: string; readonly start: bigint; readonly end: bigint } | null {
  const match = VIRTUAL.exec(key);
  if (match === null) return null;
  const [, selection, from, to] = match;
  const [start, end] = [parseTime(from!), parseTime(to!)];
  if (start === null || end === null || end < start || virtualKey(selection!, start, end) !== key) return null;
  return { selection: selection!, start, end };
}

/** ISO 8601 with as many decimals as the time needs. */
export function iso(time: bigint): string {
  const seconds = time / 1_000_000_000n;
  const fraction = (time % 1_000_000_000n).toString().padStart(9, '0').replace(/0+$/, '');
  return `${new Date(Number(seconds) * 1000).toISOString().slice(0, 19)}${fraction === '' ? '' : `.${fraction}`}Z`;
}

/** Key of a selection: what it selects, not how much of it there is. */
export function selectionKey(record: CatalogueRecord): string {
  const identity = ['dataType', 'name', 'spid', 'apid', 'service', 'subservice'].map(
    (name) => record[name as keyof CatalogueRecord] ?? '',
  );
  return `${record.dataType}/${createHash('sha256').update(JSON.stringify(identity)).digest('hex').slice(0, 16)}`;
}

/** Fields that a mapping of EDDS can name: `record.*` of the catalogue, `part.*` of response files, `kind`. */
export function fieldsOf(row: Pick<ProductRow, 'kind' | 'record'>): (field: string) => Raw | undefined {
  return (field) => (field === 'kind' ? row.kind : row.record[field]);
}
