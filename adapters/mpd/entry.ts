import { createHash } from 'node:crypto';
import type { Selectable } from 'kysely';
import type { Checksum, Entry } from '../../src/gateway/backend.js';
import { decodeJson, encodeJson, type ObjectRef } from '../../src/mal/index.js';
import { domainMatches } from '../../src/mpd/filter/index.js';
import { ProductMetadata } from '../../src/mpd/index.js';
import type { ProductTable } from './tables.js';

export type ProductRow = Selectable<ProductTable>;

/** A product as the index keeps it. */
export interface Remote {
  readonly domain: string;
  readonly key: string;
  readonly version: number;
  readonly metadata: ProductMetadata;
  readonly json: string;
  readonly digest: string;
  readonly revision: string;
  readonly updatedNs: bigint;
}

/** Null for what the index cannot keep or the backend does not own. */
export function remoteOf(metadata: ProductMetadata, domains: readonly (readonly string[])[]): Remote | null {
  const { domain, key, version } = metadata.productRef;
  if (!domains.some((prefix) => domainMatches(domain, [...prefix, '*']))) return null;
  const json = JSON.stringify(encodeJson(ProductMetadata, metadata));
  if (json.includes('\\u0000')) return null;
  return {
    domain: JSON.stringify(domain),
    key,
    version,
    metadata,
    json,
    digest: digestOf(metadata),
    revision: revisionOf(metadata),
    updatedNs: metadata.fileMetadata?.updateDate ?? metadata.creationDate,
  };
}

/** Of the metadata; links that a provider signs anew for each listing are no change. */
const digestOf = (metadata: ProductMetadata): string => {
  const externalURI = metadata.externalURI?.replace(/[?#].*$/s, '') ?? null;
  return createHash('sha256')
    .update(JSON.stringify(encodeJson(ProductMetadata, { ...metadata, externalURI })))
    .digest('base64url');
};

/** What tells one content from another: the checksum where the provider gives one, else all that changes with the bytes. */
export function revisionOf({ checksum, fileMetadata, productRef, creationDate }: ProductMetadata): string {
  if (checksum !== null && checksum.length > 0) return `c-${Buffer.from(checksum).toString('hex')}`;
  const file = fileMetadata === null ? '' : `-${fileMetadata.updateDate}-${fileMetadata.fileSize}`;
  return `v-${productRef.version}-${creationDate}${file}`;
}

export const refOf = (row: Pick<ProductRow, 'domain' | 'key' | 'version'>): ObjectRef => ({
  domain: JSON.parse(row.domain) as string[],
  type: 'Product',
  key: row.key,
  version: Number(row.version),
});

/** As the provider gave it. */
export const metadataOf = (row: Pick<ProductRow, 'metadata'>): ProductMetadata =>
  decodeJson(ProductMetadata, row.metadata);

/** A link that the provider has signed ends long before the entry does: consumers get links of this gateway, or none. */
export const isSigned = (uri: string): boolean => /[?#]/.test(uri);

export function entryOf(row: ProductRow, algorithm: Checksum['algorithm'] | null): Entry {
  const given = metadataOf(row);
  const { checksum, externalURI } = given;
  const metadata = externalURI !== null && isSigned(externalURI) ? { ...given, externalURI: null } : given;
  return {
    metadata,
    revision: row.revision,
    updatedAt: row.updated_ns,
    path: null,
    fileName: null,
    claim: algorithm === null || checksum === null ? null : { algorithm, value: checksum },
  };
}
