import { lookup } from 'mime-types';
import type { Entry } from '../../src/gateway/backend.js';
import { floorToMs } from '../../src/mal/index.js';
import type { Catalogue } from './catalogue.js';
import type { DataDriveConfig } from './config.js';
import { numberOf, textOf, timeOf } from './record.js';
import type { FieldTable } from './schema.js';
import type { Document, Hit } from './search.js';

/** The version of a reference: whole seconds of the update time, as a UInteger. */
export const versionOf = (updatedAt: bigint): number => Number(BigInt.asUintN(32, updatedAt / 1_000_000_000n));

/** What the index says of one file, read once. */
export interface FileRecord {
  readonly id: string;
  readonly domain: readonly string[];
  readonly url: string;
  readonly etag: string | null;
  readonly size: number | null;
  /** At the resolution of the index, so that it orders as the index does. */
  readonly updatedAt: bigint;
  readonly revision: string;
}

/** null for a document that lacks what a product needs: id, place of its bytes, update time. */
export function recordOf(
  { _source: source, _index }: Hit,
  catalogue: Catalogue,
  config: DataDriveConfig,
): FileRecord | null {
  const { fields, packageDomains } = config;
  const id = textOf(source, fields.id);
  const url = textOf(source, fields.url);
  const updated = timeAt(source, fields.updated, catalogue.of(_index).fields);
  const pkg = textOf(source, fields.package);
  if (id === null || id === '' || url === null || updated === null || (packageDomains && !pkg)) return null;
  const etag = textOf(source, fields.etag)?.replaceAll('"', '') || null;
  const size = numberOf(source, fields.size);
  const revision = etag === null ? `t${updated}` : `${etag}:${size ?? ''}`;
  return {
    id,
    domain: catalogue.domainOf(pkg),
    url,
    etag,
    size,
    updatedAt: updated,
    revision,
  };
}

/** null for a document that is no product, or of an object type that the catalogue does not know yet. */
export function entryOf(hit: Hit, catalogue: Catalogue, config: DataDriveConfig): Entry | null {
  const record = recordOf(hit, catalogue, config);
  if (record === null) return null;
  const { _source: source } = hit;
  const { fields } = config;
  const index = catalogue.of(hit._index);
  const described = index.describe(source);
  const created = timeAt(source, fields.created, index.fields);
  if (described === null || created === null) return null;
  const { contentStart, contentEnd } = described;
  const start = contentStart ?? contentEnd ?? created;
  const end = contentEnd !== null && contentEnd > start ? contentEnd : start;
  const name = textOf(source, fields.name);
  const fullName = textOf(source, fields.fullName);
  const extension = textOf(source, fields.extension) ?? name ?? '';
  const algorithm = config.checksum === 'none' ? null : config.checksum;
  const mime = described.mime ?? (lookup(extension) || 'application/octet-stream');
  return {
    metadata: {
      productType: catalogue.mapper.type(described.productType),
      productRef: { domain: record.domain, type: 'Product', key: record.id, version: versionOf(record.updatedAt) },
      creationDate: created,
      source: described.source,
      externalURI: null,
      contentDate: { start, end },
      attributes: described.attributes.length === 0 ? null : described.attributes,
      description: described.description,
      fileMetadata: { updateDate: record.updatedAt, mime, fileSize: BigInt(record.size ?? 0) },
      checksum: described.claim?.algorithm === algorithm ? (described.claim?.value ?? null) : null,
    },
    revision: record.revision,
    updatedAt: record.updatedAt,
    path: fullName === null ? null : fullName.replace(/^\/+/, ''),
    fileName: described.fileName ?? name,
    claim: described.claim,
  };
}

function timeAt(source: Document, name: string, table: FieldTable): bigint | null {
  const value = (source[name] ?? textOf(source, name)) as unknown;
  const time = timeOf(Array.isArray(value) ? value[0] : value);
  return time === null || table.get(name)?.kind === 'date-nanos' ? time : floorToMs(time);
}
