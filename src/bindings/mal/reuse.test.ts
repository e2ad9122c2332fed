import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type BodyDescriptor, createGrammar, ENCODINGS, type Encoding, type Grammar } from '../../mal/index.js';
import { arbitraryOf } from '../../mal/schema/arbitrary.js';
import { mpdRegistry, ProductMetadata, ProductOrderDelivery, ProductRetrieval } from '../../mpd/index.js';
import { productOf } from './retrieval.js';
import { encodedMetadata } from './reuse.js';

const LIST = ProductRetrieval.operations.listProducts.response;
const NOTICE = ProductOrderDelivery.operations.notifyProductDelivery.publishNotify;
const PRODUCT = ProductOrderDelivery.operations.deliverProducts.publishNotify;

function write<V>(grammar: Grammar, encoding: Encoding, type: BodyDescriptor<V>, value: V): string {
  const writer = encoding.createWriter();
  grammar.body(type).write(writer, value);
  return Buffer.concat(writer.finish()).toString('hex');
}

describe('metadata encoded once', () => {
  it('is the same to the byte in lists, products and notices, with links that differ by who asks', () => {
    const reuse = encodedMetadata(200_000);
    const remembering = createGrammar(mpdRegistry, { reuse: [reuse] });
    const fresh = createGrammar(mpdRegistry);
    const metadata = fc
      .tuple(
        arbitraryOf(ProductMetadata, { wire: true }),
        fc.constantFrom('a', 'b'),
        fc.constantFrom(null, 'u:1', 'u:2'),
      )
      .map(([value, key, externalURI]) => ({ ...value, externalURI, productRef: { ...value.productRef, key } }));
    fc.assert(
      fc.property(fc.array(metadata, { minLength: 1, maxLength: 5 }), fc.boolean(), (values, copied) => {
        const again = (): ProductMetadata[] => (copied ? structuredClone(values) : values);
        for (const encoding of Object.values(ENCODINGS)) {
          const same = <V>(type: BodyDescriptor<V>, value: V): void =>
            expect(write(remembering, encoding, type, value)).toEqual(write(fresh, encoding, type, value));
          same(LIST, { metadatas: again() });
          for (const shown of again()) {
            same(PRODUCT, { product: productOf(shown, new Uint8Array([1, 2])) });
            same(NOTICE, { metadata: shown, filename: 'f', deliveredTo: 'file:///in', success: true });
          }
        }
      }),
      { numRuns: 300 },
    );
    expect(reuse.hits).toBeGreaterThan(1000);
  });
});
