import { afterEach, describe, expect, it } from 'vitest';
import { type MemoryProvider, startMemoryProvider } from '../../../test/interop/memory-provider.js';
import { product } from '../../../test/interop/products.js';
import { ENCODINGS } from '../../mal/index.js';
import { isMpdError, type MpdError, type Product, type StandingOrder } from '../../mpd/index.js';
import { connect, type MalClient, type MalClientOptions } from '../index.js';

const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

const products = [
  product('a', { body: new Uint8Array([1, 2, 3, 4]) }),
  product('folder/b', { type: 'other', body: new Uint8Array(3_000_000).fill(7) }),
];
const refs = products.map(({ productMetadata }) => productMetadata.productRef);
const order: StandingOrder = {
  orderID: null,
  user: 'jane',
  productFilter: { productType: 'fresh', domain: null, sources: null, attributeFilter: null },
  validityPeriod: null,
  deliveryMethod: 'SERVICE_COMPLETE',
  deliverTo: null,
  comments: null,
};

const all = async <T>(source: AsyncIterable<T>): Promise<T[]> => {
  const items: T[] = [];
  for await (const item of source) items.push(item);
  return items;
};
const failure = async (call: Promise<unknown>): Promise<MpdError> => {
  const error = await call.then(
    () => null,
    (reason: unknown) => reason,
  );
  if (!isMpdError(error)) throw error;
  return error;
};

describe.each([
  ['maltcp', 'binary-fixed'],
  ['maltcp', 'binary-split'],
  ['malhttp', 'binary-variable'],
] as const)('the client over %s, %s', (transport, encoding) => {
  async function start(): Promise<{ provider: MemoryProvider; client: MalClient }> {
    const provider = await startMemoryProvider({ transport, products, encodings: [ENCODINGS[encoding]], limit: 5 });
    cleanups.push(() => provider.close());
    const options: MalClientOptions = { encoding, timeoutMs: 5000 };
    const client = connect(`${provider.rootUri}/` as `maltcp://${string}`, options);
    cleanups.push(() => client.close());
    return { provider, client };
  }

  it('lists products and gives their bodies, from an offset too', async () => {
    const { client } = await start();
    const listed = await all(client.listProducts());
    expect(listed.map(({ metadata }) => metadata)).toEqual(products.map(({ productMetadata }) => productMetadata));
    const body = await client.getProduct(refs[0]!, { offset: 1 });
    expect(body).toMatchObject({ size: 4, fileName: 'a', revision: null });
    expect(Buffer.concat(await all(body.stream))).toEqual(Buffer.from([2, 3, 4]));
    const got: Product[] = await all(client.getProducts([...refs, refs[0]!]));
    expect(got.map(({ productBody }) => productBody.length)).toEqual([4, 3_000_000, 4]);
    expect((await client.getProduct(refs[1]!)).fileName).toBe('b');
  });

  it('fails as MpdError, whatever failed', async () => {
    const { client, provider } = await start();
    const nowhere = { ...refs[0]!, key: 'nope' };
    expect(await failure(client.getProduct(nowhere))).toMatchObject({ code: 'Unknown', extraInformation: [0] });
    expect(await failure(all(client.getProducts([refs[0]!, nowhere])))).toMatchObject({ extraInformation: [1] });
    const reversed = { start: 2_000_000n, end: 1_000_000n };
    expect(await failure(all(client.listProducts({ created: reversed })))).toMatchObject({
      code: 'Invalid',
      field: 'creationDate',
    });
    for (let i = 0; i < 5; i++) provider.put(product(`more-${i}`));
    expect((await failure(all(client.listProducts()))).code).toBe('Too Many');
    const cancelled = await failure(client.cancelStandingOrder(5n));
    expect(cancelled).toMatchObject({ code: 'Unknown', extraInformation: 5n, class: 'refuse' });
    expect((await failure(client.deliverProductFiles(refs, 'ftp://x'))).code).toBe('Delivery Failed');
    expect((await failure(all(client.listProducts({ tree: { all: [] } })))).code).toBe('Unsupported Operation');
    const wrong = connect(`${transport}://127.0.0.1:1/`, {});
    expect(await failure(wrong.cancelStandingOrder(1n))).toMatchObject({
      code: 'Destination Transient',
      class: 'retry',
    });
    await wrong.close();
  });

  it('keeps orders and watches what they bring, until its signal', async () => {
    const { client, provider } = await start();
    const id = await client.submitStandingOrder(order);
    const files = await client.submitStandingOrder({
      ...order,
      deliveryMethod: 'FILETRANSFER',
      deliverTo: 'file:///reachable',
    });
    expect((await client.listStandingOrders({ user: 'jane' })).map(({ orderID }) => orderID)).toEqual([id, files]);
    const stop = new AbortController();
    const states: string[] = [];
    const watched = await client.watchProducts(
      { user: 'jane', orderID: id, domain: ['test', '*'] },
      { signal: stop.signal, onState: (state) => states.push(state) },
    );
    const notices = (await client.watchDeliveries({ user: 'jane' }))[Symbol.asyncIterator]();
    const fresh = product('new', { type: 'fresh' });
    provider.put(product('elsewhere', { type: 'fresh', domain: ['other'] }));
    provider.put(fresh);
    const iterator = watched[Symbol.asyncIterator]();
    expect((await iterator.next()).value).toEqual({ user: 'jane', orderID: id, product: fresh });
    expect((await notices.next()).value).toMatchObject({ orderID: files, filename: 'elsewhere', success: true });
    stop.abort();
    expect((await iterator.next()).done).toBe(true);
    expect(states).toEqual(['registered']);
    await notices.return?.();
    await client.cancelStandingOrder(id);
    expect(await client.listStandingOrders()).toHaveLength(1);
    while (provider.broker.subscriptions > 0) await new Promise((resolve) => setTimeout(resolve, 5));
  });

  it('has files delivered', async () => {
    const { client } = await start();
    const { files } = await client.deliverProductFiles(refs, 'file:///reachable/in');
    expect((await all(files)).map(({ index, filename, success }) => [index, filename, success])).toEqual([
      [0, 'a', true],
      [1, 'folder/b', true],
    ]);
  });
});

describe('an address', () => {
  it('may tell the encoding, and is refused when it is none', async () => {
    const provider = await startMemoryProvider({ products, encodings: [ENCODINGS['binary-split']] });
    cleanups.push(() => provider.close());
    const client = connect(`${provider.rootUri}/?encoding=split`);
    cleanups.push(() => client.close());
    expect(await all(client.listProducts())).toHaveLength(2);
    for (const url of [
      'maltcp://host/',
      'maltcp://h:1/x',
      'maltcp://u@h:1/',
      'malhttp://h:1/?encoding=xml',
      'ftp://h',
    ]) {
      expect(() => connect(url)).toThrow('url: ');
    }
  });
});
