import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { connectHttp, type HttpClient, type ListedProduct } from '../../src/client/index.js';
import { CDS_16_32_16, encodePacket, encodeTimeCode } from '../../src/formats/space-packet/index.js';
import type { FilterTree } from '../../src/mpd/filter/index.js';
import { isMpdError, type ProductFilter } from '../../src/mpd/index.js';
import { type TestGateway, testGateway } from '../gateway.js';

/** Concepts of the published tables, each as a consumer meets it over HTTP with an archive behind the gateway. */

let gateway: TestGateway;
const clients: HttpClient[] = [];

const connect = async (principal: string, to: TestGateway = gateway): Promise<HttpClient> => {
  const client = connectHttp(to.urls.http!, { key: await to.key(principal) });
  clients.push(client);
  return client;
};

const SECOND = 1_000_000_000n;
const T0 = BigInt(Date.UTC(2026, 0, 1)) * 1_000_000n;

/** Telemetry of one process: a packet a second. */
function telemetry(apid: number, start: bigint, packets: number): Buffer {
  const all = Array.from({ length: packets }, (_, n) => {
    const data = Buffer.concat([encodeTimeCode(CDS_16_32_16, start + BigInt(n) * SECOND), Buffer.alloc(8, n)]);
    return encodePacket({ type: 'TM', apid, sequenceCount: n, secondaryHeader: true, data });
  });
  return Buffer.concat(all);
}

function publish(path: string, bytes: Uint8Array | string): void {
  const file = join(gateway.products, path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(`${file}.tmp`, bytes);
  renameSync(`${file}.tmp`, file);
}

const collect = async <T>(items: AsyncIterable<T>): Promise<T[]> => {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
};
const keysOf = (listed: readonly ListedProduct[]) => listed.map(({ metadata }) => metadata.productRef.key).sort();
const listed = async (client: HttpClient, query: { productFilter?: ProductFilter; tree?: FilterTree } = {}) =>
  keysOf(await collect(client.listProducts(query)));

const filter = (over: Partial<ProductFilter>): ProductFilter => ({
  productType: null,
  domain: null,
  sources: null,
  attributeFilter: null,
  ...over,
});

const order = {
  user: null,
  productFilter: null,
  validityPeriod: null,
  deliveryMethod: 'SERVICE_COMPLETE',
  deliverTo: null,
  comments: null,
} as const;

beforeAll(async () => {
  gateway = await testGateway({
    config: {
      access: {
        principals: [
          { id: 'operator', role: 'operator' },
          { id: 'alice' },
          { id: 'public', policy: { pathPrefix: 'public/' } },
        ],
      },
    },
  });
  publish('tm/low.ccsds', telemetry(100, T0, 10));
  publish('tm/high.ccsds', telemetry(900, T0 + 100n * SECOND, 20));
  publish('public/notes/plan.txt', 'the plan');
  publish('public/readme.txt', 'read me');
  publish('public/readme.txt.json', JSON.stringify({ source: 'planning', description: 'What to read first' }));
  const client = await connect('alice');
  await vi.waitFor(async () => expect(await listed(client)).toHaveLength(5), { timeout: 30_000, interval: 50 });
});
afterAll(async () => {
  for (const client of clients) await client.close();
  await gateway?.close();
});

it('product types are listed with the attributes that their products carry', async () => {
  const client = await connect('alice');
  const types = new Map((await client.types()).map((type) => [type.name, type]));
  for (const { metadata } of await collect(client.listProducts())) {
    const declared = types.get(metadata.productType.name);
    expect(declared).toEqual(metadata.productType);
    const defs = new Map(declared?.attributeDefs?.map(({ name, attributeType }) => [name, attributeType]));
    expect(metadata.attributes?.length).toBeGreaterThan(3);
    for (const { name, value } of metadata.attributes!) expect(defs.get(name)).toBe(value!.type.toUpperCase());
  }
  expect(types.get('TelemetryPackets')?.attributeDefs).toContainEqual(
    expect.objectContaining({ name: 'apid', attributeType: 'USHORT' }),
  );
});

it('metadata tells times, size, checksum, source and what the packets inside hold', async () => {
  const client = await connect('alice');
  const all = await collect(client.listProducts());
  const of = (key: string) => all.find(({ metadata }) => metadata.productRef.key === key)!.metadata;
  const high = of('tm/high.ccsds');
  expect(high.contentDate).toEqual({ start: T0 + 100n * SECOND, end: T0 + 119n * SECOND });
  expect(high.fileMetadata?.fileSize).toBe(BigInt(telemetry(900, T0, 20).length));
  expect(high.checksum).toHaveLength(32);
  expect(high.attributes).toContainEqual({ name: 'packets', value: { type: 'Long', value: 20n } });
  expect(of('public/readme.txt')).toMatchObject({ source: 'planning', description: 'What to read first' });
});

it('a filter on type, attributes, source and times finds exactly what was asked for', async () => {
  const client = await connect('alice');
  const apid = { type: 'ValueRange', name: 'apid', include: true } as const;
  const above = { ...apid, minimum: { type: 'UShort', value: 500 }, maximum: null } as const;
  expect(await listed(client, { productFilter: filter({ productType: 'TelemetryPackets' }) })).toEqual([
    'tm/high.ccsds',
    'tm/low.ccsds',
  ]);
  expect(await listed(client, { productFilter: filter({ attributeFilter: [above] }) })).toEqual(['tm/high.ccsds']);
  expect(await listed(client, { productFilter: filter({ attributeFilter: [{ ...above, include: false }] }) })).toEqual([
    'tm/low.ccsds',
  ]);
  expect(await listed(client, { productFilter: filter({ sources: ['planning'] }) })).toEqual(['public/readme.txt']);
  const name = { type: 'StringPattern', name: 'name', include: true, regex: '^pl.*txt$' } as const;
  expect(await listed(client, { productFilter: filter({ attributeFilter: [name] }) })).toEqual([
    'public/notes/plan.txt',
  ]);
  const content = { start: T0, end: T0 + 50n * SECOND };
  expect(keysOf(await collect(client.listProducts({ content })))).toEqual(['tm/low.ccsds']);
});

it('one search takes several product types and Boolean conditions', async () => {
  const client = await connect('alice');
  const tree: FilterTree = {
    any: [
      { filter: filter({ productType: 'TelemetryPackets', attributeFilter: null }) },
      {
        all: [{ productTypes: ['File', 'Label'] }, { pathPrefix: 'public/' }, { not: { pathPrefix: 'public/notes/' } }],
      },
    ],
  };
  expect(await listed(client, { tree })).toEqual([
    'public/readme.txt',
    'public/readme.txt.json',
    'tm/high.ccsds',
    'tm/low.ccsds',
  ]);
});

it('folders are browsed level by level', async () => {
  const client = await connect('alice');
  const top = await client.folders('');
  expect([top.folders, keysOf(top.products)]).toEqual([['public', 'tm'], []]);
  const inside = await client.folders('public');
  expect([inside.folders, keysOf(inside.products)]).toEqual([
    ['notes'],
    ['public/readme.txt', 'public/readme.txt.json'],
  ]);
});

it('a policy on paths hides what lies elsewhere: in lists, folders, metadata and bodies', async () => {
  const [alice, stranger] = [await connect('alice'), await connect('public')];
  expect(await listed(stranger)).toEqual(['public/notes/plan.txt', 'public/readme.txt', 'public/readme.txt.json']);
  expect((await stranger.folders('')).folders).toEqual(['public']);
  const [hidden] = await collect(alice.listProducts({ tree: { pathPrefix: 'tm/' } }));
  const ref = hidden!.metadata.productRef;
  await expect(stranger.getMetadata(ref)).rejects.toSatisfy((error) => isMpdError(error, 'Unknown'));
  await expect(stranger.getProduct(ref)).rejects.toSatisfy((error) => isMpdError(error, 'Unknown'));
});

it('a service order hands out whole products, in order, until they are acknowledged', async () => {
  const client = await connect('alice');
  const { orderID } = await client.submitOrder({ ...order, tree: { pathPrefix: 'service/' } });
  publish('service/1.ccsds', telemetry(7, T0, 3));
  const [pulled] = await client.pull(orderID, { waitMs: 30_000 });
  const { metadata, revision } = pulled!.product;
  const body = await client.getProduct(metadata.productRef, { revision });
  expect(Buffer.concat(await collect(body.stream))).toEqual(telemetry(7, T0, 3));
  await client.acknowledge(orderID, pulled!.position);
  expect(await client.pull(orderID)).toEqual([]);
});

it('files are laid out in the folder that the order names, by its template', async () => {
  const client = await connect('alice');
  mkdirSync(join(gateway.delivered, 'mine'), { recursive: true });
  const { orderID } = await client.submitOrder({
    ...order,
    tree: { pathPrefix: 'laid/' },
    deliveryMethod: 'FILETRANSFER',
    deliverTo: `file://${gateway.delivered}/mine`,
    pathTemplate: '{productType}/{folder}',
  });
  publish('laid/out/a.ccsds', telemetry(8, T0, 2));
  await expect.poll(async () => (await client.missing(orderID)).delivered, { timeout: 30_000 }).toBe(1);
  const place = join(gateway.delivered, 'mine/TelemetryPackets/laid/out/a.ccsds');
  expect(readFileSync(place)).toEqual(telemetry(8, T0, 2));
});

it('an order belongs to the provider: another gateway on the same store goes on with it', async () => {
  const client = await connect('alice');
  const { orderID } = await client.submitOrder({ ...order, tree: { pathPrefix: 'kept/' }, comments: 'keep it' });
  const other = await testGateway({ share: gateway });
  try {
    const there = await connect('alice', other);
    const orders = await there.listStandingOrders();
    expect(orders.find((one) => one.orderID === orderID)).toMatchObject({ user: 'alice', comments: 'keep it' });
    publish('kept/a.txt', 'kept');
    const [pulled] = await there.pull(orderID, { waitMs: 30_000 });
    expect(pulled?.product.metadata.productRef.key).toBe('kept/a.txt');
  } finally {
    await other.close();
  }
});
