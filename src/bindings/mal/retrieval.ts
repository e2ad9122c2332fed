import type { Gateway } from '../../gateway/api.js';
import { createPace, type Handlers, type ObjectRef } from '../../mal/index.js';
import { type Product, type ProductMetadata, type ProductRetrieval, tooMany } from '../../mpd/index.js';
import { type BodyReader, type HeldBody, tooLarge } from './bodies.js';
import type { MalBindingConfig } from './config.js';
import { askedFilter, checkQuery, treeOf } from './filters.js';
import { inOrder } from './in-order.js';
import type { MalCaller } from './principals.js';

/** Entries of a list that are made ready at a time. */
const STEP = 128;
/** Bodies of one getProducts that are read ahead of what is sent. */
const READ_AHEAD = 4;

export interface RetrievalDependencies {
  readonly gateway: Pick<Gateway, 'catalogue' | 'deliveries'>;
  readonly config: Pick<MalBindingConfig, 'capabilities' | 'namedFilters' | 'limits'>;
  readonly bodies: BodyReader;
  /** The metadata as consumers may see it: no address that is none of theirs. */
  readonly present: (metadata: ProductMetadata, principal: string) => ProductMetadata;
}

/** ProductRetrieval (area 9, service 1) on the gateway. */
export function retrievalHandlers({
  gateway: { catalogue, deliveries },
  config,
  bodies,
  present,
}: RetrievalDependencies): Handlers<typeof ProductRetrieval, MalCaller> {
  const { capabilities, limits } = config;
  return {
    listProducts: when(capabilities.listProducts, async (query, { principal: { principal }, signal }) => {
      checkQuery(query);
      const asked = {
        filter: treeOf(askedFilter(query.productFilter, config.namedFilters)),
        created: query.creationDate,
        content: query.contentDate,
      };
      const entries = await catalogue.listBounded(asked, limits.results, signal, principal);
      const pace = createPace();
      const metadatas: ProductMetadata[] = [];
      for (const { metadata } of entries) {
        metadatas.push(present(metadata, principal.id));
        if (metadatas.length % STEP === 0 && pace.over()) await pace.rest();
      }
      return { metadatas };
    }),

    getProducts: when(
      capabilities.getProducts,
      async ({ productRefs }, { principal: { principal }, signal, ack, update }) => {
        if (productRefs.length > limits.products) throw tooMany(limits.products, productRefs.length, MORE);
        const entries = await catalogue.get(productRefs, principal, signal);
        for (const [i, { metadata }] of entries.entries()) {
          const size = metadata.fileMetadata?.fileSize ?? 0n;
          if (size > BigInt(limits.body)) throw tooLarge(metadata, size, limits.body, i);
        }
        await ack({});
        const gone = new AbortController();
        const either = AbortSignal.any([signal, gone.signal]);
        const read = inOrder(
          entries.entries(),
          READ_AHEAD,
          async ([i, entry]) => ({
            metadata: entry.metadata,
            body: await bodies.read({ entry }, principal, either, i),
          }),
          ({ body }) => body.release(),
        );
        let complete = false;
        try {
          for await (const { metadata, body } of read) {
            await sending(body, (bytes) => update({ product: productOf(present(metadata, principal.id), bytes) }));
          }
          complete = true;
        } finally {
          if (!complete) gone.abort(UNWANTED);
        }
        return {};
      },
    ),

    deliverProductFiles: when(
      capabilities.deliverProductFiles,
      async ({ productRefs, deliverTo }, { principal: { principal }, signal, ack, update }) => {
        if (productRefs.length === 0) return {};
        const { files } = await deliveries.deliverFiles(productRefs, deliverTo, principal, signal);
        await ack({});
        for await (const { metadata, filename, success } of files) {
          await update({ metadata: present(metadata, principal.id), filename, success });
        }
        return {};
      },
    ),
  };
}

const MORE = 'ask in several requests';
const UNWANTED = new Error('the products are not wanted any more');

const when = <T>(offered: boolean, handler: T): T | undefined => (offered ? handler : undefined);

async function sending({ bytes, release }: HeldBody, send: (bytes: Uint8Array) => Promise<void>): Promise<void> {
  try {
    await send(bytes);
  } finally {
    release();
  }
}

/** A product of the standard; an empty body stands for metadata only. */
export function productOf(productMetadata: ProductMetadata, productBody: Uint8Array): Product {
  const { domain, key, version }: ObjectRef = productMetadata.productRef;
  return { objectIdentity: { domain, key, version }, productMetadata, productBody };
}
