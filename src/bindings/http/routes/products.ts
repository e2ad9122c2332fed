import {
  DeliverShape,
  DeliverStartShape,
  FileDeliveredShape,
  FolderShape,
  ListEndShape,
  ListedShape,
  ProductPageShape,
  SearchShape,
  TypesShape,
} from '../../../client/http/wire/index.js';
import type { ProductQuery } from '../../../gateway/api.js';
import { unknown } from '../../../mpd/index.js';
import { textParam } from '../query/params.js';
import { productParams, queryOfParams, queryOfSearch } from '../query/products.js';
import { answer, type Call, type Media, type Route, stream } from '../route.js';
import { NDJSON } from '../send/ndjson.js';
import { API, cursorParam, limitParam, listed, pageSize, refParam } from './common.js';
import { deliverFiles } from './deliver.js';
import { sendListing, sendPage, wantsLines } from './listing.js';

const lines: Media = {
  type: NDJSON,
  schema: { anyOf: [ListedShape.schema, ListEndShape.schema] },
  components: () => ({ ...ListedShape.components(), ...ListEndShape.components() }),
  doc: 'Every product, one a line, then a last line that says whether it is complete. Take it by `Accept: application/x-ndjson`.',
};
const page: Media = {
  type: 'application/json',
  schema: ProductPageShape.schema,
  components: ProductPageShape.components,
  doc: 'One page; `Link: rel="next"` leads to the next.',
};

export const productRoutes: readonly Route[] = [
  answer({
    method: 'get',
    path: `${API}/types`,
    id: 'listProductTypes',
    tag: 'Products',
    summary: 'Product types and the attributes they have',
    errors: [],
    answers: TypesShape,
    handle: async ({ gateway, principal }) => ({ value: { types: await gateway.catalogue.types(principal) } }),
  }),
  stream({
    method: 'get',
    path: `${API}/products`,
    id: 'listProducts',
    tag: 'Products',
    summary: 'List products in creation order',
    query: { ...productParams, limit: limitParam, cursor: cursorParam },
    errors: ['Invalid', 'Too Many'],
    streams: [page, lines],
    also: { 406: { doc: 'Neither JSON nor NDJSON is accepted.' } },
    async handle(call, { query }) {
      const products = await queryOfParams(query, call.gateway, call.principal);
      await list(call, products, query.limit, query.cursor, (cursor) => nextUrl(call, cursor));
    },
  }),
  stream({
    method: 'post',
    path: `${API}/products:search`,
    id: 'searchProducts',
    tag: 'Products',
    summary: 'List products by a filter of the standard, a Boolean tree, or both',
    body: SearchShape,
    errors: ['Invalid', 'Too Many', 'Bad Encoding'],
    streams: [page, lines],
    also: { 406: { doc: 'Neither JSON nor NDJSON is accepted.' } },
    async handle(call, { body }) {
      const products = await queryOfSearch(body, call.gateway, call.principal);
      await list(call, products, body.limit ?? null, body.cursor ?? null, null);
    },
  }),
  stream({
    method: 'post',
    path: `${API}/products:deliver`,
    id: 'deliverProductFiles',
    tag: 'Products',
    summary: 'Deliver products as files; one line a file as they arrive',
    doc: 'The answer starts when every reference is known and the target answers. The delivery goes on when the caller leaves: it is an order of kind `once`.',
    body: DeliverShape,
    errors: ['Invalid', 'Unknown', 'Delivery Failed', 'Bad Encoding'],
    streams: [
      {
        type: NDJSON,
        schema: { anyOf: [DeliverStartShape.schema, FileDeliveredShape.schema, ListEndShape.schema] },
        components: () => ({
          ...DeliverStartShape.components(),
          ...FileDeliveredShape.components(),
          ...ListEndShape.components(),
        }),
      },
    ],
    handle: (call, { body }) => deliverFiles(call, body.productRefs, body.deliverTo, body.form ?? null),
  }),
  answer({
    method: 'get',
    path: `${API}/products/{ref+}`,
    id: 'getProductMetadata',
    tag: 'Products',
    summary: 'One product without its body',
    params: { ref: refParam },
    errors: ['Invalid', 'Unknown'],
    answers: ListedShape,
    async handle(call, { params }) {
      const [entry] = await call.gateway.catalogue.get([params.ref], call.principal, call.signal);
      if (entry === undefined) throw unknown([0], 'there is no such product');
      return { value: listed(entry, call) };
    },
  }),
  answer({
    method: 'get',
    path: `${API}/folders`,
    id: 'listFolder',
    tag: 'Products',
    summary: 'One level of the folder view',
    query: {
      path: textParam('Folder, `/` between levels; absent = the root.', 'passes'),
      limit: limitParam,
      cursor: cursorParam,
    },
    errors: ['Invalid', 'Unknown'],
    answers: FolderShape,
    async handle(call, { query }) {
      const { path, folders, entries, next } = await call.gateway.catalogue.folders(
        query.path ?? '',
        pageOf(call, query.limit, query.cursor),
        call.principal,
      );
      return { value: { path, folders, products: entries.map((entry) => listed(entry, call)), next } };
    },
  }),
];

async function list(
  call: Call,
  query: ProductQuery,
  limit: number | null,
  cursor: string | null,
  link: ((cursor: string) => string) | null,
): Promise<void> {
  if (wantsLines(call.req)) return sendListing(call, query, cursor, limit);
  const { entries, next } = await call.gateway.catalogue.list(query, pageOf(call, limit, cursor), call.principal);
  if (next !== null && link !== null) call.res.set('Link', `<${link(next)}>; rel="next"`);
  await sendPage(call, entries, next);
}

const pageOf = (call: Call, limit: number | null, cursor: string | null) => ({
  ...(cursor === null ? {} : { after: cursor }),
  limit: pageSize(limit, call),
  signal: call.signal,
});

function nextUrl({ req, config }: Call, cursor: string): string {
  const [path = '', search] = req.originalUrl.split('?');
  const params = new URLSearchParams(search);
  params.set('cursor', cursor);
  return `${config.publicUrl?.replace(/\/+$/, '') ?? ''}${path}?${params}`;
}
