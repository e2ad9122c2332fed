import { once } from 'node:events';
import { connect } from 'node:net';
import { describe, expect, it } from 'vitest';
import { fakeGateway, orbits, product } from '../../../test/http/fake-gateway.js';
import { json, serve } from '../../../test/http/serve.js';
import type { ProductQuery } from '../../gateway/api.js';
import { MpdError } from '../../mpd/index.js';

const NDJSON = { headers: { Accept: 'application/x-ndjson' } };
const many = (count: number) => Array.from({ length: count }, (_, i) => product(`p${i}`, 'x'));
interface Page {
  readonly products: readonly { readonly metadata: { readonly productRef: { readonly key: string } } }[];
  readonly next: string | null;
}
const keys = ({ products }: Page) => products.map(({ metadata }) => metadata.productRef.key);
const lines = async (response: Response) =>
  (await response.text())
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));

describe('a page', () => {
  it('leads to the next by cursor and by Link until the end', async () => {
    const { fetch } = await serve(fakeGateway(many(5)));
    const seen: string[] = [];
    let path: string | null = '/api/v1/products?type=TelemetryPackets&limit=2';
    while (path !== null) {
      const response: Response = await fetch(path);
      const page = (await response.json()) as Page;
      seen.push(...keys(page));
      const link = /^<([^>]+)>; rel="next"$/.exec(response.headers.get('link') ?? '')?.[1] ?? null;
      expect(link === null).toBe(page.next === null);
      if (link !== null) expect(new URL(link, 'http://x').searchParams.get('type')).toBe('TelemetryPackets');
      path = link;
    }
    expect(seen).toEqual(['p0', 'p1', 'p2', 'p3', 'p4']);
  });

  it('holds no more than a page may, whatever is asked', async () => {
    const { fetch } = await serve(fakeGateway(many(5)), { limits: { page: 2 } });
    expect(await (await fetch('/api/v1/products?limit=100')).json()).toMatchObject({ products: [{}, {}], next: '2' });
    expect(await (await fetch('/api/v1/products')).json()).toMatchObject({ products: [{}, {}], next: '2' });
  });

  it('passes every query parameter on as one filter', async () => {
    const gateway = fakeGateway([]);
    const queries: ProductQuery[] = [];
    const list = gateway.catalogue.list;
    gateway.catalogue.list = async (query, page, principal) => {
      queries.push(query);
      return list({ ...query, filter: null }, page, principal);
    };
    const { fetch } = await serve(gateway);
    const search =
      'type=TelemetryPackets&domain=esa.solo.*&source=a&source=b&attr.apid=1..2&attr.station=!~x&created=2026-01-01/P1D&content=../2026-01-02';
    expect((await fetch(`/api/v1/products?${search}&filter=@ops/mine`)).status).toBe(200);
    expect((await fetch('/api/v1/products?type=TelemetryPackets&type=OrbitFile')).status).toBe(200);
    expect((await fetch('/api/v1/products')).status).toBe(200);
    expect(queries[0]!.filter).toEqual({
      all: [
        {
          filter: {
            productType: 'TelemetryPackets',
            domain: ['esa', 'solo', '*'],
            sources: ['a', 'b'],
            attributeFilter: [
              {
                type: 'ValueRange',
                name: 'apid',
                include: true,
                minimum: { type: 'UInteger', value: 1 },
                maximum: { type: 'UInteger', value: 2 },
              },
              { type: 'StringPattern', name: 'station', include: false, regex: 'x' },
            ],
          },
        },
        { named: 'ops/mine' },
      ],
    });
    expect(queries[0]!.created).toEqual({ start: 1_767_225_600_000_000_000n, end: 1_767_312_000_000_000_000n });
    expect(queries[1]!.filter).toEqual({ productTypes: ['TelemetryPackets', 'OrbitFile'] });
    expect(queries[2]).toEqual({ filter: null, created: null, content: null });
  });

  it('by search takes a filter of the standard and a tree together', async () => {
    const { fetch } = await serve(
      fakeGateway([
        product('a', 'x'),
        product('b', 'x', { productType: orbits }),
        product('c', 'x', { source: 'other' }),
      ]),
    );
    const found = await fetch(
      '/api/v1/products:search',
      json({ productFilter: { sources: ['station-1'] }, tree: { not: { productTypes: ['OrbitFile'] } } }),
    );
    expect(keys((await found.json()) as Page)).toEqual(['a']);
    const all = await fetch('/api/v1/products:search', json({}));
    expect(keys((await all.json()) as Page)).toEqual(['a', 'b', 'c']);
  });
});

describe('a stream of lines', () => {
  it('holds every product and ends by saying that this was all', async () => {
    const { fetch } = await serve(fakeGateway(many(2500)));
    for (const response of [
      await fetch('/api/v1/products', NDJSON),
      await fetch('/api/v1/products:search', { ...json({}), headers: { ...json({}).headers, ...NDJSON.headers } }),
    ]) {
      expect(response.headers.get('content-type')).toBe('application/x-ndjson');
      const all = await lines(response);
      expect(all).toHaveLength(2501);
      expect(all.at(-1)).toEqual({ end: { complete: true, count: 2500, next: null } });
    }
  });

  it('is resumed by the cursor of an incomplete end', async () => {
    const gateway = fakeGateway(many(10));
    const { fetch } = await serve(gateway);
    const first = await lines(await fetch('/api/v1/products?limit=4', NDJSON));
    expect(first.at(-1)).toEqual({ end: { complete: false, count: 4, next: '4' } });
    const rest = await lines(await fetch('/api/v1/products?cursor=4', NDJSON));
    expect(rest.at(-1)).toEqual({ end: { complete: true, count: 6, next: null } });

    const listAll = gateway.catalogue.listAll;
    gateway.catalogue.listAll = async function* (...args) {
      let left = 3;
      for await (const item of listAll(...args)) {
        if (left-- === 0) throw new MpdError('Destination Lost', { class: 'retry', message: 'the index went away' });
        yield item;
      }
    };
    const broken = await lines(await fetch('/api/v1/products', NDJSON));
    expect(broken.at(-1)).toEqual({
      end: { complete: false, count: 3, next: '3', error: { code: 'Destination Lost', detail: 'the index went away' } },
    });
  });

  it('is a problem as usual when the first product cannot be had', async () => {
    const gateway = fakeGateway([]);
    // biome-ignore lint/correctness/useYield: it fails before its first product
    gateway.catalogue.listAll = async function* () {
      throw new MpdError('Destination Transient', { class: 'target-down', message: 'the index is down' });
    };
    const { fetch } = await serve(gateway);
    const response = await fetch('/api/v1/products', NDJSON);
    expect([response.status, await response.json()]).toEqual([502, expect.objectContaining({ class: 'target-down' })]);
  });

  it('takes from the source only what the reader takes', async () => {
    const gateway = fakeGateway([]);
    let yielded = 0;
    let returned = false;
    const entry = product('x'.repeat(1000), 'x');
    gateway.catalogue.listAll = async function* () {
      try {
        for (;;) yield { entry, cursor: String(++yielded) };
      } finally {
        returned = true;
      }
    };
    const { port } = await serve(gateway, { limits: { stallMs: 300 } });
    const socket = connect(port, '127.0.0.1', () =>
      socket.write(
        'GET /api/v1/products HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ops-key\r\nAccept: application/x-ndjson\r\n\r\n',
      ),
    );
    await once(socket, 'readable');
    socket.pause();
    while (!returned) await new Promise((resolve) => setTimeout(resolve, 10));
    expect(yielded).toBeLessThan(50_000);
    socket.destroy();
  });
});
