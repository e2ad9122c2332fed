import { createHash, randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { connectHttp, type EventItem, type HttpClient, type ListedProduct } from '../../src/client/index.js';
import { MpdError } from '../../src/mpd/index.js';
import { type TestGateway, testGateway } from '../gateway.js';

let gateway: TestGateway;
let url: string;
const clients: HttpClient[] = [];

async function as(principal: string): Promise<HttpClient> {
  const client = connectHttp(url, { key: await gateway.key(principal) });
  clients.push(client);
  return client;
}

function publish(path: string, bytes: Uint8Array | string): Buffer {
  const file = join(gateway.products, path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, bytes);
  return Buffer.from(bytes);
}

const all = async <T>(items: AsyncIterable<T>): Promise<T[]> => {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
};
const keysOf = (listed: readonly ListedProduct[]) => listed.map(({ metadata }) => metadata.productRef.key).sort();
const sha = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');
function target(folder: string): string {
  mkdirSync(join(gateway.delivered, folder), { recursive: true });
  return `file://${join(gateway.delivered, folder)}`;
}

async function until<T>(what: () => Promise<T | false | undefined | null>): Promise<T> {
  for (;;) {
    const found = await what();
    if (found !== false && found !== undefined && found !== null) return found;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
const listedOnce = (client: HttpClient, ...keys: string[]) =>
  until(async () => {
    const listed = await all(client.listProducts());
    return keys.every((key) => keysOf(listed).includes(key)) && listed;
  });
const refused = async (work: Promise<unknown>): Promise<MpdError> => {
  const error = await work.then(
    () => new Error('nothing was refused'),
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(MpdError);
  return error as MpdError;
};

beforeAll(async () => {
  gateway = await testGateway();
  url = gateway.urls.http!;
});
afterAll(async () => {
  for (const client of clients) await client.close();
  await gateway?.close();
});

const hard = ['plain.bin', 'a b/c#1?.txt', '100%/日本語.dat', "it's & <b>.html"];

it('products with hard names are listed, described, foldered and read to the byte', async () => {
  const client = await as('alice');
  const contents = new Map(hard.map((path) => [path, publish(path, randomBytes(10_000))]));
  await listedOnce(client, ...hard);
  const listed = await all(client.listProducts({}, { pageSize: 1 }));
  expect(keysOf(listed)).toEqual(expect.arrayContaining([...hard].sort()));
  for (const [path, bytes] of contents) {
    const { metadata } = listed.find((entry) => entry.metadata.productRef.key === path)!;
    expect((await client.getMetadata(metadata.productRef)).metadata).toEqual(metadata);
    const { stream, size, sha256 } = await client.getProduct(metadata.productRef);
    expect(Buffer.concat(await all(stream)).equals(bytes)).toBe(true);
    expect([size, Buffer.from(sha256!).toString('hex')]).toEqual([10_000, sha(bytes)]);
    const tail = await client.getProduct(metadata.productRef, { offset: 9_990 });
    expect(Buffer.concat(await all(tail.stream)).equals(bytes.subarray(9_990))).toBe(true);
  }
  const folder = await client.folders('a b');
  expect(keysOf(folder.products)).toEqual(['a b/c#1?.txt']);
});

it('a product that changes while it is read never ends as a whole', async () => {
  const client = await as('alice');
  publish('changing.bin', randomBytes(40_000_000));
  const listed = await listedOnce(client, 'changing.bin');
  const { productRef } = listed.find(({ metadata }) => metadata.productRef.key === 'changing.bin')!.metadata;
  const reader = (await client.getProduct(productRef)).stream[Symbol.asyncIterator]();
  expect((await reader.next()).done).toBe(false);
  publish('changing.bin', randomBytes(40_000_000));
  const rest = async () => {
    while (!(await reader.next()).done);
  };
  expect(await refused(rest())).toMatchObject({ code: 'Unknown', class: 'refuse' });
});

it('every product comes as a line, and the last line says so', async () => {
  const client = await as('alice');
  for (let i = 0; i < 20; i++) publish(`lines/${i}.bin`, 'x');
  await listedOnce(client, ...Array.from({ length: 20 }, (_, i) => `lines/${i}.bin`));
  const headers = { Authorization: `Bearer ${await gateway.key('alice')}`, Accept: 'application/x-ndjson' };
  const text = await (await fetch(`${url}/api/v1/products`, { headers })).text();
  const lines = text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  const paged = await all(client.listProducts({}, { pageSize: 7 }));
  expect(lines.at(-1)).toEqual({ end: { complete: true, count: paged.length, next: null } });
  const keys = lines.slice(0, -1).map((line) => line.metadata.productRef.key);
  expect(keys).toEqual(paged.map(({ metadata }) => metadata.productRef.key));
});

it('an order delivers what comes, tells it by events, and its ledger and proof agree', async () => {
  const client = await as('alice');
  const seen: EventItem[] = [];
  const stop = new AbortController();
  const following = (async () => {
    for await (const item of client.events({ signal: stop.signal, types: ['delivered'] })) seen.push(item);
  })();
  const { orderID } = await client.submitOrder({
    user: null,
    productFilter: null,
    tree: { pathPrefix: 'order/' },
    validityPeriod: null,
    deliveryMethod: 'FILETRANSFER',
    deliverTo: target('in'),
    comments: 'all of it',
  });
  expect(orderID).toBeGreaterThan(0n);
  const bytes = publish('order/new file.bin', randomBytes(50_000));
  publish('other/ignored.bin', 'x');
  const [row] = await until(async () => {
    const rows = await all(client.listDeliveries(orderID, { states: ['notified', 'verified'] }));
    return rows.length > 0 && rows;
  });
  expect(row).toMatchObject({ orderID, bytes: 50_000n, checksum: sha(bytes), targetCheck: 'verified', cause: null });
  const file = new URL(row!.location!);
  expect(readFileSync(file).equals(bytes)).toBe(true);
  expect((await client.getDelivery(row!.id)).log).toHaveLength(row!.attempts);
  const proof = await client.missing(orderID);
  expect(proof).toMatchObject({ orderID, held: 1, delivered: 1, missing: [], more: false });
  await until(async () => seen.some((item) => item.kind === 'event' && item.event.deliveryId === row!.id));
  stop.abort();
  await following;

  const detail = await client.getOrder(orderID);
  expect(detail).toMatchObject({ state: 'active', kind: 'standing', order: { user: 'alice', comments: 'all of it' } });
  expect(detail.history.length).toBeGreaterThan(0);
  expect((await client.pauseOrder(orderID, 'hold')).state).toBe('paused');
  publish('order/while paused.bin', 'later');
  await listedOnce(client, 'order/while paused.bin');
  expect((await client.resumeOrder(orderID)).state).toBe('active');
  await until(async () => (await client.missing(orderID)).delivered === 2);
  await client.cancelStandingOrder(orderID);
  expect((await client.getOrder(orderID)).state).toBe('cancelled');
});

it('a backfill brings what was there before, a replay brings it again', async () => {
  const client = await as('alice');
  publish('past/1.bin', 'one');
  await listedOnce(client, 'past/1.bin');
  const { orderID } = await client.submitOrder({
    user: null,
    productFilter: null,
    tree: { pathPrefix: 'past/' },
    validityPeriod: null,
    deliveryMethod: 'FILETRANSFER',
    deliverTo: target('past'),
    comments: null,
  });
  const window = { axis: 'created', from: null, to: null } as const;
  expect(await client.missing(orderID)).toMatchObject({
    held: 1,
    delivered: 0,
    missing: [{ ref: { key: 'past/1.bin' } }],
  });
  await client.backfillOrder(orderID, window);
  await until(async () => (await client.missing(orderID)).delivered === 1);
  const [before] = await all(client.listDeliveries(orderID));
  await client.replayOrder(orderID, window);
  await until(async () => {
    const [row] = await all(client.listDeliveries(orderID));
    return row!.round === before!.round + 1 && row!.state === before!.state;
  });
  expect((await client.getDelivery(before!.id)).log.map(({ round }) => round)).toEqual([
    before!.round,
    before!.round + 1,
  ]);
});

it('a service order is pulled, acknowledged, and not pulled again', async () => {
  const client = await as('alice');
  const { orderID } = await client.submitOrder({
    user: null,
    productFilter: null,
    tree: { pathPrefix: 'pull/' },
    validityPeriod: null,
    deliveryMethod: 'SERVICE_JUST_METADATA',
    deliverTo: null,
    comments: null,
  });
  const waiting = client.pull(orderID, { waitMs: 30_000 });
  publish('pull/a.bin', 'a');
  const [first] = await waiting;
  expect(first!.product.metadata.productRef.key).toBe('pull/a.bin');
  expect((await client.pull(orderID))[0]!.position).toBe(first!.position);
  await client.acknowledge(orderID, first!.position);
  expect(await client.pull(orderID)).toEqual([]);
});

it('deliverProductFiles reports each file and leaves it at the target', async () => {
  const client = await as('bob');
  const bytes = publish('batch/one.bin', randomBytes(2000));
  const listed = await listedOnce(client, 'batch/one.bin');
  const { metadata } = listed.find((entry) => entry.metadata.productRef.key === 'batch/one.bin')!;
  const { files, orderID } = await client.deliverProductFiles([metadata.productRef], target('batch'));
  const [file] = await all(files);
  expect(file).toMatchObject({ index: 0, success: true, cause: null, metadata: { productRef: metadata.productRef } });
  expect(readFileSync(join(gateway.delivered, 'batch', file!.filename)).equals(bytes)).toBe(true);
  expect(await client.listStandingOrders()).not.toContainEqual(expect.objectContaining({ orderID }));
  const nowhere = { ...metadata.productRef, key: 'none' };
  expect(await refused(client.deliverProductFiles([metadata.productRef, nowhere], target('batch')))).toMatchObject({
    code: 'Unknown',
    extraInformation: [1],
  });
  expect(await refused(client.deliverProductFiles([metadata.productRef], 'file:///etc'))).toMatchObject({
    code: 'Delivery Failed',
    class: 'refuse',
  });
});

it('nobody sees what is not theirs', async () => {
  const [alice, bob, nobody] = [await as('alice'), await as('bob'), await as('restricted')];
  publish('seen.bin', 'x');
  const listed = await listedOnce(alice, 'seen.bin');
  const { productRef } = listed.find(({ metadata }) => metadata.productRef.key === 'seen.bin')!.metadata;
  expect(await all(nobody.listProducts())).toEqual([]);
  expect(await refused(nobody.getMetadata(productRef))).toMatchObject({ code: 'Unknown' });
  expect(await refused(nobody.getProduct(productRef))).toMatchObject({ code: 'Unknown' });
  const order = {
    orderID: null,
    user: 'alice',
    productFilter: null,
    validityPeriod: null,
    deliveryMethod: 'SERVICE_COMPLETE',
    deliverTo: null,
    comments: null,
  } as const;
  const id = await alice.submitStandingOrder(order);
  const attempts = [
    () => bob.getOrder(id),
    () => bob.cancelStandingOrder(id),
    () => bob.pauseOrder(id),
    () => bob.pull(id),
    () => bob.missing(id),
    () => all(bob.listDeliveries(id)),
    () => bob.redrive(id, 'dead'),
  ];
  for (const attempt of attempts) expect(await refused(attempt())).toMatchObject({ code: 'Unknown' });
  expect((await bob.listStandingOrders({ user: '*' })).map(({ user }) => user)).not.toContain('alice');
  expect((await (await as('operator')).listStandingOrders({ user: '*' })).map(({ orderID }) => orderID)).toContain(id);
});

it('named filters serve lists and orders', async () => {
  const client = await as('alice');
  publish('named/x.bin', 'x');
  await listedOnce(client, 'named/x.bin');
  await client.putFilter({
    name: 'mine',
    filter: { pathPrefix: 'named/' },
    description: 'what is named',
    shared: false,
  });
  expect(keysOf(await all(client.listProducts({ tree: { named: 'mine' } })))).toEqual(['named/x.bin']);
  const response = await fetch(`${url}/api/v1/products?filter=@alice/mine`, {
    headers: { Authorization: `Bearer ${await gateway.key('alice')}` },
  });
  expect(((await response.json()) as { products: unknown[] }).products).toHaveLength(1);
  expect(await refused((await as('bob')).getFilter('alice/mine'))).toMatchObject({ code: 'Unknown' });
  await client.removeFilter('mine');
  expect(await refused(all(client.listProducts({ tree: { named: 'mine' } })))).toMatchObject({
    code: 'Invalid',
    message: expect.stringContaining('no filter named'),
  });
});

it('a revoked key ends at once', async () => {
  const { id, key } = await gateway.gateway.access.createKey('bob', {});
  const client = connectHttp(url, { key });
  clients.push(client);
  await client.types();
  await gateway.gateway.access.revokeKey(id);
  expect(await refused(client.types())).toMatchObject({ code: 'Authentication Failed' });
});

const base = {
  user: null,
  productFilter: null,
  validityPeriod: null,
  deliveryMethod: 'FILETRANSFER',
  deliverTo: null,
  comments: null,
} as const;
it.each([
  ['a target outside the allowed folders', { deliverTo: 'file:///etc/mpd' }, 'Order Failed', undefined],
  ['a path that climbs out', { deliverTo: 'inside:../../../etc' }, 'Order Failed', undefined],
  ['a scheme nobody speaks', { deliverTo: 'gopher://host/x' }, 'Order Failed', undefined],
  ['a folder that is not there', { deliverTo: 'inside:not/yet/there' }, 'Order Failed', undefined],
  ['no target at all', {}, 'Invalid', 'deliverTo'],
  [
    'a target of a service order',
    { deliveryMethod: 'SERVICE_COMPLETE', deliverTo: 'inside:x' },
    'Invalid',
    'deliverTo',
  ],
  [
    'a reversed validity',
    { deliverTo: 'inside:', validityPeriod: { start: 2n, end: 1n } },
    'Invalid',
    'validityPeriod',
  ],
  ['another user', { deliverTo: 'inside:', user: 'bob' }, 'Authorisation Fail', undefined],
] as const)('an order with %s is refused with its reason', async (_what, over, code, field) => {
  const client = await as('alice');
  const deliverTo = 'deliverTo' in over ? over.deliverTo.replace(/^inside:/, `file://${gateway.delivered}/`) : null;
  const error = await refused(client.submitOrder({ ...base, ...over, deliverTo }));
  expect({ code: error.code, field: error.field }).toEqual({ code, field });
  expect(error.message.length).toBeGreaterThan(10);
});

it('every part tells its health, and services tell where they are', async () => {
  const client = await as('operator');
  const health = await client.health();
  expect(health).toMatchObject({ ready: true });
  expect(health.parts.map(({ kind }) => kind)).toEqual(expect.arrayContaining(['store', 'backend', 'target']));
  for (const part of health.parts) expect(part.reason).not.toBe('');
  expect((await client.services()).services).toContainEqual(expect.objectContaining({ binding: 'http', uri: url }));
});
