import { createReuse, type Reuse } from '../../mal/index.js';
import { ProductMetadata } from '../../mpd/index.js';

/** Bytes of encoded metadata that are kept, with the values they were made from. */
const LIMIT = 32 * 1024 * 1024;

/**
 * Metadata is encoded once for all lists, products and notices, whoever they go to, as long as it is the same. Kept by its link where
 * it has one: links differ from one principal to the next.
 */
export const encodedMetadata = (limit = LIMIT): Reuse =>
  createReuse(ProductMetadata, { name: ({ externalURI, productRef }) => externalURI ?? productRef?.key, limit });
