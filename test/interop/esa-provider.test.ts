import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  type Consumer,
  createConsumer,
  createGrammar,
  createSession,
  ENCODINGS,
  isMalError,
  MalError,
  type MalhttpClient,
  malhttpClient,
  maltcpClient,
  type ObjectRef,
  type Session,
  type Update,
} from '../../src/mal/index.js';
import {
  type AttributeFilter,
  mpdArea,
  mpdRegistry,
  OrderManagement,
  type Product,
  type ProductFilter,
  ProductOrderDelivery,
  ProductRetrieval,
  type StandingOrder,
} from '../../src/mpd/index.js';
import { freePort } from './free-port.js';
import { type JavaPeer, javaMissing, startPeer } from './java-peer.js';
import { time } from './products.js';
import { ESA_LOSES, esaMode, type Row, rows, titleOf } from './rows.js';
import { setUpAfterFailures, triesWith } from './tries.js';

/** Our consumer at ESA's Java provider: every operation and error, every way to speak. */

const missing = await javaMissing();
if (missing !== null) console.warn(`ESA's provider is NOT tested: ${missing}`);

const { listProducts, getProducts, deliverProductFiles } = ProductRetrieval.operations;
const { listStandingOrders, submitStandingOrder, cancelStandingOrder } = OrderManagement.operations;
const { deliverProducts, notifyProductDelivery } = ProductOrderDelivery.operations;

const WAIT = { timeout: 30_000, interval: 20 };
const NO_FILTER: ProductFilter = { productType: null, domain: null, sources: null, attributeFilter: null };
const ref = (domain: string, key: string, version = 1): ObjectRef => ({
  domain: domain.split('.'),
  type: 'Product',
  key,
  version,
});

const order = (over: Partial<StandingOrder> = {}): StandingOrder => ({
  orderID: null,
  user: 'jane',
  productFilter: { ...NO_FILTER, productType: 'fresh' },
  validityPeriod: null,
  deliveryMethod: 'SERVICE_COMPLETE',
  deliverTo: null,
  comments: null,
  ...over,
});

async function failure(call: Promise<unknown>): Promise<MalError> {
  const error = await call.then(
    () => null,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(MalError);
  return error as MalError;
}

const TESTED = rows({ consumer: 'our consumer', provider: "ESA's provider" });

for (const row of TESTED)
  describe.skipIf(missing !== null)(
    `${titleOf(row)}${missing === null ? '' : ` (${missing})`}`,
    triesWith(row.transport),
    () => suite(row),
  );

function suite({ transport, encoding, mode }: Row): void {
  const isHttp = transport === 'malhttp';
  const progress = (title: string, run: () => Promise<void>) =>
    isHttp ? it.skip(`${title} (${ESA_LOSES})`, run) : it(title, run);
  let http: MalhttpClient | null = null;
  let port: number;
  let provider: JavaPeer;
  let session: Session;
  let retrieval: Consumer;
  let management: Consumer;
  let delivery: Consumer;
  let folder: string;

  const startProvider = async (): Promise<JavaPeer> => {
    const peer = await startPeer(
      'EsaProvider',
      [
        ...['--transport', transport, '--http-mode', esaMode(mode), '--port', String(port), '--encoding', encoding],
        ...['--limit', '20000', '--bulk', '10000:row:0'],
      ],
      ['done', 'error'],
    );
    await peer.waitFor((event) => event.event === 'ready');
    return peer;
  };

  setUpAfterFailures(
    async () => {
      folder = await mkdtemp(join(tmpdir(), 'mpd-interop-'));
      port = await freePort();
      provider = await startProvider();
      if (isHttp) http = await malhttpClient({ encoding: ENCODINGS[`binary-${encoding}`], mode: mode! });
      session = createSession({
        transport: http ?? maltcpClient({ encoding: ENCODINGS[`binary-${encoding}`] }),
        grammar: createGrammar(mpdRegistry),
        timeoutMs: isHttp ? 5000 : 20_000,
      });
      const root = `${transport}://127.0.0.1:${port}`;
      const common = { session, area: mpdArea };
      retrieval = createConsumer({ ...common, service: ProductRetrieval, uri: `${root}/ProductRetrieval` });
      management = createConsumer({ ...common, service: OrderManagement, uri: `${root}/OrderManagement` });
      delivery = createConsumer({
        ...common,
        service: ProductOrderDelivery,
        uri: `${root}/ProductOrderDelivery`,
        brokerUri: `${root}/ProductOrderDeliveryInternalBroker`,
      });
    },
    async () => {
      await session?.close();
      await http?.close();
      await provider?.stop();
      if (folder !== undefined) await rm(folder, { recursive: true, force: true });
    },
  );

  const list = async (filter: Partial<ProductFilter>, created: [string, string] | null = null): Promise<string[]> => {
    const creationDate = created === null ? null : { start: time(created[0]), end: time(created[1]) };
    const { metadatas } = await retrieval.request(listProducts, {
      productFilter: { ...NO_FILTER, ...filter },
      creationDate,
      contentDate: null,
    });
    return metadatas.map(({ productRef }) => `${productRef.key}:${productRef.version}`).sort();
  };
  const byAttribute = (filter: AttributeFilter, type: string): Promise<string[]> =>
    list({ productType: type, attributeFilter: [filter] });
  const get = async (refs: readonly ObjectRef[]): Promise<Product[]> => {
    const { updates, response } = await retrieval.progress(getProducts, { productRefs: refs });
    const products: Product[] = [];
    for await (const { product } of updates) products.push(product);
    expect(await response).toEqual({});
    return products;
  };

  it('listProducts: by type, domain, source and time, 10 000 entries, with null fields and empty lists', async () => {
    expect(await list({ productType: 'dayImage' })).toEqual(['img-001:1', 'img-002:1', 'img-002:2']);
    expect(await list({ domain: ['peer', 'beta', '*'] })).toEqual(['dump-17:1', 'dump-18:1']);
    expect(await list({ sources: ['cam-east', 'ground-1'] })).toEqual(['dump-18:1', 'img-001:1']);
    expect(await list({ sources: [] })).toEqual([]);
    expect(await list({ productType: 'dayImage' }, ['2031-03-02T09:00:00Z', '2031-03-02T09:00:00Z'])).toEqual([
      'img-002:2',
    ]);
    expect(await list({ productType: 'row' })).toHaveLength(10_000);
  });

  it('listProducts: by ValueSet, ValueRange and StringPattern', async () => {
    const name = (text: string): { name: string; include: boolean } => ({ name: text, include: true });
    expect(
      await byAttribute(
        { type: 'ValueSet', ...name('subject'), values: [{ type: 'String', value: 'harbour' }] },
        'dayImage',
      ),
    ).toEqual(['img-001:1']);
    expect(
      await byAttribute(
        {
          type: 'ValueRange',
          ...name('lat'),
          minimum: { type: 'Double', value: 0 },
          maximum: { type: 'Double', value: 90 },
        },
        'dayImage',
      ),
    ).toEqual(['img-001:1']);
    expect(await byAttribute({ type: 'StringPattern', ...name('subject'), regex: 'gla.*' }, 'dayImage')).toEqual([
      'img-002:1',
      'img-002:2',
    ]);
  });

  it('listProducts: shows every field and attribute type as it was', async () => {
    const { metadatas } = await retrieval.request(listProducts, {
      productFilter: { ...NO_FILTER, productType: 'everything' },
      creationDate: null,
      contentDate: null,
    });
    expect(metadatas).toEqual([
      {
        productType: { name: 'everything', description: 'é世', attributeDefs: [] },
        productRef: ref('peer.alpha', 'every field/é世', 4294967295),
        creationDate: 1_000_000n,
        source: 's',
        externalURI: 'https://example.invalid/every',
        contentDate: { start: -1_000_000n, end: time('2038-01-19T03:14:08Z') },
        attributes: [
          { name: 'blob', value: { type: 'Blob', value: new Uint8Array([0, 1, 2, 255]) } },
          { name: 'boolean', value: { type: 'Boolean', value: true } },
          { name: 'duration', value: { type: 'Duration', value: 1_500_000_000n } },
          { name: 'float', value: { type: 'Float', value: 0.25 } },
          { name: 'double', value: { type: 'Double', value: -1e300 } },
          { name: 'identifier', value: { type: 'Identifier', value: 'id' } },
          { name: 'octet', value: { type: 'Octet', value: -128 } },
          { name: 'uoctet', value: { type: 'UOctet', value: 255 } },
          { name: 'short', value: { type: 'Short', value: -32768 } },
          { name: 'ushort', value: { type: 'UShort', value: 65535 } },
          { name: 'integer', value: { type: 'Integer', value: -2147483648 } },
          { name: 'uinteger', value: { type: 'UInteger', value: 4294967295 } },
          { name: 'long', value: { type: 'Long', value: -(2n ** 63n) } },
          { name: 'ulong', value: { type: 'ULong', value: 2n ** 64n - 1n } },
          { name: 'string', value: { type: 'String', value: 'é世' } },
          { name: 'time', value: { type: 'Time', value: time('2031-03-01T05:00:00.123Z') } },
          { name: 'finetime', value: { type: 'FineTime', value: 1930107600123456789n } },
          { name: 'uri', value: { type: 'URI', value: 'https://example.invalid/a?b=c' } },
          { name: 'objectref', value: { type: 'ObjectRef', value: ref('peer.alpha', 'img-001') } },
          { name: 'nothing', value: null },
        ],
        description: 'every field set',
        fileMetadata: {
          updateDate: time('2031-03-01T05:00:00.123Z'),
          mime: 'application/octet-stream',
          fileSize: 4n,
        },
        checksum: new Uint8Array([1, 2, 3, 4]),
      },
    ]);
  });

  it('listProducts: Invalid and Too Many with the numbers and extra information of the standard', async () => {
    const reversed = await failure(list({}, ['2031-03-02T00:00:00Z', '2031-03-01T00:00:00Z']));
    expect([reversed.number, typeof reversed.extraInformation]).toEqual([1, 'string']);
    await provider.command('limit 5');
    const many = await failure(list({ productType: 'row' }));
    expect([many.number, typeof many.extraInformation]).toEqual([5, 'string']);
    await provider.command('limit 20000');
  });

  it('getProducts, deliverProductFiles: unknown references by their indexes, Delivery Failed; before anything is sent', async () => {
    const refs = [ref('peer.alpha', 'nope'), ref('peer.beta', 'dump-17'), ref('x', 'y')];
    expect(await failure(get(refs))).toMatchObject({ number: 4, extraInformation: [0, 2] });
    const deliver = (productRefs: readonly ObjectRef[], deliverTo: string): Promise<MalError> =>
      failure(retrieval.progress(deliverProductFiles, { productRefs, deliverTo }));
    expect(await deliver(refs, `file://${folder}`)).toMatchObject({ number: 4, extraInformation: [0, 2] });
    expect((await deliver([ref('peer.alpha', 'img-001')], `file://${folder}/absent`)).number).toBe(2);
  });

  progress('getProducts: small, empty, 300 kB, 1 MiB and 32 MiB, in order, none', async () => {
    await provider.command(`put peer.alpha:mib:1 --type big --size ${1024 * 1024} --quiet`);
    await provider.command(`put peer.alpha:huge:1 --type big --size ${32 * 1024 * 1024} --quiet`);
    const products = await get([
      ref('peer.alpha', 'img-001'),
      ref('peer.beta.sub', 'dump-18'),
      ref('peer.alpha', 'large'),
      ref('peer.alpha', 'mib'),
      ref('peer.alpha', 'huge'),
      ref('peer.alpha', 'img-001'),
    ]);
    expect(products.map(({ productBody }) => productBody.length)).toEqual([9, 0, 300_000, 2 ** 20, 2 ** 25, 9]);
    expect(Buffer.from(products[0]!.productBody).toString()).toBe('image one');
    expect(products[0]!.objectIdentity).toEqual({ domain: ['peer', 'alpha'], key: 'img-001', version: 1 });
    expect(products[2]!.productBody.every((byte, i) => byte === ((i * 31 + (i >> 8)) & 0xff))).toBe(true);
    expect(await get([])).toEqual([]);
  });

  progress('deliverProductFiles: each file reported', async () => {
    const deliverTo = `file://${folder}`;
    const productRefs = [ref('peer.alpha', 'img-001'), ref('peer.beta', 'dump-17')];
    const { updates } = await retrieval.progress(deliverProductFiles, { productRefs, deliverTo });
    const files: unknown[] = [];
    for await (const { filename, success } of updates) files.push([filename, success]);
    expect(files).toEqual([
      ['img-001', true],
      ['dump-17', true],
    ]);
    expect(await readFile(join(folder, 'img-001'), 'utf8')).toBe('image one');
  });

  it('submitStandingOrder, listStandingOrders, cancelStandingOrder: kept and cancelled, with their errors', async () => {
    const { orderID } = await management.request(submitStandingOrder, { orderDetails: order({ comments: 'note' }) });
    expect(orderID).toBeGreaterThan(0n);
    const { standingOrders } = await management.request(listStandingOrders, { user: 'jane', domain: null });
    expect(standingOrders).toEqual([order({ comments: 'note' })]);
    await management.submit(cancelStandingOrder, { orderID });
    const again = await failure(management.submit(cancelStandingOrder, { orderID }));
    expect(again).toMatchObject({ number: 4, extraInformation: orderID });
    const details = [
      [order({ deliverTo: 'file:///tmp' }), 1],
      [order({ deliveryMethod: 'FILETRANSFER' }), 1],
      [order({ deliveryMethod: 'FILETRANSFER', deliverTo: 'ftp://x' }), 3],
      [order({ validityPeriod: { start: 2_000_000n, end: 1_000_000n } }), 1],
    ] as const;
    for (const [orderDetails, number] of details) {
      expect((await failure(management.request(submitStandingOrder, { orderDetails }))).number).toBe(number);
    }
  });

  it('deliverProducts, notifyProductDelivery: by user, also after a restart, until deregistered', async () => {
    const states: string[] = [];
    const fileStates: string[] = [];
    const filters = [{ name: 'user', values: [{ type: 'Identifier', value: 'jane' } as const] }];
    const products = await delivery.subscribe(deliverProducts, { filters }, { onState: (state) => states.push(state) });
    const files = await delivery.subscribe(
      notifyProductDelivery,
      { subscriptionId: 'files' },
      { onState: (state) => fileStates.push(state) },
    );
    const orders = async (): Promise<void> => {
      for (const orderDetails of [
        order(),
        order({ user: 'john' }),
        order({
          productFilter: { ...NO_FILTER, productType: 'filed' },
          deliveryMethod: 'FILETRANSFER',
          deliverTo: `file://${folder}`,
        }),
      ])
        await management.request(submitStandingOrder, { orderDetails });
    };
    await orders();
    const next = async <K, N>(iterator: AsyncIterator<Update<K, N>>): Promise<Update<K, N>> => {
      const result = await iterator.next();
      expect(result.done).toBe(false);
      return result.value;
    };
    await (await delivery.subscribe(deliverProducts, {})).close();
    const productUpdates = products[Symbol.asyncIterator]();
    const fileUpdates = files[Symbol.asyncIterator]();
    const before = Date.now();
    await provider.command('put peer.alpha:new-1:1 --type fresh --text hello --attr n=Integer:5');
    const update = await next(productUpdates);
    if (!isHttp) expect(Date.now() - before).toBeLessThan(500);
    expect(update).toMatchObject({
      source: 'source',
      domain: ['peer', 'alpha'],
      keys: { user: 'jane', orderID: null },
    });
    expect(Buffer.from(update.body.product.productBody).toString()).toBe('hello');
    expect(update.body.product.productMetadata.attributes).toEqual([
      { name: 'n', value: { type: 'Integer', value: 5 } },
    ]);
    await provider.command('put peer.alpha:filed-1:1 --type filed --text file');
    expect((await next(fileUpdates)).body).toMatchObject({
      filename: 'filed-1',
      deliveredTo: `file://${folder}`,
      success: true,
    });

    // ESA's malhttp takes messages that come together for one another: there one subscription stays, and orders come after it.
    if (isHttp) await files.close();
    const registered = states.length;
    await provider.stop();
    const pending = await failure(management.request(listStandingOrders, { user: null, domain: null }));
    expect(isMalError(pending, 'Destination Transient') || isMalError(pending, 'Destination Lost')).toBe(true);
    const now = (): string[] => (isHttp ? [states] : [states, fileStates]).map((each) => each.at(-1) ?? '');
    await expect.poll(() => new Set(now()), WAIT).toEqual(new Set(['lost']));
    provider = await startProvider();
    await expect.poll(() => new Set(now()), WAIT).toEqual(new Set(['registered']));
    await orders();
    expect(states[0]).toBe('registered');
    expect(states.slice(registered)).toContain('lost');
    await provider.command('put peer.alpha:new-2:1 --type fresh --text again');
    expect((await next(productUpdates)).body.product.objectIdentity.key).toBe('new-2');

    await products.close();
    expect(await productUpdates.next()).toEqual({ done: true, value: undefined });
    if (!isHttp) await files.close();
  });
}
