import { randomUUID } from 'node:crypto';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { connect, type MalClient } from '../../src/client/index.js';
import { isMpdError, type ProductFilter, type StandingOrder } from '../../src/mpd/index.js';
import { type TestGateway, testGateway } from '../gateway.js';
import { freePort } from './free-port.js';
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
    const httpPort = await freePort();
    there = await testGateway({
      config: {
        gateway: { publicUrl: `http://127.0.0.1:${httpPort}` },
        listen: { http: { port: httpPort }, maltcp: { port: 0 } },
        limits: { results: 7, mal: { maxBody: '10KiB' } },
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

  /** What stands at the provider for the gateway here. */
  const followers = async (): Promise<readonly StandingOrder[]> => {
    const federation = await there.gateway.access.principal('federation');
    const listed = await there.gateway.orders.list(
      { user: 'mpd-gateway', domain: null, states: ['active'] },
      { ...federation, assertsUser: true },
    );
    return listed.map((info) => info.order);
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
    expect(await followers()).toEqual([]);
    mkdirSync(join(here.delivered, 'in'));
    const deliverTo = `file://${join(here.delivered, 'in')}`;
    const one = filter({ productType: 'fresh', domain: ['test', 'alpha'] });
    await consumer.submitStandingOrder(order({ productFilter: one }));
    await expect.poll(followers).toMatchObject([
      {
        comments: expect.stringMatching(/^mpd-gateway [0-9a-f]{8} follows as backend remote$/),
        deliveryMethod: 'SERVICE_JUST_METADATA',
        productFilter: { productType: 'fresh', domain: ['test', 'alpha'] },
      },
    ]);
    const [narrow] = await followers();
    await consumer.submitStandingOrder(order({ deliveryMethod: 'FILETRANSFER', deliverTo }));
    await expect.poll(followers).toMatchObject([{ productFilter: { productType: 'fresh', domain: ['test', '*'] } }]);
    expect((await followers())[0]!.orderID).not.toBe(narrow!.orderID);
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

  it('gets bodies too large for one message by the links of the provider, and gives none of those links away', async () => {
    const body = new Uint8Array(50_000).map((_, i) => i);
    const made = product('large', { type: 'fresh', body });
    const fileMetadata = { updateDate: 0n, mime: 'application/octet-stream', fileSize: 50_000n };
    held.put({ ...made, productMetadata: { ...made.productMetadata, fileMetadata } });
    const { productRef } = made.productMetadata;
    const direct = connect(`${there.urls.maltcp}/` as `maltcp://${string}`);
    expect(isMpdError(await direct.getProduct(productRef).catch((error: unknown) => error), 'Too Many')).toBe(true);
    await direct.close();
    await expect.poll(() => keys(filter({ productType: 'fresh' })), { timeout: 5000 }).toContain('large');
    const got = await consumer.getProduct(productRef);
    expect(got.metadata.externalURI).toBeNull();
    const chunks: Uint8Array[] = [];
    for await (const chunk of got.stream) chunks.push(chunk);
    expect(Buffer.concat(chunks).equals(body)).toBe(true);
    const { body: from } = await here.gateway.catalogue.open(
      productRef,
      { revision: null, offset: 49_990, signal: new AbortController().signal },
      here.operator,
    );
    const rest: Uint8Array[] = [];
    for await (const chunk of from.stream) rest.push(chunk);
    expect([...Buffer.concat(rest)]).toEqual([...body.subarray(49_990)]);
  });

  it('shows operators the orders there, also those of others', async () => {
    const theirs = connect(`${there.urls.maltcp}/` as `maltcp://${string}`);
    const orderID = await theirs.submitStandingOrder(order({ user: 'somebody', comments: 'not ours' }));
    await theirs.close();
    const listed = await here.gateway.orders.upstream(here.operator);
    expect(listed).toHaveLength(2);
    const [ours] = await followers();
    expect(listed.find(({ id }) => id === String(ours!.orderID))!.orderId).toBeGreaterThan(0n);
    expect(listed.find(({ id }) => id === String(orderID))).toMatchObject({
      backend: 'remote',
      orderId: null,
      details: { User: 'somebody', Comments: 'not ours' },
    });
    const client = await here.gateway.access.principal('alice');
    await expect(here.gateway.orders.upstream(client)).rejects.toThrow();
  });

  it('makes no second standing order after a restart, and cancels the last with the orders here', async () => {
    const before = await followers();
    expect(before).toHaveLength(1);
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
    expect((await followers()).map(({ orderID }) => orderID)).toEqual(before.map(({ orderID }) => orderID));
    await consumer.close();
    consumer = connect(`${here.urls.maltcp}/` as `maltcp://${string}`, { timeoutMs: 10_000 });
    for (const { orderID } of await consumer.listStandingOrders()) await consumer.cancelStandingOrder(orderID!);
    await expect.poll(followers, { timeout: 15_000 }).toEqual([]);
  });
});
