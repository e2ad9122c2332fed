import { createServer } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  type Consumer,
  createConsumer,
  createGrammar,
  createSession,
  ENCODINGS,
  MalError,
  type MalhttpClient,
  malhttpClient,
  type Session,
} from '../../src/mal/index.js';
import {
  mpdArea,
  mpdRegistry,
  OrderManagement,
  ProductOrderDelivery,
  ProductRetrieval,
  type StandingOrder,
} from '../../src/mpd/index.js';
import { type Event, type JavaPeer, javaMissing, startPeer } from './java-peer.js';
import { type MemoryProvider, startMemoryProvider } from './memory-provider.js';
import { product } from './products.js';

/**
 * ESA's Java stack over malhttp, in its default mode, both ways. Its progress interactions lose messages between two of its own
 * peers, so those are tested ours to ours.
 */

const missing = await javaMissing();
if (missing !== null) console.warn(`malhttp is NOT tested with ESA's stack: ${missing}`);
const why = missing === null ? '' : ` (${missing})`;

const NO_FILTER = { productType: null, domain: null, sources: null, attributeFilter: null };
const order: StandingOrder = {
  orderID: null,
  user: 'jane',
  productFilter: { ...NO_FILTER, productType: 'fresh' },
  validityPeriod: null,
  deliveryMethod: 'SERVICE_COMPLETE',
  deliverTo: null,
  comments: null,
};
const products = [product('img-001'), product('dump-17', { type: 'packetDump', domain: ['test', 'beta'] })];

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

interface Consumers {
  readonly client: MalhttpClient;
  readonly session: Session;
  readonly retrieval: Consumer;
  readonly management: Consumer;
  readonly delivery: Consumer;
}

async function connect(root: string, encoding: 'fixed' | 'split'): Promise<Consumers> {
  const client = await malhttpClient({ encoding: ENCODINGS[`binary-${encoding}`] });
  const session = createSession({ transport: client, grammar: createGrammar(mpdRegistry), timeoutMs: 20_000 });
  const common = { session, area: mpdArea };
  return {
    client,
    session,
    retrieval: createConsumer({ ...common, service: ProductRetrieval, uri: `${root}/ProductRetrieval` }),
    management: createConsumer({ ...common, service: OrderManagement, uri: `${root}/OrderManagement` }),
    delivery: createConsumer({
      ...common,
      service: ProductOrderDelivery,
      uri: `${root}/ProductOrderDelivery`,
      brokerUri: `${root}/ProductOrderDeliveryInternalBroker`,
    }),
  };
}

describe.skipIf(missing !== null).each(['fixed', 'split'] as const)(
  `ESA's consumer over malhttp, %s encoding${why}`,
  (encoding) => {
    let provider: MemoryProvider;
    let consumer: JavaPeer;
    beforeAll(async () => {
      provider = await startMemoryProvider({ transport: 'malhttp', products });
      const base = `${provider.rootUri}/`;
      consumer = await startPeer(
        'EsaConsumer',
        ['--base', base, '--encoding', encoding, '--timeout', '20000'],
        ['end'],
      );
    });
    afterAll(async () => {
      await consumer?.stop();
      await provider?.close();
    });
    const of = (events: readonly Event[], kind: string): Event[] => events.filter((event) => event.event === kind);

    it('lists, and is told what is invalid', async () => {
      expect(of(await consumer.command('list'), 'product')).toHaveLength(2);
      expect(of(await consumer.command('list --like a=('), 'error')).toMatchObject([
        { stage: 'call', error: { number: 1 } },
      ]);
    });

    it('submits, lists and cancels orders', async () => {
      const [result] = of(await consumer.command('submit --user jane'), 'result');
      expect(of(await consumer.command('orders'), 'order')).toMatchObject([{ order: { orderID: result!.orderID } }]);
      expect(of(await consumer.command(`cancel ${result!.orderID}`), 'error')).toEqual([]);
      expect(of(await consumer.command('cancel 5'), 'error')).toMatchObject([
        { error: { number: 4, extra: { value: '5' } } },
      ]);
    });

    it('is notified until it deregisters', async () => {
      await consumer.command('submit --user jane --type fresh');
      await consumer.command('watch --background --op deliver --sub w');
      expect(provider.broker.subscriptions).toBe(1);
      provider.put(product('new', { type: 'fresh', body: new Uint8Array(100_000) }));
      const event = await consumer.waitFor(({ event: kind }) => kind === 'delivery');
      expect(event).toMatchObject({ subscription: 'w', product: { body: { length: 100_000 } } });
      await consumer.command('unwatch --op deliver --sub w');
      expect(provider.broker.subscriptions).toBe(0);
    });
  },
);

describe.skipIf(missing !== null).each(['fixed', 'split'] as const)(
  `ESA's provider over malhttp, %s encoding${why}`,
  (encoding) => {
    let provider: JavaPeer;
    let consumers: Consumers;
    beforeAll(async () => {
      const port = await freePort();
      const args = ['--transport', 'malhttp', '--port', String(port), '--encoding', encoding];
      provider = await startPeer('EsaProvider', args, ['done', 'error']);
      await provider.waitFor(({ event }) => event === 'ready');
      consumers = await connect(`malhttp://127.0.0.1:${port}`, encoding);
    });
    afterAll(async () => {
      await consumers?.session.close();
      await consumers?.client.close();
      await provider?.stop();
    });

    it('lists and refuses', async () => {
      const { listProducts } = ProductRetrieval.operations;
      const query = { productFilter: { ...NO_FILTER, productType: 'dayImage' }, creationDate: null, contentDate: null };
      expect((await consumers.retrieval.request(listProducts, query)).metadatas).toHaveLength(3);
      const reversed = { start: 2_000_000n, end: 1_000_000n };
      const error = consumers.retrieval.request(listProducts, { ...query, creationDate: reversed });
      await expect(error).rejects.toMatchObject({ number: 1 });
    });

    it('keeps orders and notifies', async () => {
      const { management, delivery } = consumers;
      const updates = await delivery.subscribe(ProductOrderDelivery.operations.deliverProducts, {});
      const { orderID } = await management.request(OrderManagement.operations.submitStandingOrder, {
        orderDetails: order,
      });
      await provider.command('put peer.alpha:new:1 --type fresh --text hello');
      const { value } = await updates[Symbol.asyncIterator]().next();
      expect(Buffer.from(value.body.product.productBody).toString()).toBe('hello');
      await updates.close();
      await management.submit(OrderManagement.operations.cancelStandingOrder, { orderID });
      const again = management.submit(OrderManagement.operations.cancelStandingOrder, { orderID });
      await expect(again).rejects.toThrow(MalError);
    });
  },
);

describe('ours to ours over malhttp', () => {
  it('streams products in order, large ones too, and stays in step', async () => {
    const many = Array.from({ length: 30 }, (_, i) =>
      product(`p${i}`, { body: new Uint8Array(i % 10 === 0 ? 2_000_000 : 10).fill(i) }),
    );
    const provider = await startMemoryProvider({ transport: 'malhttp', products: many });
    const { client, session, retrieval } = await connect(provider.rootUri, 'split');
    for (let round = 0; round < 3; round++) {
      const productRefs = many.map(({ productMetadata }) => productMetadata.productRef);
      const { updates, response } = await retrieval.progress(ProductRetrieval.operations.getProducts, { productRefs });
      const seen: string[] = [];
      for await (const { product: one } of updates) seen.push(`${one.objectIdentity.key} ${one.productBody.length}`);
      expect(seen).toEqual(
        many.map(({ objectIdentity, productBody }) => `${objectIdentity.key} ${productBody.length}`),
      );
      await response;
    }
    await session.close();
    await client.close();
    await provider.close();
  });
});
