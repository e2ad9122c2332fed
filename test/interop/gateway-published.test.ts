import { randomUUID } from 'node:crypto';
import { afterEach, describe, expect, it } from 'vitest';
import { connect, connectHttp, type HttpClient, type MalClient } from '../../src/client/index.js';
import type { Product, StandingOrder } from '../../src/mpd/index.js';
import { type TestGateway, testGateway } from '../gateway.js';
import { HELD_PRODUCTS, type HeldProducts, heldProducts } from './held-products.js';
import { type Event, javaMissing, startPeer } from './java-peer.js';
import { product } from './products.js';

/** What the ledger says of products that went out over MAL, and what an order keeps for subscribers that come later. */

const missing = await javaMissing();

const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

interface Setup {
  readonly held: HeldProducts;
  readonly id: string;
  readonly gateway: TestGateway;
}

async function setup(config: Readonly<Record<string, unknown>> = {}, share?: Setup): Promise<Setup> {
  const id = share?.id ?? `held-${randomUUID()}`;
  const gateway = await testGateway({
    config: {
      listen: { http: { port: 0 }, maltcp: { port: 0 } },
      access: {
        principals: [{ id: 'operator', role: 'operator' }, { id: 'alice' }, { id: 'bob' }],
        mal: [{ cidr: '127.0.0.1/32', principal: 'alice', user: 'asserted' }],
      },
      backends: [{ id, kind: 'module', module: HELD_PRODUCTS, domain: ['test'] }],
      ...config,
    },
    ...(share && { share: share.gateway }),
  });
  cleanups.push(() => gateway.close());
  return { held: heldProducts(id), id, gateway };
}

function mal({ gateway }: Setup): MalClient {
  const opened = connect(`${gateway.urls.maltcp}/` as `maltcp://${string}`, { timeoutMs: 10_000 });
  cleanups.push(() => opened.close());
  return opened;
}

async function http({ gateway }: Setup): Promise<HttpClient> {
  const opened = connectHttp(gateway.urls.http!, { key: await gateway.key('alice') });
  cleanups.push(() => opened.close());
  return opened;
}

const order = (method: StandingOrder['deliveryMethod'] = 'SERVICE_JUST_METADATA'): StandingOrder => ({
  orderID: null,
  user: 'alice',
  productFilter: null,
  validityPeriod: null,
  deliveryMethod: method,
  deliverTo: null,
  comments: null,
});

const fresh = (key: string, size = 3): Product => {
  const made = product(key, { type: 'fresh', body: new Uint8Array(size).fill(7) });
  const fileMetadata = { updateDate: 0n, mime: 'application/octet-stream', fileSize: BigInt(size) };
  return { ...made, productMetadata: { ...made.productMetadata, fileMetadata } };
};

function collect<T>(updates: AsyncIterable<T>): T[] {
  const seen: T[] = [];
  void (async () => {
    for await (const update of updates) seen.push(update);
  })().catch(() => {});
  return seen;
}
const keysOf = (seen: readonly { readonly product: Product }[]): string[] =>
  seen.map((each) => each.product.productMetadata.productRef.key);
const poll = (look: () => unknown) => expect.poll(look, { timeout: 10_000, interval: 20 });

async function ledger(from: HttpClient, orderID: bigint) {
  const rows: { key: string; state: string; published: number; cause: string | null }[] = [];
  for await (const { ref, state, published, cause, targetCheck } of from.listDeliveries(orderID)) {
    expect(targetCheck).toBeNull();
    rows.push({ key: ref.key, state, published, cause });
  }
  return rows;
}

describe('the ledger of a service order', () => {
  it('says to how many subscribers a product was sent, those of another gateway added, also after a restart', async () => {
    const first = await setup();
    const second = await setup({}, first);
    const orderID = await mal(first).submitStandingOrder(order());
    const here = await http(first);
    first.held.put(fresh('before'));
    await poll(() => ledger(here, orderID)).toMatchObject([{ state: 'available', published: 0 }]);
    const heard = await Promise.all(
      [mal(first), mal(first), mal(second)].map(async (each) => collect(await each.watchProducts())),
    );
    first.held.put(fresh('now'));
    await poll(() => heard.map(keysOf)).toEqual([['now'], ['now'], ['now']]);
    const expected = [
      { key: 'before', state: 'available', published: 0, cause: null },
      { key: 'now', state: 'published', published: 3, cause: null },
    ];
    await poll(() => ledger(here, orderID)).toEqual(expected);
    expect((await here.getOrder(orderID)).counts).toEqual({ available: 1, published: 1 });
    const restarted = await setup({}, first);
    expect(await ledger(await http(restarted), orderID)).toEqual(expected);
  });

  it('names the reason when a body is too large for a message: tooLarge, and missing until it was fetched', async () => {
    const there = await setup({ limits: { mal: { maxBody: '1KiB' } } });
    const orderID = await mal(there).submitStandingOrder(order('SERVICE_COMPLETE'));
    const client = await http(there);
    const seen = collect(await mal(there).watchProducts());
    for (const each of [fresh('small'), fresh('large', 5000)]) there.held.put(each);
    await poll(() => seen.map(({ product: { productBody } }) => productBody.length)).toEqual([3, 0]);
    const cause = 'the body has 5000 bytes, one message holds 1024: subscribers were sent the metadata alone';
    await poll(() => ledger(client, orderID)).toEqual([
      { key: 'small', state: 'published', published: 1, cause: null },
      { key: 'large', state: 'tooLarge', published: 1, cause },
    ]);
    expect(await client.missing(orderID)).toMatchObject({
      held: 2,
      delivered: 1,
      missing: [{ state: 'tooLarge', cause }],
    });
    const pulled = await client.pull(orderID, { limit: 10 });
    await client.acknowledge(orderID, pulled.at(-1)!.position);
    expect((await ledger(client, orderID)).map(({ state }) => state)).toEqual(['acknowledged', 'acknowledged']);
  });
});

describe('notifications that an order keeps', () => {
  const published = (there: Setup, names: readonly string[]) => {
    for (const name of names) there.held.put(fresh(name));
  };
  /** Published to those that subscribe now, none of them to the orders of the test: a subscriber of another order has heard them all. */
  const publishedBefore = async (there: Setup, client: HttpClient, names: readonly string[]): Promise<void> => {
    const { orderID } = await client.submitOrder(order());
    const witness = mal(there);
    const heard = collect(await witness.watchProducts({ orderID }));
    published(there, names);
    await poll(() => keysOf(heard)).toEqual(names);
    await witness.close();
    await client.cancelStandingOrder(orderID);
  };

  it('come to a subscriber first, the last so many of its own, oldest first, then what is new', async () => {
    const there = await setup();
    const client = await http(there);
    const { orderID: keeping } = await client.submitOrder({ ...order(), retain: { last: 2, seconds: null } });
    const { orderID: plain } = await client.submitOrder(order());
    expect((await client.getOrder(keeping)).retain).toEqual({ last: 2, seconds: null });
    expect((await client.getOrder(plain)).retain).toBeNull();
    await publishedBefore(there, client, ['a', 'b', 'c']);
    const all = collect(await mal(there).watchProducts());
    const other = collect(await mal(there).watchProducts({ orderID: plain }));
    await poll(() => keysOf(all)).toEqual(['b', 'c']);
    published(there, ['d']);
    await poll(() => keysOf(all)).toEqual(['b', 'c', 'd', 'd']);
    await poll(() => keysOf(other)).toEqual(['d']);
    expect(all.slice(0, 2).map(({ orderID }) => orderID)).toEqual([keeping, keeping]);
    await poll(() => ledger(client, keeping)).toEqual([
      { key: 'a', state: 'available', published: 0, cause: null },
      ...['b', 'c', 'd'].map((key) => ({ key, state: 'published', published: 1, cause: null })),
    ]);
  });

  it('are given again to one that registers again, with their bodies, also by another gateway', async () => {
    const there = await setup();
    const client = await http(there);
    const { orderID } = await client.submitOrder({
      ...order('SERVICE_COMPLETE'),
      retain: { last: null, seconds: 3600 },
    });
    const names = Array.from({ length: 20 }, (_, i) => `p-${i}`);
    await publishedBefore(there, client, names);
    const elsewhere = await setup({}, there);
    for (const at of [there, there, elsewhere]) {
      const one = mal(at);
      const seen = collect(await one.watchProducts());
      await poll(() => keysOf(seen)).toEqual(names);
      expect(seen.every((each) => each.product.productBody.length === 3)).toBe(true);
      await one.close();
    }
    await poll(async () => new Set((await ledger(client, orderID)).map((row) => row.published))).toEqual(new Set([3]));
  });

  it('are none by default, and bounded', async () => {
    const there = await setup();
    const client = await http(there);
    for (const retain of [
      { last: 0, seconds: null },
      { last: 1001, seconds: null },
      { last: null, seconds: null },
      { last: null, seconds: 0 },
    ])
      await expect(client.submitOrder({ ...order(), retain })).rejects.toMatchObject({ code: 'Invalid' });
    await client.submitOrder(order());
    await publishedBefore(there, client, ['a']);
    const seen = collect(await mal(there).watchProducts());
    published(there, ['b']);
    await poll(() => keysOf(seen)).toEqual(['b']);
  });

  it.skipIf(missing !== null)(
    `come to ESA's consumer when it registers, and once more when it registers again${missing === null ? '' : ` (${missing})`}`,
    async () => {
      const there = await setup();
      const client = await http(there);
      const { orderID } = await client.submitOrder({ ...order(), retain: { last: 2, seconds: null } });
      await publishedBefore(there, client, ['a', 'b', 'c']);
      const consumer = await startPeer('EsaConsumer', ['--base', `${there.gateway.urls.maltcp}/`], ['end']);
      cleanups.push(() => consumer.stop());
      const deliveries = (from: number): string[] =>
        consumer.events
          .slice(from)
          .filter(({ event }) => event === 'delivery')
          .map((event: Event) => {
            const { metadata } = event.product as { metadata: { productRef: { key: string } } };
            return `${event.subscription} ${metadata.productRef.key}`;
          });
      // Tells the encoding of this connection.
      await consumer.command('list --type none');
      for (const sub of ['one', 'one']) {
        const from = consumer.events.length;
        await consumer.command(`watch --background --op deliver --sub ${sub} --order-id ${orderID}`);
        await poll(() => deliveries(from)).toEqual(['one b', 'one c']);
      }
      const from = consumer.events.length;
      published(there, ['d']);
      await poll(() => deliveries(from)).toEqual(['one d']);
    },
    60_000,
  );
});
