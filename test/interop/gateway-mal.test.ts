import { randomUUID } from 'node:crypto';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { connect, connectHttp, type MalClient } from '../../src/client/index.js';
import {
  isMpdError,
  type MpdError,
  type Product,
  type ProductFilter,
  type StandingOrder,
} from '../../src/mpd/index.js';
import { type TestGateway, testGateway } from '../gateway.js';
import { HELD_PRODUCTS, type HeldProducts, heldProducts } from './held-products.js';
import { product } from './products.js';

/** A whole gateway over maltcp and malhttp, with our own client: what ESA's consumer cannot see or do. */

const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

interface Setup {
  readonly held: HeldProducts;
  readonly id: string;
  readonly gateway: TestGateway;
}

interface Options {
  readonly config?: Readonly<Record<string, unknown>>;
  readonly listen?: Readonly<Record<string, unknown>>;
  readonly mal?: readonly unknown[];
  readonly share?: Setup;
}

const LOOPBACK = { cidr: '127.0.0.1/32', principal: 'alice' };

async function setup({ config, listen, mal = [LOOPBACK], share }: Options = {}): Promise<Setup> {
  const id = share?.id ?? `held-${randomUUID()}`;
  const held = heldProducts(id);
  const gateway = await testGateway({
    config: {
      listen: { http: { port: 0 }, maltcp: { port: 0 }, malhttp: { port: 0 }, ...listen },
      access: {
        principals: [
          { id: 'operator', role: 'operator' },
          { id: 'alice' },
          { id: 'bob' },
          { id: 'narrow', policy: { domain: ['test', 'open', '*'] } },
          { id: 'gone', disabled: true },
        ],
        mal,
      },
      backends: [{ id, kind: 'module', module: HELD_PRODUCTS, domain: ['test'] }],
      ...config,
    },
    ...(share && { share: share.gateway }),
  });
  cleanups.push(() => gateway.close());
  return { held, id, gateway };
}

function client(url: string, options: Parameters<typeof connect>[1] = {}): MalClient {
  const opened = connect(`${url}/` as `maltcp://${string}`, { timeoutMs: 10_000, ...options });
  cleanups.push(() => opened.close());
  return opened;
}

const filter = (part: Partial<ProductFilter>): ProductFilter => ({
  productType: null,
  domain: null,
  sources: null,
  attributeFilter: null,
  ...part,
});
const order = (user: string, part: Partial<StandingOrder> = {}): StandingOrder => ({
  orderID: null,
  user,
  productFilter: filter({ productType: 'fresh' }),
  validityPeriod: null,
  deliveryMethod: 'SERVICE_COMPLETE',
  deliverTo: null,
  comments: null,
  ...part,
});
const fresh = (key: string, domain = ['test', 'open'], size = 3): Product => {
  const body = new Uint8Array(size).fill(7);
  const made = product(key, { domain, type: 'fresh', body });
  const fileMetadata = { updateDate: 0n, mime: 'application/octet-stream', fileSize: BigInt(size) };
  return { ...made, productMetadata: { ...made.productMetadata, fileMetadata } };
};
const all = async <T>(items: AsyncIterable<T>): Promise<T[]> => {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
};
const keys = async (from: MalClient, productFilter: ProductFilter | null = null): Promise<string[]> =>
  (await all(from.listProducts({ productFilter }))).map(({ metadata }) => metadata.productRef.key);
async function failure(call: Promise<unknown>): Promise<MpdError> {
  const error = await call.then(
    () => null,
    (reason: unknown) => reason,
  );
  if (!isMpdError(error)) throw error ?? new Error('nothing failed');
  return error;
}
/** Collects what comes, from now on. */
function collect<T>(updates: AsyncIterable<T>): T[] {
  const seen: T[] = [];
  void (async () => {
    for await (const update of updates) seen.push(update);
  })().catch(() => {});
  return seen;
}
const arrived = (seen: readonly unknown[], count: number) =>
  expect.poll(() => seen.length, { timeout: 5000, interval: 10 }).toBeGreaterThanOrEqual(count);

describe('who may call over MAL', () => {
  it('nobody without a rule for its network; the first rule that fits counts', async () => {
    const { gateway } = await setup({ mal: [] });
    expect((await failure(keys(client(gateway.urls.maltcp!)))).code).toBe('Authentication Failed');
    const other = await setup({
      mal: [
        { cidr: '10.0.0.0/8', principal: 'bob' },
        { cidr: '127.0.0.1/32', authId: 'beef', principal: 'bob' },
        { ...LOOPBACK, cidr: '127.0.0.0/8' },
      ],
    });
    other.held.put(fresh('a'));
    const alice = client(other.gateway.urls.maltcp!);
    const bob = client(other.gateway.urls.maltcp!, { authenticationId: new Uint8Array([0xbe, 0xef]) });
    const ids = [await alice.submitStandingOrder(order('alice')), await bob.submitStandingOrder(order('bob'))];
    const listed = async (from: MalClient) => (await from.listStandingOrders()).map(({ orderID }) => orderID);
    expect([await listed(alice), await listed(bob)]).toEqual([[ids[0]], [ids[1]]]);
  });

  it('not a disabled principal', async () => {
    const { gateway } = await setup({ mal: [{ ...LOOPBACK, principal: 'gone' }] });
    expect((await failure(keys(client(gateway.urls.maltcp!)))).code).toBe('Authorisation Fail');
  });

  it('orders for the principal alone, unless the network vouches for the user', async () => {
    const strict = await setup();
    const alice = client(strict.gateway.urls.maltcp!);
    expect((await failure(alice.submitStandingOrder(order('bob')))).code).toBe('Authorisation Fail');
    expect(await alice.submitStandingOrder(order('alice'))).toBeGreaterThan(0n);
    const trusting = await setup({ mal: [{ ...LOOPBACK, user: 'asserted' }] });
    const any = client(trusting.gateway.urls.maltcp!);
    await any.submitStandingOrder(order('jane'));
    await any.submitStandingOrder(order('john'));
    expect((await any.listStandingOrders({ user: '*' })).map(({ user }) => user)).toEqual(['jane', 'john']);
    expect((await any.listStandingOrders({ user: 'john' })).map(({ user }) => user)).toEqual(['john']);
  });

  it('sees, gets and hears only what its policy allows', async () => {
    const { gateway, held } = await setup({ mal: [{ ...LOOPBACK, principal: 'narrow', user: 'asserted' }] });
    held.put(fresh('seen'));
    held.put(fresh('hidden', ['test', 'closed']));
    const narrow = client(gateway.urls.maltcp!);
    expect(await keys(narrow)).toEqual(['seen']);
    const hidden = fresh('hidden', ['test', 'closed']).productMetadata.productRef;
    expect((await failure(narrow.getProduct(hidden))).code).toBe('Unknown');
    // An order of another principal's, which matches more than a subscriber may see.
    const own = connectHttp(gateway.urls.http!, { key: await gateway.key('bob') });
    cleanups.push(() => own.close());
    await own.submitStandingOrder(order('bob'));
    const seen = collect(await narrow.watchProducts());
    held.put(fresh('closed-1', ['test', 'closed']));
    held.put(fresh('open-1'));
    await arrived(seen, 1);
    await sleep(200);
    expect(seen.map(({ product: { productMetadata } }) => productMetadata.productRef.key)).toEqual(['open-1']);
  });
});

describe('publications', () => {
  it('reach a subscriber only of its own orders where the user must be the principal', async () => {
    const { gateway, held } = await setup();
    const alice = client(gateway.urls.maltcp!);
    const own = await alice.submitStandingOrder(order('alice'));
    const bob = connectHttp(gateway.urls.http!, { key: await gateway.key('bob') });
    cleanups.push(() => bob.close());
    await bob.submitStandingOrder(order('bob'));
    const seen = collect(await alice.watchProducts());
    held.put(fresh('x'));
    await arrived(seen, 1);
    await sleep(200);
    expect(seen.map(({ user, orderID }) => [user, orderID])).toEqual([['alice', own]]);
  });

  it('end for a subscriber that is disabled, though its connection stays', async () => {
    const { gateway, held } = await setup({ mal: [{ ...LOOPBACK, user: 'asserted' }] });
    const alice = client(gateway.urls.maltcp!);
    await alice.submitStandingOrder(order('bob'));
    const seen = collect(await alice.watchProducts());
    held.put(fresh('before'));
    await arrived(seen, 1);
    await gateway.gateway.access.setDisabled('alice', true);
    await sleep(2100);
    held.put(fresh('after'));
    await expect.poll(async () => (await failure(keys(alice))).code).toBe('Authorisation Fail');
    await sleep(300);
    expect(seen).toHaveLength(1);
    await gateway.gateway.access.setDisabled('alice', false);
    await sleep(2100);
    held.put(fresh('again'));
    await arrived(seen, 2);
  });

  it('come from the log: what another gateway of the database delivers reaches subscribers here', async () => {
    const first = await setup();
    const second = await setup({ share: first, config: { delivery: { workers: 0 } } });
    const here = client(second.gateway.urls.maltcp!);
    mkdirSync(join(first.gateway.delivered, 'in'), { recursive: true });
    const deliverTo = `file://${join(first.gateway.delivered, 'in')}`;
    const orderID = await client(first.gateway.urls.maltcp!).submitStandingOrder(
      order('alice', { deliveryMethod: 'FILETRANSFER', deliverTo }),
    );
    const notices = collect(await here.watchDeliveries());
    first.held.put(fresh('from-there'));
    await arrived(notices, 1);
    expect(notices[0]).toMatchObject({
      user: 'alice',
      orderID,
      filename: 'from-there',
      deliveredTo: deliverTo,
      success: true,
    });
  });

  it('tell of a dead letter with success false', async () => {
    const { gateway, held } = await setup({
      config: { delivery: { deadline: '1s', lease: '3s', retry: { first: '50ms', longest: '100ms' } } },
    });
    const alice = client(gateway.urls.maltcp!);
    const deliverTo = `file://${join(gateway.delivered, 'never')}`;
    await alice.submitStandingOrder(order('alice', { deliveryMethod: 'FILETRANSFER', deliverTo }));
    const notices = collect(await alice.watchDeliveries());
    held.put(fresh('lost'));
    await expect.poll(() => notices.length, { timeout: 15_000 }).toBe(1);
    expect(notices[0]).toMatchObject({ filename: 'lost', deliveredTo: deliverTo, success: false });
  });

  it('say nothing of deliverProductFiles, which has its own answer', async () => {
    const { gateway, held } = await setup();
    const once = product('once', { type: 'other' });
    held.put(once);
    const alice = client(gateway.urls.maltcp!);
    mkdirSync(join(gateway.delivered, 'in'), { recursive: true });
    const deliverTo = `file://${join(gateway.delivered, 'in')}`;
    await alice.submitStandingOrder(order('alice', { deliveryMethod: 'FILETRANSFER', deliverTo }));
    const notices = collect(await alice.watchDeliveries());
    const { files } = await alice.deliverProductFiles([once.productMetadata.productRef], deliverTo);
    expect((await all(files)).map(({ success }) => success)).toEqual([true]);
    held.put(fresh('standing'));
    await arrived(notices, 1);
    await sleep(200);
    expect(notices.map(({ filename }) => filename)).toEqual(['standing']);
  });

  it('keep their order, bodies of all sizes among them', async () => {
    const { gateway, held } = await setup();
    const alice = client(gateway.urls.maltcp!);
    await alice.submitStandingOrder(order('alice'));
    const seen = collect(await alice.watchProducts());
    const names = Array.from({ length: 200 }, (_, i) => `p-${i}`);
    for (const [i, name] of names.entries()) held.put(fresh(name, undefined, i % 10 === 0 ? 500_000 : 10));
    await arrived(seen, 200);
    expect(seen.map(({ product: { productMetadata } }) => productMetadata.productRef.key)).toEqual(names);
    expect(seen.map(({ product: { productBody } }) => productBody.length)).toEqual(
      names.map((_, i) => (i % 10 === 0 ? 500_000 : 10)),
    );
  });

  it('leave out a body that is too large, and give a link of ours that has it', async () => {
    const { gateway, held } = await setup({
      config: { limits: { mal: { maxBody: '1KiB' } }, gateway: { publicUrl: 'http://public.example.int' } },
    });
    const alice = client(gateway.urls.maltcp!);
    await alice.submitStandingOrder(order('alice'));
    const seen = collect(await alice.watchProducts());
    held.put(fresh('big', undefined, 5000));
    await arrived(seen, 1);
    const { productBody, productMetadata } = seen[0]!.product;
    expect(productBody).toHaveLength(0);
    const link = new URL(productMetadata.externalURI!);
    expect(link.origin).toBe('http://public.example.int');
    const answer = await fetch(`${gateway.urls.http}${link.pathname}${link.search}`);
    expect((await answer.arrayBuffer()).byteLength).toBe(5000);
  });
});

describe('what is configured', () => {
  it('capability sets that are off are Unsupported Operation, the others go on', async () => {
    const { gateway, held } = await setup({
      config: { capabilities: { getProducts: false, deliverProductFiles: false, notifyProductDelivery: false } },
    });
    held.put(fresh('a'));
    const alice = client(gateway.urls.maltcp!);
    const { productRef } = fresh('a').productMetadata;
    expect(await keys(alice)).toEqual(['a']);
    expect((await failure(alice.getProduct(productRef))).code).toBe('Unsupported Operation');
    expect((await failure(alice.deliverProductFiles([productRef], 'file:///x'))).code).toBe('Unsupported Operation');
    expect((await failure(alice.watchDeliveries())).code).toBe('Unsupported Operation');
    await alice.submitStandingOrder(order('alice'));
    const seen = collect(await alice.watchProducts());
    held.put(fresh('b'));
    await arrived(seen, 1);
    expect(seen[0]!.product.productBody).toHaveLength(3);
  });

  it('named filters stand for a productType only when that is switched on', async () => {
    const off = await setup();
    const on = await setup({ config: { extensions: { malNamedFilters: true } } });
    for (const { held } of [off, on]) {
      held.put(fresh('one', ['test', 'a']));
      held.put(fresh('two', ['test', 'b']));
    }
    const alice = await on.gateway.gateway.access.principal('alice');
    const named = { name: 'mine', description: null, shared: false, filter: { domain: ['test', 'b'] } };
    await on.gateway.gateway.filters.put(named, alice);
    const asked = filter({ productType: '@alice/mine' });
    expect(await keys(client(off.gateway.urls.maltcp!), asked)).toEqual([]);
    const consumer = client(on.gateway.urls.maltcp!);
    expect(await keys(consumer, asked)).toEqual(['two']);
    expect((await failure(keys(consumer, filter({ productType: '@alice/none' })))).code).toBe('Invalid');
    await consumer.submitStandingOrder(order('alice', { productFilter: asked }));
    // Resolved at submit: a later change of the filter does not change the order.
    await on.gateway.gateway.filters.put({ ...named, filter: { domain: ['test', 'a'] } }, alice);
    const seen = collect(await consumer.watchProducts());
    on.held.put(fresh('three', ['test', 'a']));
    on.held.put(fresh('four', ['test', 'b']));
    await arrived(seen, 1);
    await sleep(200);
    expect(seen.map(({ product: { productMetadata } }) => productMetadata.productRef.key)).toEqual(['four']);
  });

  it('endpoint names, and where the services are told of', async () => {
    const path = './uris/providerURIs.properties';
    const { gateway, held } = await setup({
      listen: {
        endpoints: { retrieval: 'Get', orders: 'Order', delivery: 'Push', broker: 'Broker' },
        providerUris: path,
      },
    });
    held.put(fresh('a'));
    const root = gateway.urls.maltcp!;
    const endpoints = { retrieval: 'Get', orders: 'Order', delivery: 'Push', broker: 'Broker' };
    const consumer = client(root, { endpoints });
    expect(await keys(consumer)).toEqual(['a']);
    await consumer.submitStandingOrder(order('alice'));
    const seen = collect(await consumer.watchProducts());
    held.put(fresh('b'));
    await arrived(seen, 1);
    expect((await failure(keys(client(root)))).code).toBe('Destination Unknown');
    const lines = readFileSync(join(gateway.dir, path), 'latin1').split('\n');
    expect(lines).toContain(`ProductRetrieval_URI=${root}/Get`);
    expect(lines).toContain(`ProductOrderDelivery_Broker=${root}/Broker`);
    expect(lines).toContain('OrderManagement_ServiceKey=[9, 1, 2]');
    const http = connectHttp(gateway.urls.http!, { key: await gateway.key('alice') });
    cleanups.push(() => http.close());
    const { services } = await http.services();
    expect(services.find(({ binding }) => binding === 'maltcp')).toMatchObject({
      uri: root,
      details: { ProductRetrieval: `${root}/Get`, broker: `${root}/Broker` },
    });
    expect(services.map(({ binding }) => binding).sort()).toEqual(['http', 'malhttp', 'maltcp']);
  });

  it('a port for one encoding, for consumers whose first request does not tell', async () => {
    const { gateway } = await setup({ listen: { maltcp: { port: 0, encodingPorts: { variable: 0 } } } });
    const consumer = client(gateway.urls['maltcp-variable']!, { encoding: 'binary-variable' });
    await consumer.submitStandingOrder(order('alice'));
    const again = client(gateway.urls['maltcp-variable']!, { encoding: 'binary-variable' });
    expect(await again.listStandingOrders()).toHaveLength(1);
  });
});

it('malhttp: lists, gets, orders, delivers and notifies', async () => {
  const { gateway, held } = await setup();
  held.put(fresh('a', undefined, 2_000_000));
  const alice = client(gateway.urls.malhttp!, { encoding: 'binary-split' });
  expect(await keys(alice)).toEqual(['a']);
  const { productRef } = fresh('a').productMetadata;
  const [got] = await all(alice.getProducts([productRef]));
  expect(got!.productBody).toHaveLength(2_000_000);
  const orderID = await alice.submitStandingOrder(order('alice'));
  const seen = collect(await alice.watchProducts({ orderID }));
  held.put(fresh('b'));
  await arrived(seen, 1);
  expect(seen[0]).toMatchObject({ user: 'alice', orderID });
  await alice.cancelStandingOrder(orderID);
  expect(await failure(alice.cancelStandingOrder(orderID))).toMatchObject({
    code: 'Unknown',
    extraInformation: orderID,
  });
});
