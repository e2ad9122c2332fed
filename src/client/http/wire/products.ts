import type { FileDelivered } from '../../../gateway/api.js';
import { Long, MalString, ObjectRefType, Time } from '../../../mal/index.js';
import { ProductFilter, ProductMetadata, ProductType, TimeWindow } from '../../../mpd/index.js';
import { DeliveryInfoShape } from './deliveries.js';
import { FilterTreeShape } from './filter-tree.js';
import { flag, listOf, mpd, nullable, optional, record, type Shape, text, type Value, whole } from './shape.js';

export const ProductTypeShape = mpd(ProductType);
export const TimeShape = mpd(Time);

export const TypesShape = record({ types: listOf(ProductTypeShape) }, { name: 'ProductTypes' });

export const ListedShape = record(
  {
    metadata: mpd(ProductMetadata, [ProductType]),
    revision: nullable(text()),
    updatedAt: nullable(TimeShape),
    path: nullable(text()),
    fileName: nullable(text()),
    links: optional(
      record(
        { self: text({ format: 'uri-reference' }), body: text({ format: 'uri-reference' }) },
        { doc: 'Where the metadata and the body are, relative to this host unless a public URL is set.' },
      ),
    ),
  },
  { name: 'ListedProduct', doc: 'A product without its body, as the backend holds it now.' },
);

export const ProductPageShape = record(
  { products: listOf(ListedShape), next: nullable(text()) },
  { name: 'ProductPage', doc: 'One page in creation order; `next` is the cursor of the next page, null at the end.' },
);

/** Last line of an NDJSON listing; without it the stream was cut. */
export const ListEndShape = record(
  {
    end: record({
      complete: flag,
      count: whole(0),
      next: nullable(text()),
      error: optional(record({ code: text(), detail: text() })),
    }),
  },
  {
    name: 'ListEnd',
    doc: 'The last line. When it is missing the stream was cut; when `complete` is false it tells why, and `next` is the cursor to go on from.',
  },
);

export const SearchShape = record(
  {
    productFilter: optional(nullable(mpd(ProductFilter))),
    tree: optional(nullable(FilterTreeShape)),
    created: optional(nullable(mpd(TimeWindow))),
    content: optional(nullable(mpd(TimeWindow))),
    limit: optional(whole(1)),
    cursor: optional(nullable(text())),
  },
  {
    name: 'ProductSearch',
    doc: 'Everything given must hold. `tree` is the extension: Boolean, several product types, named filters.',
    unknown: 'refuse',
    example: { productFilter: { productType: 'TelemetryPackets', domain: ['local', '*'] }, limit: 100 },
  },
);
export type Search = Value<typeof SearchShape>;

export const FolderShape: Shape<{
  readonly path: string;
  readonly folders: readonly string[];
  readonly products: readonly Value<typeof ListedShape>[];
  readonly next: string | null;
}> = record(
  { path: text(), folders: listOf(text()), products: listOf(ListedShape), next: nullable(text()) },
  { name: 'Folder', doc: 'One level of the folder view: names of sub-folders and the products right here.' },
);

export const DeliverShape = record(
  {
    productRefs: listOf(mpd(ObjectRefType), { minItems: 1, maxItems: 10_000 }),
    deliverTo: text({ format: 'uri', examples: ['file:///delivered/batch'] }),
    form: optional(nullable(text())),
  },
  {
    name: 'DeliverProductFiles',
    unknown: 'refuse',
    example: { productRefs: [{ domain: ['local'], key: 'a/b.pkt', version: 1 }], deliverTo: 'file:///delivered' },
  },
);

/** First line of deliverProductFiles: every reference is known and the target is reachable. */
export const DeliverStartShape = record(
  { accepted: record({ orderID: mpd(Long), files: whole(0) }) },
  { name: 'DeliverStart', doc: 'First line: every reference is known and the target answers.' },
);
export const FileDeliveredShape: Shape<FileDelivered> = record(
  {
    index: whole(0),
    metadata: mpd(ProductMetadata),
    filename: mpd(MalString),
    success: flag,
    delivery: DeliveryInfoShape,
  },
  { name: 'FileDelivered', doc: 'One line a product, in request order.' },
);
