import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { connect, type MalClient } from '../../src/client/index.js';
import { isMpdError, type MpdError, type StandingOrder } from '../../src/mpd/index.js';
import { type ConsumerHost, consumerHost } from './consumer-hosts.js';
import { product } from './products.js';
import { type Row, rows, titleOf } from './rows.js';

/** Our consumer at our gateway: every operation, every way to speak, also what ESA's stack loses messages of. */

const MiB = 1024 * 1024;
const sized = (key: string, body: Uint8Array) => {
  const made = product(key, { domain: ['test', 'big'], type: 'large', body });
  const fileMetadata = { updateDate: 0n, mime: 'application/octet-stream', fileSize: BigInt(body.length) };
  return { ...made, productMetadata: { ...made.productMetadata, fileMetadata } };
};
const bodies = [MiB, 32 * MiB].map((size) => new Uint8Array(size).fill(size % 251));
const some = [
  product('a'),
  product('b', { body: new Uint8Array(0) }),
  ...bodies.map((body, i) => sized(`large-${i}`, body)),
];
const many = Array.from({ length: 30 }, (_, i) =>
  product(`p${i}`, {
    domain: ['test', 'many'],
    type: 'row',
    body: new Uint8Array(i % 10 === 0 ? 200_000 : 10).fill(i),
  }),
);
const NO_FILTER = { productType: null, domain: null, sources: null, attributeFilter: null };
const order = (part: Partial<StandingOrder> = {}): StandingOrder => ({
  ...{ orderID: null, user: 'jane', validityPeriod: null, deliverTo: null, comments: null },
  ...{ productFilter: { ...NO_FILTER, productType: 'fresh' }, deliveryMethod: 'SERVICE_COMPLETE' as const },
  ...part,
});
const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
const all = async <T>(items: AsyncIterable<T>): Promise<T[]> => {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
};
async function failure(call: Promise<unknown>): Promise<MpdError> {
  const error = await call.then(
    () => null,
    (reason: unknown) => reason,
  );
  if (!isMpdError(error)) throw error ?? new Error('nothing failed');
  return error;
}

const TESTED = rows({ consumer: 'our consumer', provider: 'our gateway' }).map((row) => [titleOf(row), row] as const);

describe.each(TESTED)('%s', (_title, row: Row) => {
  let host: ConsumerHost;
  let client: MalClient;

  beforeAll(async () => {
    host = await consumerHost(row, [...some, ...many]);
    const query = `?encoding=${row.encoding}${row.mode === null ? '' : `&mode=${row.mode}`}`;
    client = connect(`${host.root}/${query}` as `maltcp://${string}`, { timeoutMs: 20_000 });
  });
  afterAll(async () => {
    await client?.close();
    await host?.close();
  });

  it('listProducts: what there is, nothing, and what is invalid', async () => {
    const found = await all(client.listProducts({ productFilter: { ...NO_FILTER, productType: 'row' } }));
    expect(found.map(({ metadata }) => metadata.productRef.key).sort()).toEqual(
      many.map(({ objectIdentity }) => objectIdentity.key).sort(),
    );
    expect(await all(client.listProducts({ productFilter: { ...NO_FILTER, domain: ['else'] } }))).toEqual([]);
    const reversed = { start: 2_000_000n, end: 1_000_000n };
    expect((await failure(all(client.listProducts({ created: reversed })))).code).toBe('Invalid');
  });

  it('getProducts: in order and whole, again and again; unknown ones by index', async () => {
    const refs = many.map(({ productMetadata }) => productMetadata.productRef);
    for (let round = 0; round < 3; round++) {
      const got = await all(client.getProducts(refs));
      expect(got.map(({ objectIdentity, productBody }) => [objectIdentity.key, sha256(productBody)])).toEqual(
        many.map(({ objectIdentity, productBody }) => [objectIdentity.key, sha256(productBody)]),
      );
    }
    const large = some.map(({ productMetadata }) => productMetadata.productRef);
    expect((await all(client.getProducts(large))).map(({ productBody }) => sha256(productBody))).toEqual(
      some.map(({ productBody }) => sha256(productBody)),
    );
    expect(await all(client.getProducts([]))).toEqual([]);
    const nowhere = { ...refs[0]!, key: 'nowhere' };
    expect(await failure(all(client.getProducts([refs[0]!, nowhere])))).toMatchObject({
      code: 'Unknown',
      extraInformation: [1],
    });
  });

  it('deliverProductFiles: each reported in order; Delivery Failed', async () => {
    const refs = some.slice(0, 2).map(({ productMetadata }) => productMetadata.productRef);
    const { files } = await client.deliverProductFiles(refs, host.target('once'));
    expect((await all(files)).map(({ filename, success }) => [filename, success])).toEqual([
      ['a', true],
      ['b', true],
    ]);
    expect((await failure(client.deliverProductFiles(refs, 'gopher://x'))).code).toBe('Delivery Failed');
  });

  it('submitStandingOrder, listStandingOrders, cancelStandingOrder: with their errors', async () => {
    const orderID = await client.submitStandingOrder(order({ comments: 'note' }));
    expect(await client.listStandingOrders({ user: 'jane' })).toEqual([{ ...order({ comments: 'note' }), orderID }]);
    await client.cancelStandingOrder(orderID);
    expect(await failure(client.cancelStandingOrder(orderID))).toMatchObject({
      code: 'Unknown',
      extraInformation: orderID,
    });
    expect((await failure(client.submitStandingOrder(order({ deliverTo: 'file:///x' })))).code).toBe('Invalid');
    const refused = order({ deliveryMethod: 'FILETRANSFER', deliverTo: 'gopher://x' });
    expect((await failure(client.submitStandingOrder(refused))).code).toBe('Order Failed');
  });

  it('deliverProducts, notifyProductDelivery: each to its subscriptions, in order, until closed; again after a restart', async () => {
    const states: string[] = [];
    const service = await client.submitStandingOrder(order());
    const bare = await client.submitStandingOrder(order({ user: 'john', deliveryMethod: 'SERVICE_JUST_METADATA' }));
    const deliverTo = host.target('in');
    const files = await client.submitStandingOrder(order({ deliveryMethod: 'FILETRANSFER', deliverTo }));
    const seen: string[] = [];
    const stop = new AbortController();
    const watch = async (name: string, query: Parameters<MalClient['watchProducts']>[0]) => {
      const onState = (state: string): void => void (name === 'all' && states.push(state));
      const updates = await client.watchProducts(query, { signal: stop.signal, onState });
      return all(
        (async function* () {
          for await (const { user, orderID, product: got } of updates)
            yield seen.push(`${name} ${user}/${orderID} ${got.objectIdentity.key} ${got.productBody.length}`);
        })(),
      );
    };
    const watching = [
      watch('all', {}),
      watch('jane', { user: 'jane' }),
      watch('bare', { orderID: bare }),
      watch('else', { domain: ['else', '*'] }),
    ];
    const notices = (await client.watchDeliveries({ orderID: files }, { signal: stop.signal }))[Symbol.asyncIterator]();
    await sleep(200);
    for (let n = 0; n < 3; n++) host.put(product(`f${n}`, { type: 'fresh', body: new Uint8Array(n * 100_000) }));
    for (let n = 0; n < 3; n++) {
      const { value } = await notices.next();
      expect(value).toMatchObject({ user: 'jane', orderID: files, success: true, deliveredTo: deliverTo });
    }
    const told = (name: string, id: string, size: number) => [0, 1, 2].map((n) => `${name} ${id} f${n} ${n * size}`);
    await expect.poll(() => seen.length, { timeout: 20_000 }).toBe(12);
    const of = (prefix: string) => seen.filter((line) => line.startsWith(prefix));
    expect(of('all jane')).toEqual(told('all', `jane/${service}`, 100_000));
    expect(of('all john')).toEqual(told('all', `john/${bare}`, 0));
    expect(of('jane')).toEqual(told('jane', `jane/${service}`, 100_000));
    expect(of('bare')).toEqual(told('bare', `john/${bare}`, 0));

    expect(states).toEqual(['registered']);
    await host.restart();
    // Over malhttp only a further registration tells that there is another provider: until then nothing is heard.
    let puts = 0;
    await expect
      .poll(
        () => {
          host.put(product(`again${puts++}`, { type: 'fresh' }));
          return of(`all jane/${service} again`).length;
        },
        { timeout: 30_000, interval: 250 },
      )
      .toBeGreaterThan(0);
    expect(states.at(-1)).toBe('registered');
    if (row.mode === null) expect(states).toContain('lost');
    stop.abort();
    await Promise.all(watching);
    for (const { orderID } of await client.listStandingOrders()) await client.cancelStandingOrder(orderID!);
  });
});
