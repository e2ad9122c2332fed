import { type Attribute, type NamedValue, parseTime } from '../../src/mal/index.js';
import type { Product, ProductMetadata } from '../../src/mpd/index.js';

export const time = (text: string): bigint => parseTime(text);

export interface ProductOptions {
  readonly domain?: readonly string[];
  readonly version?: number;
  readonly type?: string;
  readonly source?: string | null;
  readonly created?: string;
  readonly content?: readonly [string, string];
  readonly attributes?: Readonly<Record<string, Attribute | null>>;
  readonly body?: Uint8Array;
}

export function product(key: string, options: ProductOptions = {}): Product {
  const { domain = ['test', 'alpha'], version = 1 } = options;
  const [start, end] = options.content ?? ['2024-05-01T00:00:00Z', '2024-05-02T00:00:00Z'];
  const attributes: NamedValue[] = Object.entries(options.attributes ?? {}).map(([name, value]) => ({ name, value }));
  const productMetadata: ProductMetadata = {
    productType: { name: options.type ?? 'image', description: null, attributeDefs: null },
    productRef: { domain, type: 'Product', key, version },
    creationDate: time(options.created ?? '2024-05-01T12:00:00Z'),
    source: options.source ?? null,
    externalURI: null,
    contentDate: { start: time(start), end: time(end) },
    attributes: attributes.length === 0 ? null : attributes,
    description: null,
    fileMetadata: null,
    checksum: null,
  };
  return {
    objectIdentity: { domain, key, version },
    productMetadata,
    productBody: options.body ?? new Uint8Array([1, 2, 3]),
  };
}
