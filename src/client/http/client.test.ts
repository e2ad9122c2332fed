import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import { chunks, type FakeGateway, fakeGateway, product } from '../../../test/http/fake-gateway.js';
import { serve } from '../../../test/http/serve.js';
import { MpdError, unknown } from '../../mpd/index.js';
import { connect } from '../index.js';
import type { EventItem, HttpClient, HttpClientOptions } from './client.js';
import { connectHttp } from './index.js';

async function clientOf(
  gateway: FakeGateway,
  options: HttpClientOptions = {},
  config: Parameters<typeof serve>[1] = {},
) {
  const served = await serve(gateway, config, { checksums: () => 'sha-256' });
  const client = connectHttp(served.url, { key: 'ops-key', ...options });
  onTestFinished(() => client.close());
  return { client, served };
}

/** A server that is no gateway. */
async function stranger(listener: RequestListener): Promise<string> {
  const server = createServer(listener).listen(0, '127.0.0.1');
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  await once(server, 'listening');
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const all = async <T>(items: AsyncIterable<T>): Promise<T[]> => {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
};
const read = async (stream: AsyncIterable<Uint8Array>): Promise<Buffer> => Buffer.concat(await all(stream));
const sha = (bytes: Uint8Array) => new Uint8Array(createHash('sha256').update(bytes).digest());
const refused = async (work: Promise<unknown>): Promise<MpdError> => {
  const error = await work.then(
    () => new Error('nothing was refused'),
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(MpdError);
  return error as MpdError;
};

describe('products', () => {
  it('are listed over all pages with their exact values', async () => {
    const entries = Array.from({ length: 7 }, (_, i) =>
      product(`p ${i}`, 'x', { source: `s${i % 2}`, checksum: new Uint8Array([i]) }),
    );
    const { client } = await clientOf(fakeGateway(entries));
    const listed = await all(client.listProducts({}, { pageSize: 3 }));
    expect(listed).toEqual(
      entries.map(({ metadata, revision, updatedAt, path, fileName }) => ({
        metadata,
        revision,
        updatedAt,
        path,
        fileName,
      })),
    );
    const filter = { productType: null, domain: null, sources: ['s1'], attributeFilter: null };
    expect(
      (await all(client.listProducts({ productFilter: filter }))).map(({ metadata }) => metadata.productRef.key),
    ).toEqual(['p 1', 'p 3', 'p 5']);
    expect(await client.getMetadata(entries[0]!.metadata.productRef)).toEqual(listed[0]);
    expect((await client.types()).map(({ name }) => name)).toEqual(['TelemetryPackets', 'OrbitFile']);
    expect(await client.folders('a')).toMatchObject({
      path: 'a',
      folders: ['a', 'b c'],
      products: [{}, {}, {}, {}, {}, {}, {}],
    });
  });
});

describe('a body', () => {
  const bytes = new Uint8Array(randomBytes(500_000));
  const entry = product('dir/a.pkt', bytes, { checksum: sha(bytes) });
  const { productRef } = entry.metadata;

  it('arrives whole, checked, or from an offset', async () => {
    const { client } = await clientOf(fakeGateway([entry]));
    const body = await client.getProduct(productRef);
    expect(body).toMatchObject({ size: 500_000, revision: entry.revision, fileName: 'a.pkt', sha256: sha(bytes) });
    expect((await read(body.stream)).equals(bytes)).toBe(true);
    const rest = await client.getProduct(productRef, { offset: 499_990 });
    expect((await read(rest.stream)).equals(bytes.subarray(499_990))).toBe(true);
    expect(await read((await client.getProduct(productRef, { offset: 500_000 })).stream)).toHaveLength(0);
    expect((await refused(client.getProduct(productRef, { offset: 500_001 }))).field).toBe('offset');
  });

  /** Bodies break off after so many bytes each, until all is through. */
  function breaking(gateway: FakeGateway, piece: number) {
    const offsets: number[] = [];
    gateway.body = (found, offset) => {
      offsets.push(offset);
      return {
        revision: found.revision,
        size: bytes.byteLength,
        claim: null,
        stream: (async function* () {
          yield* chunks(bytes.subarray(offset, offset + piece), 10_000);
          if (offset + piece < bytes.byteLength) throw new Error('lost');
        })(),
      };
    };
    return offsets;
  }

  it('goes on where the connection was lost', async () => {
    const gateway = fakeGateway([entry]);
    const offsets = breaking(gateway, 200_000);
    const { client } = await clientOf(gateway);
    expect((await read((await client.getProduct(productRef)).stream)).equals(bytes)).toBe(true);
    expect(offsets[0]).toBe(0);
    expect(offsets.length).toBeGreaterThan(2);
    expect([...offsets].sort((a, b) => a - b)).toEqual(offsets);
  });

  it('is never mixed with other content: when it changes meanwhile the stream fails', async () => {
    const gateway = fakeGateway([entry]);
    breaking(gateway, 200_000);
    const { client } = await clientOf(gateway);
    const { stream } = await client.getProduct(productRef);
    const reader = stream[Symbol.asyncIterator]();
    await reader.next();
    gateway.entries[0] = { ...entry, revision: 'other' };
    const drained = (async () => {
      while (!(await reader.next()).done);
    })();
    expect(await refused(drained)).toMatchObject({ code: 'Unknown', class: 'refuse' });
    expect(await refused(client.getProduct(productRef, { offset: 100, revision: entry.revision }))).toMatchObject({
      code: 'Unknown',
    });
  });

  it('that does not have its SHA-256 fails at the end', async () => {
    const { client } = await clientOf(
      fakeGateway([{ ...entry, metadata: { ...entry.metadata, checksum: sha(new Uint8Array(1)) } }]),
    );
    expect(await refused(read((await client.getProduct(productRef)).stream))).toMatchObject({
      code: 'Delivery Failed',
    });
  });

  it('gives up after so many losses in a row', async () => {
    const gateway = fakeGateway([entry]);
    const offsets = breaking(gateway, 0);
    const { client } = await clientOf(gateway, { retries: 1 });
    const whole = async () => read((await client.getProduct(productRef)).stream);
    expect(await refused(whole())).toMatchObject({ code: 'Destination Lost', class: 'retry' });
    expect(offsets.length).toBeLessThanOrEqual(4);
  });

  it('whose reader leaves lets the source go', async () => {
    const gateway = fakeGateway([entry]);
    let gone = false;
    gateway.body = (found, _offset, signal) => {
      signal.addEventListener('abort', () => (gone = true));
      const stream = (async function* () {
        for (;;) {
          yield new Uint8Array(1000);
          await new Promise(setImmediate);
        }
      })();
      return { revision: found.revision, size: null, claim: null, stream };
    };
    const { client } = await clientOf(gateway);
    for await (const _ of (await client.getProduct(productRef)).stream) break;
    while (!gone) await new Promise((resolve) => setTimeout(resolve, 10));
  });
});

describe('orders', () => {
  it('go through their life with exact ids', async () => {
    const gateway = fakeGateway();
    const { client } = await clientOf(gateway);
    const request = {
      user: null,
      productFilter: null,
      validityPeriod: { start: 1n, end: 2n ** 62n },
      deliveryMethod: 'FILETRANSFER',
      deliverTo: 'file:///x',
      comments: 'ü',
    } as const;
    const tree = { any: [{ named: 'mine' }, { pathPrefix: 'a/' }] };
    const { orderID } = await client.submitOrder({
      ...request,
      tree,
      overwrite: true,
      backfill: { axis: 'content', from: null, to: 5n },
    });
    expect(orderID).toBe(1n);
    expect(gateway.submitted[0]).toEqual({
      ...request,
      tree,
      overwrite: true,
      backfill: { axis: 'content', from: null, to: 5n },
    });
    const standing = {
      orderID: null,
      user: 'ops',
      productFilter: null,
      validityPeriod: null,
      deliveryMethod: 'SERVICE_COMPLETE',
      deliverTo: null,
      comments: null,
    } as const;
    expect(await client.submitStandingOrder(standing)).toBe(2n);
    expect((await client.pauseOrder(1n, 'skip')).state).toBe('paused');
    expect((await client.resumeOrder(1n)).state).toBe('active');
    expect(await client.replayOrder(1n, { axis: 'available', from: 1n, to: null })).toEqual({ job: 1n });
    expect(await client.backfillOrder(1n, { axis: 'created', from: null, to: null })).toEqual({ job: 2n });
    expect(await client.listStandingOrders({ user: '*' })).toEqual([
      expect.objectContaining({ orderID: 1n }),
      { ...standing, orderID: 2n },
    ]);
    await client.cancelStandingOrder(1n);
    expect(await client.getOrder(1n)).toMatchObject({ state: 'cancelled', tree, history: [{ action: 'submitted' }] });
    expect(await client.redrive(1n, 'dead')).toBe(3);
    expect(await client.redrive(1n, [5n, 2n ** 60n])).toBe(2);
    expect(await client.missing(1n, { created: { start: 0n, end: 1n } })).toMatchObject({ orderID: 1n, missing: [] });
    expect(await client.pull(1n, { waitMs: 10 })).toEqual([]);
    await client.acknowledge(1n, 9n);
    expect(await all(client.listDeliveries(1n))).toEqual([]);
  });

  it('are listed over all pages', async () => {
    const { client } = await clientOf(fakeGateway());
    const order = {
      orderID: null,
      user: 'ops',
      productFilter: null,
      validityPeriod: null,
      deliveryMethod: 'SERVICE_COMPLETE',
      deliverTo: null,
      comments: null,
    } as const;
    for (let i = 0; i < 5; i++) await client.submitStandingOrder(order);
    expect((await all(client.listOrders({}, { pageSize: 2 }))).map(({ order: { orderID } }) => orderID)).toEqual([
      1n,
      2n,
      3n,
      4n,
      5n,
    ]);
  });
});

it('named filters keep their tree', async () => {
  const { client } = await clientOf(fakeGateway());
  const filter = { name: 'my filter', filter: { not: { domain: ['a', '*'] } }, description: null, shared: true };
  expect(await client.putFilter(filter)).toEqual({ ...filter, owner: 'ops' });
  expect(await client.getFilter('@ops/my filter')).toEqual({ ...filter, owner: 'ops' });
  expect(await client.listFilters()).toHaveLength(1);
  await client.removeFilter('my filter');
  expect((await refused(client.getFilter('my filter'))).code).toBe('Unknown');
});

it('services and health are told, also when the gateway is not ready', async () => {
  const gateway = fakeGateway();
  const { client } = await clientOf(gateway);
  expect(await client.services()).toMatchObject({ name: 'test-gateway', services: [{ binding: 'http' }] });
  const health = {
    ready: false,
    parts: [{ kind: 'target', id: 'sftp', ok: false, reason: 'host key changed' }],
  } as const;
  gateway.health = async () => health;
  expect(await client.health()).toEqual(health);
});

describe('deliverProductFiles', () => {
  it('rejects before the first file, and says when a report was cut', async () => {
    const gateway = fakeGateway();
    const { client, served } = await clientOf(gateway);
    const { metadata } = product('a', 'x');
    expect(await refused(client.deliverProductFiles([metadata.productRef], 'file:///x'))).toMatchObject({
      code: 'Delivery Failed',
      class: 'refuse',
      extraInformation: 'no such target',
    });
    gateway.deliveries.deliverFiles = async () => ({
      orderID: 7n,
      files: (async function* () {
        await new Promise(() => undefined);
      })(),
    });
    const { orderID, files } = await client.deliverProductFiles([metadata.productRef], 'file:///x');
    expect(orderID).toBe(7n);
    const end = refused(all(files));
    await served.binding.close();
    expect(await end).toMatchObject({ class: 'retry', message: expect.stringContaining('goes on as order 7') });
  });
});

describe('events', () => {
  async function take(items: AsyncIterator<EventItem>, count: number) {
    const found: EventItem[] = [];
    while (found.length < count) found.push((await items.next()).value);
    return found;
  }
  const cursors = (items: readonly EventItem[]) =>
    items.map((item) => (item.kind === 'event' ? item.event.cursor : item.kind));

  it('are followed over a restart of the gateway without loss, repetition or a word', async () => {
    const gateway = fakeGateway();
    for (let i = 0; i < 3; i++) gateway.publish({});
    const { client, served } = await clientOf(gateway);
    const events = client.events({ cursor: '1' })[Symbol.asyncIterator]();
    expect(cursors(await take(events, 2))).toEqual(['2', '3']);
    const pending = take(events, 2);
    await served.binding.close();
    gateway.publish({});
    gateway.publish({ orderID: 2n ** 60n });
    await serve(gateway, { port: served.port });
    const found = await pending;
    expect(cursors(found)).toEqual(['4', '5']);
    expect(found[1]).toMatchObject({ event: { orderID: 2n ** 60n } });
  });

  it('that nobody kept are a gap', async () => {
    const gateway = fakeGateway();
    for (let i = 0; i < 3; i++) gateway.publish({});
    gateway.floor = 2;
    const { client } = await clientOf(gateway);
    const events = client.events({ cursor: '0' })[Symbol.asyncIterator]();
    expect(cursors(await take(events, 1))).toEqual(['gap']);
    gateway.publish({});
    expect(cursors(await take(events, 1))).toEqual(['4']);
  });

  it('end with the signal and fail when the key is refused', async () => {
    const { client, served } = await clientOf(fakeGateway());
    const stop = new AbortController();
    const done = all(client.events({ signal: stop.signal }));
    setTimeout(() => stop.abort(), 50);
    expect(await done).toEqual([]);
    const wrong = connectHttp(served.url, { key: 'wrong' });
    expect(await refused(all(wrong.events()))).toMatchObject({ code: 'Authentication Failed' });
  });

  it('on a connection that fell silent are asked for again', async () => {
    let asked = 0;
    const url = await stranger((req, res) => {
      asked += 1;
      res.writeHead(200, { 'Content-Type': 'text/event-stream' });
      if (asked === 1) res.write('id: 41\n\n');
      else
        res.write(
          `: seen ${req.headers['last-event-id']}\nid: 42\nevent: gap\ndata: {"message":"${req.headers['last-event-id']}"}\n\n`,
        );
    });
    const client = connectHttp(url, { idleTimeoutMs: 200 });
    const events = client.events()[Symbol.asyncIterator]();
    expect((await events.next()).value).toEqual({ kind: 'gap', message: '41' });
    await events.return?.();
    await client.close();
  });
});

describe('errors', () => {
  it('come back as they were raised', async () => {
    const gateway = fakeGateway();
    const { client } = await clientOf(gateway);
    gateway.catalogue.get = async () => {
      throw unknown([0, 3], 'two are not there');
    };
    const ref = product('a', 'x').metadata.productRef;
    expect(await refused(client.getMetadata(ref))).toMatchObject({
      code: 'Unknown',
      class: 'refuse',
      message: 'two are not there',
      extraInformation: [0, 3],
    });
    const order = {
      user: null,
      productFilter: null,
      validityPeriod: null,
      deliveryMethod: 'CARRIER' as 'FILETRANSFER',
      deliverTo: null,
      comments: null,
    };
    expect(await refused(client.submitOrder(order))).toMatchObject({ code: 'Invalid', field: 'deliveryMethod' });
  });

  it('that pass are waited out for reads, as long as the server wishes', async () => {
    const gateway = fakeGateway();
    const { client } = await clientOf(gateway);
    let calls = 0;
    const types = gateway.catalogue.types;
    gateway.catalogue.types = async (principal) => {
      calls += 1;
      if (calls < 3) throw new MpdError('Delivery Delayed', { class: 'retryAfter', retryAfterMs: 10, message: 'busy' });
      return types(principal);
    };
    expect(await client.types()).toHaveLength(2);
    expect(calls).toBe(3);
  });

  it('never make it submit twice', async () => {
    const gateway = fakeGateway();
    let calls = 0;
    gateway.orders.submit = async () => {
      calls += 1;
      throw new MpdError('Delivery Delayed', { class: 'retry', message: 'busy' });
    };
    const { client } = await clientOf(gateway);
    const order = {
      user: null,
      productFilter: null,
      validityPeriod: null,
      deliveryMethod: 'FILETRANSFER',
      deliverTo: 'file:///x',
      comments: null,
    } as const;
    expect((await refused(client.submitOrder(order))).class).toBe('retry');
    expect(calls).toBe(1);
  });

  it('tell a server that is not there, or is no gateway', async () => {
    const gone = createServer().listen(0, '127.0.0.1');
    await once(gone, 'listening');
    const { port } = gone.address() as AddressInfo;
    gone.close();
    await once(gone, 'close');
    expect(await refused(connectHttp(`http://127.0.0.1:${port}`).types())).toMatchObject({
      code: 'Destination Unknown',
      class: 'target-down',
      message: expect.stringContaining(`127.0.0.1:${port}`),
    });
    const web = await stranger((_req, res) => res.writeHead(200, { 'Content-Type': 'text/html' }).end('<p>hello</p>'));
    expect(await refused(connectHttp(web).types())).toMatchObject({
      code: 'Bad Encoding',
      message: expect.stringContaining('not an answer of a gateway'),
    });
    const plain = await stranger((_req, res) => res.writeHead(404).end('nothing'));
    expect(await refused(connectHttp(plain).types())).toMatchObject({
      code: 'Unknown',
      message: expect.stringContaining('404'),
    });
  });

  it('include redirects: the key goes nowhere else', async () => {
    const seen: IncomingMessage[] = [];
    const other = await stranger((req, res) => {
      seen.push(req);
      res.end('{}');
    });
    const url = await stranger((_req, res) => res.writeHead(302, { Location: other }).end());
    expect(await refused(connectHttp(url, { key: 'secret' }).types())).toMatchObject({
      class: 'refuse',
      message: expect.stringContaining('302'),
    });
    expect(seen).toEqual([]);
  });

  it('include a server that says nothing', async () => {
    const url = await stranger(() => undefined);
    expect(await refused(connectHttp(url, { idleTimeoutMs: 100, retries: 0 }).types())).toMatchObject({
      code: 'Delivery Timedout',
      class: 'retry',
    });
  });

  it.each([
    ['before the answer', (): void => undefined],
    ['in the middle of it', (res: ServerResponse): unknown => res.write('{"types": [')],
  ])('end a call with the reason of its signal, %s', async (_when, answer) => {
    const url = await stranger((_req, res) => void answer(res));
    const stop = new AbortController();
    const reason = new Error('enough');
    setTimeout(() => stop.abort(reason), 30);
    await expect(connectHttp(url).types({ signal: stop.signal })).rejects.toBe(reason);
  });
});

describe('an address', () => {
  it.each(['gopher://host:1/x', 'ftp://host', 'host:8080', ''])('of another kind is refused: %j', (url) => {
    expect(() => connect(url)).toThrow('expected http://');
  });
  it.each(['http://user:pw@host', 'http://'])('that cannot be used is refused: %j', (url) => {
    expect(() => connectHttp(url)).toThrow(MpdError);
  });
  it.each([
    ['http://host:8080', 'http://host:8080/api/v1'],
    ['https://host/mpd/', 'https://host/mpd/api/v1'],
    ['http://host/api/v1/', 'http://host/api/v1'],
  ])('%s leads to %s', (url, base) => {
    expect((connect(url) as HttpClient).url).toBe(base);
  });
});
