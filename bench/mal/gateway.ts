import { connect, type MalClient } from '../../src/client/index.js';
import type { Product } from '../../src/mpd/index.js';
import { testGateway } from '../../test/gateway.js';
import { HELD_PRODUCTS, heldProducts } from '../../test/interop/held-products.js';
import { product } from '../../test/interop/products.js';
import { printTable, timed } from '../table.js';

/**
 * A whole gateway over maltcp, PostgreSQL below it, driven by our client in the same process: lists of 0, 10 and 1 000 entries,
 * getProducts, and the way of new products from the backend through journal, ledger and event log to 1 and 10 subscribers.
 */
export async function malGatewayBench(): Promise<void> {
  const id = 'bench';
  const held = heldProducts(id);
  const add = (count: number, type: string, size: number): Product[] => {
    const made = Array.from({ length: count }, (_, i) =>
      product(`${type}-${i}`, { domain: ['test', 'bulk'], type, body: new Uint8Array(size) }),
    );
    for (const each of made) held.put(each);
    return made;
  };
  add(10, 'ten', 0);
  add(1000, 'thousand', 0);
  const small = add(10, 'small', 1000);
  const large = add(10, 'large', 2 ** 20);
  const gateway = await testGateway({
    config: {
      listen: { http: { enabled: false }, maltcp: { port: 0 } },
      access: {
        principals: [{ id: 'operator', role: 'operator' }, { id: 'bench' }],
        mal: [{ cidr: '127.0.0.1/32', principal: 'bench', user: 'asserted' }],
      },
      backends: [{ id, kind: 'module', module: HELD_PRODUCTS, domain: ['test'] }],
    },
  });
  const clients: MalClient[] = [];
  const open = (): MalClient => {
    const client = connect(`${gateway.urls.maltcp}/` as `maltcp://${string}`);
    clients.push(client);
    return client;
  };
  try {
    const client = open();
    printTable(['lists', 'in flight 1, /s', '8', '32'], await lists(client));
    printTable(
      ['getProducts', 'first update, ms', 'all, ms', 'MB/s'],
      [
        ['10 × 1 kB', ...(await gets(client, small, 200))],
        ['10 × 1 MiB', ...(await gets(client, large, 10))],
      ],
    );
    const rows: (readonly (string | number)[])[] = [];
    for (const subscribers of [1, 10]) rows.push(await publications(open(), open, held.put, subscribers));
    printTable(['new products to subscribers', 'products/s', 'notifications/s'], rows);
  } finally {
    for (const client of clients) await client.close();
    await gateway.close();
  }
}

const typed = (productType: string) => ({ productType, domain: null, sources: null, attributeFilter: null });
const SECONDS = 2;

async function lists(client: MalClient): Promise<(readonly (string | number)[])[]> {
  const one = async (type: string): Promise<number> => {
    let count = 0;
    for await (const _ of client.listProducts({ productFilter: typed(type) })) count++;
    return count;
  };
  const rows: (readonly (string | number)[])[] = [];
  for (const [type, count] of [
    ['none', 0],
    ['ten', 10],
    ['thousand', 1000],
  ] as const) {
    const rates: number[] = [];
    for (const inFlight of [1, 8, 32]) {
      let done = 0;
      const end = performance.now() + SECONDS * 1000;
      const { seconds } = await timed(() =>
        Promise.all(
          Array.from({ length: inFlight }, async () => {
            while (performance.now() < end) {
              if ((await one(type)) !== count) throw new Error(`not ${count} entries of ${type}`);
              done++;
            }
          }),
        ),
      );
      rates.push(done / seconds);
    }
    rows.push([`${count} entries`, ...rates]);
  }
  return rows;
}

async function gets(client: MalClient, products: readonly Product[], rounds: number): Promise<number[]> {
  const refs = products.map(({ productMetadata }) => productMetadata.productRef);
  const firsts: number[] = [];
  const totals: number[] = [];
  let bytes = 0;
  for (let i = 0; i < rounds; i++) {
    const start = performance.now();
    let first: number | null = null;
    for await (const { productBody } of client.getProducts(refs)) {
      first ??= performance.now() - start;
      bytes += productBody.length;
    }
    firsts.push(first!);
    totals.push(performance.now() - start);
  }
  const all = totals.reduce((sum, ms) => sum + ms, 0);
  return [median(firsts), median(totals), bytes / 1000 / all];
}

async function publications(
  client: MalClient,
  open: () => MalClient,
  put: (product: Product) => void,
  subscribers: number,
): Promise<readonly (string | number)[]> {
  const type = `fresh-${subscribers}`;
  const orderID = await client.submitStandingOrder({
    ...{ orderID: null, user: 'bench', validityPeriod: null, deliverTo: null, comments: null },
    ...{ productFilter: typed(type), deliveryMethod: 'SERVICE_JUST_METADATA' as const },
  });
  const count = 10_000;
  const heard = await Promise.all(
    Array.from({ length: subscribers }, async () => {
      const products = await open().watchProducts({ orderID });
      return async () => {
        let seen = 0;
        for await (const _ of products) if (++seen === count) return;
      };
    }),
  );
  const { seconds } = await timed(async () => {
    const all = Promise.all(heard.map((listen) => listen()));
    for (let i = 0; i < count; i++) put(product(`${type}-${i}`, { domain: ['test', 'bulk'], type }));
    await all;
  });
  await client.cancelStandingOrder(orderID);
  return [`${subscribers} subscriber${subscribers === 1 ? '' : 's'}`, count / seconds, (count * subscribers) / seconds];
}

const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[values.length >> 1]!;
