import { decodeJson, encodeJson, type ObjectRef } from '../mal/index.js';
import { decodeTree, encodeTree, type FilterTree } from '../mpd/filter/index.js';
import { invalid, ProductMetadata } from '../mpd/index.js';
import type { Checksum, Entry } from './backend.js';

/** Forms that values take in the store. */

/** A domain as one text, so that equality and prefix are one index: `["esa","solo"]`. */
export const domainText = (domain: readonly string[]): string => JSON.stringify(domain);
export const domainOf = (text: string): readonly string[] => JSON.parse(text) as string[];

export const metadataJson = (metadata: ProductMetadata): unknown => encodeJson(ProductMetadata, metadata);
export const metadataOf = (json: unknown): ProductMetadata => decodeJson(ProductMetadata, json);

export const productRef = (domain: readonly string[], key: string, version: number): ObjectRef => ({
  domain,
  type: 'Product',
  key,
  version,
});

export const nsOfDate = (date: Date): bigint => BigInt(date.getTime()) * 1_000_000n;
export const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

/** PostgreSQL keeps no text with a NUL. @throws MpdError Invalid naming the field */
export function refuseNul(value: unknown, field: string): void {
  if (holdsNul(value)) throw invalid(field, 'holds a NUL character');
}

function holdsNul(value: unknown): boolean {
  if (typeof value === 'string') return value.includes('\0');
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return false;
  for (const key in value) if (key.includes('\0') || holdsNul(value[key as keyof typeof value])) return true;
  return false;
}

/** What the store keeps must be readable again. @throws MpdError Invalid naming the field, e.g. for times beyond 64 bits */
export function requireStorable(tree: FilterTree, field: string): void {
  refuseNul(tree, field);
  try {
    decodeTree(encodeTree(tree));
  } catch (error) {
    throw invalid(field, (error as Error).message, error);
  }
}

/** Columns of `journal` that together are an {@link Entry}. */
export interface EntryColumns {
  readonly metadata: unknown;
  readonly revision: string;
  readonly updated_ns: bigint;
  readonly path: string | null;
  readonly file_name: string | null;
  readonly claim_algorithm: string | null;
  readonly claim_value: Uint8Array | null;
  /** Order ids as text; read where orders are matched. */
  readonly made_for?: readonly string[] | null;
  readonly joined_by?: readonly string[] | null;
}

export function entryOf(row: EntryColumns): Entry {
  const claim =
    row.claim_algorithm === null || row.claim_value === null
      ? null
      : { algorithm: row.claim_algorithm as Checksum['algorithm'], value: row.claim_value };
  return {
    metadata: metadataOf(row.metadata),
    revision: row.revision,
    updatedAt: row.updated_ns,
    path: row.path,
    fileName: row.file_name,
    claim,
    ...(row.made_for && { madeFor: row.made_for.map(BigInt) }),
    ...(row.joined_by && { joinedBy: row.joined_by.map(BigInt) }),
  };
}
