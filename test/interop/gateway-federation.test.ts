import { randomUUID } from 'node:crypto';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { connect, type MalClient } from '../../src/client/index.js';
import { isMpdError, type ProductFilter, type StandingOrder } from '../../src/mpd/index.js';
import { type TestGateway, testGateway } from '../gateway.js';
import { HELD_PRODUCTS, type HeldProducts, heldProducts } from './held-products.js';
import { product } from './products.js';

/** A gateway in front of another provider: consumers here see, get and order what is there. */
describe('a gateway that federates another', () => {
  const id = `held-${randomUUID()}`;
  let held: HeldProducts;
  let there: TestGateway;
  let first: TestGateway;
  let here: TestGateway;
  let consumer: MalClient;

  beforeAll(async () => {
    held = heldProducts(id);
    for (let i = 0; i < 30; i++) {
      const created = `2024-05-01T00:00:${String(i).padStart(2, '0')}Z`;
      held.put(product(`old-${i}`, { created, type: i % 2 === 0 ? 'even' : 'odd', source: i < 10 ? 'early' : null }));
    }
    there = await testGateway({
      config: {
        listen: { http: { enabled: false }, maltcp: { port: 0 } },
        limits: { results: 7 },
        access: {
          principals: [{ id: 'operator', role: 'operator' }, { id: 'federation' }],
          mal: [{ cidr: '127.0.0.1/32', principal: 'federation', user: 'asserted' }],
        },
        backends: [{ id, kind: 'module', module: HELD_PRODUCTS, domain: ['test'] }],
      },
    });
    first = await testGateway({
      config: {
        listen: { http: { port: 0 }, maltcp: { port: 0 } },
        access: {
          principals: [{ id: 'operator', role: 'operator' }, { id: 'alice' }],
          mal: [{ cidr: '127.0.0.1/32', principal: 'alice' }],
        },
        // What is heard within the test is heard by the standing order, not by a listing.
        backends: [{ id: 'remote', kind: 'mpd', domain: ['test'], url: there.urls.maltcp, poll: '1h', sweep: '1h' }],
      },
    });
    here = first;
    consumer = connect(`${here.urls.maltcp}/` as `maltcp://${string}`, { timeoutMs: 10_000 });
  });
  afterAll(async () => {
    await consumer?.close();
    await here?.close();
    if (here !== first) await first?.close();
    await there?.close();
  });

  const filter = (part: Partial<ProductFilter>): ProductFilter => ({
    ...{ productType: null, domain: null, sources: null, attributeFilter: null },
    ...part,
  });
  const order = (part: Partial<StandingOrder>): StandingOrder => ({
    ...{ orderID: null, user: 'alice', validityPeriod: null, deliverTo: null, comments: null },
    ...{ productFilter: filter({ productType: 'fresh' }), deliveryMethod: 'SERVICE_COMPLETE' as const },
    ...part,
  });
  const keys = async (productFilter: ProductFilter | null): Promise<string[]> => {
    const found: string[] = [];
    for await (const { metadata } of consumer.listProducts({ productFilter })) found.push(metadata.productRef.key);
    return found;
  };

  it('lists what the provider holds, though it answers Too Many to the whole', async () => {
    expect(await keys(null)).toHaveLength(30);
    expect(await keys(filter({ productType: 'even' }))).toHaveLength(15);
    expect(await keys(filter({ sources: ['early'], productType: 'odd' }))).toHaveLength(5);
  });

  it('gets products through, with the metadata that the provider gives', async () => {
    const { productMetadata } = product('old-3', { created: '2024-05-01T00:00:03Z', type: 'odd', source: 'early' });
    for await (const got of consumer.getProducts([productMetadata.productRef])) {
      expect(got.productMetadata).toEqual(productMetadata);
      expect([...got.productBody]).toEqual([1, 2, 3]);
    }
    const absent = { ...productMetadata.productRef, key: 'absent' };
    const error = await consumer.getProduct(absent).catch((reason: unknown) => reason);
    expect(isMpdError(error, 'Unknown')).toBe(true);
  });

  it('hears of new products by a standing order there, and delivers them to the orders here', async () => {
    const user = { user: 'mpd-gateway', domain: null };
    const federation = await there.gateway.access.principal('federation');
    const orders = () => there.gateway.orders.list(user, { ...federation, assertsUser: true });
    await expect.poll(orders).toHaveLength(1);
    const [follower] = await orders();
    expect(follower!.order).toMatchObject({
      comments: 'mpd-gateway follows as backend remote',
      deliveryMethod: 'SERVICE_JUST_METADATA',
      productFilter: { domain: ['test', '*'] },
    });
    mkdirSync(join(here.delivered, 'in'));
    const deliverTo = `file://${join(here.delivered, 'in')}`;
    await consumer.submitStandingOrder(order({}));
    await consumer.submitStandingOrder(order({ deliveryMethod: 'FILETRANSFER', deliverTo }));
    const products = (await consumer.watchProducts())[Symbol.asyncIterator]();
    const notices = (await consumer.watchDeliveries())[Symbol.asyncIterator]();
    held.put(product('fresh-1', { type: 'fresh', body: new Uint8Array([9, 9]) }));
    const { value: delivered } = await products.next();
    expect(delivered.product.productMetadata.productRef.key).toBe('fresh-1');
    expect([...delivered.product.productBody]).toEqual([9, 9]);
    const { value: notice } = await notices.next();
    expect(notice).toMatchObject({ filename: 'fresh-1', success: true });
    expect([...readFileSync(join(here.delivered, 'in', 'fresh-1'))]).toEqual([9, 9]);
  });

  it('makes no second standing order after a restart', async () => {
    const federation = await there.gateway.access.principal('federation');
    const orders = () => there.gateway.orders.list({ user: null, domain: null }, { ...federation, assertsUser: true });
    await here.stop();
    held.put(product('meanwhile', { type: 'fresh' }));
    here = await testGateway({
      share: here,
      config: {
        listen: {
          http: { port: 0 },
          maltcp: { port: Number(new URL(here.urls.maltcp!.replace('maltcp', 'tcp')).port) },
        },
        access: {
          principals: [{ id: 'operator', role: 'operator' }, { id: 'alice' }],
          mal: [{ cidr: '127.0.0.1/32', principal: 'alice' }],
        },
        backends: [{ id: 'remote', kind: 'mpd', domain: ['test'], url: there.urls.maltcp, poll: '1h', sweep: '1h' }],
      },
    });
    await expect.poll(() => keys(filter({ productType: 'fresh' })), { timeout: 5000 }).toContain('meanwhile');
    expect(await orders()).toHaveLength(1);
  });
});
