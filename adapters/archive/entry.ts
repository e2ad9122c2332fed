import type { Selectable } from 'kysely';
import type { Entry } from '../../src/gateway/backend.js';
import { decodeJson, list, NamedValue, type ObjectRef } from '../../src/mal/index.js';
import type { Claim, ProductMapper } from '../../src/mapping/index.js';
import type { FileTable } from './tables.js';

export type FileRow = Selectable<FileTable>;

const attributes = list(NamedValue);

/** Whole seconds of the update time, as a UInteger. */
export const versionOf = (updated: bigint): number => Number(BigInt.asUintN(32, updated / 1_000_000_000n));

export const refOf = (row: Pick<FileRow, 'domain' | 'path' | 'updated_ns'>): ObjectRef => ({
  domain: JSON.parse(row.domain) as string[],
  type: 'Product',
  key: row.path,
  version: versionOf(row.updated_ns),
});

export const revisionOf = (row: Pick<FileRow, 'sha256'>): string => Buffer.from(row.sha256).toString('hex');

export function claimOf(row: Pick<FileRow, 'claim_algorithm' | 'claim_value'>): Claim | null {
  const { claim_algorithm: algorithm, claim_value: value } = row;
  return algorithm === null || value === null ? null : { algorithm: algorithm as Claim['algorithm'], value };
}

/** What an entry is made of. */
export type EntryRow = Omit<
  FileRow,
  'backend' | 'kind' | 'mtime_ns' | 'inode' | 'seq' | 'born_seq' | 'content_seq' | 'removed_at'
>;

export function entryOf(row: EntryRow, mapper: ProductMapper): Entry {
  const named = decodeJson(attributes, row.attributes);
  return {
    metadata: {
      productType: mapper.type(row.product_type),
      productRef: refOf(row),
      creationDate: row.created_ns,
      source: row.source,
      externalURI: null,
      contentDate: { start: row.content_start_ns, end: row.content_end_ns },
      attributes: named.length === 0 ? null : named,
      description: row.description,
      fileMetadata: { updateDate: row.updated_ns, mime: row.mime, fileSize: row.size },
      checksum: row.sha256,
    },
    revision: revisionOf(row),
    updatedAt: row.updated_ns,
    path: row.path,
    fileName: row.file_name,
    claim: claimOf(row),
  };
}
