import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { OpenOptions } from '../../src/gateway/backend.js';
import { encodeJson } from '../../src/mal/index.js';
import { isMpdError, type MpdError, ProductMetadata, tooMany } from '../../src/mpd/index.js';
import { createGuard, type Guard } from '../../src/net/guard.js';
import { product } from '../../test/interop/products.js';
import { entryOf, type ProductRow, remoteOf } from './entry.js';
import { type LinkReader, linkReader } from './link.js';
import { openProduct } from './open.js';

const bytes = new Uint8Array(700_000).map((_, i) => (i * 31) >>> 3);
const sha256 = createHash('sha256').update(bytes).digest();
const ETAG = '"one"';

/** A provider that has the body behind links which are good for a number of requests each. */
describe('a product by its link', () => {
  let server: Server;
  let guard: Guard;
  let links: LinkReader;
  let root: string;
  let requests: { readonly url: string; readonly range: string | undefined; readonly match: string | undefined }[];
  /** Number of the link that is good now. */
  let good: number;
  let answer: (request: IncomingMessage, response: ServerResponse, count: number) => void;

  const serve = (from: number, response: ServerResponse, headers: Record<string, string> = {}): void => {
    const part = bytes.subarray(from);
    response.writeHead(from > 0 ? 206 : 200, {
      etag: ETAG,
      'accept-ranges': 'bytes',
      'content-length': part.length,
      ...(from > 0 && { 'content-range': `bytes ${from}-${bytes.length - 1}/${bytes.length}` }),
      ...headers,
    });
    response.end(part);
  };
  const fromOf = ({ headers }: IncomingMessage): number => Number(/\d+/.exec(headers.range ?? '0')![0]);

  beforeEach(async () => {
    requests = [];
    good = 1;
    answer = (request, response) => serve(fromOf(request), response);
    server = createServer((request, response) => {
      const { url = '', headers } = request;
      requests.push({ url, range: headers.range, match: headers['if-match'] });
      if (url.startsWith('/a?') && url !== `/a?sig=${good}`) response.writeHead(403).end('expired');
      else answer(request, response, requests.length);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    root = `http://127.0.0.1:${(server.address() as { port: number }).port}`;
    guard = createGuard({ allow: [] });
    links = linkReader({ url: 'maltcp://127.0.0.1:1', links: [], timeout: 2000 }, guard);
  });
  afterEach(async () => {
    links.close();
    guard.close();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });

  const metadata = (uri: string | null, over: Partial<ProductMetadata> = {}): ProductMetadata => ({
    ...product('a').productMetadata,
    externalURI: uri,
    fileMetadata: { updateDate: 0n, mime: 'application/octet-stream', fileSize: BigInt(bytes.length) },
    checksum: sha256,
    ...over,
  });
  const rowOf = (given: ProductMetadata): ProductRow => {
    const remote = remoteOf(given, [['test']])!;
    const { domain, key, version, revision, updatedNs } = remote;
    const row = { domain, key, version: BigInt(version), revision, updated_ns: updatedNs };
    return { ...row, metadata: encodeJson(ProductMetadata, given) } as unknown as ProductRow;
  };
  let asked: number;
  const service = (now: () => ProductMetadata | null, get?: () => Promise<never>) => {
    asked = 0;
    return {
      get: get ?? (() => Promise.reject(tooMany(1000, bytes.length))),
      current: async () => {
        asked++;
        return now();
      },
    };
  };
  const open = async (
    given: ProductMetadata,
    options: Partial<OpenOptions> = {},
    now: () => ProductMetadata | null = () => given,
    maxBody = 1000,
  ) =>
    openProduct({ service: service(now), links, maxBody }, rowOf(given), 'sha-256', {
      ...{ revision: null, offset: 0, signal: new AbortController().signal },
      ...options,
    });
  const read = async (body: Awaited<ReturnType<typeof open>>): Promise<Buffer> => {
    const chunks: Uint8Array[] = [];
    for await (const chunk of body.stream) chunks.push(chunk);
    return Buffer.concat(chunks);
  };
  const failure = async (call: Promise<unknown>): Promise<MpdError> => {
    const error = await call.then(
      () => null,
      (reason: unknown) => reason,
    );
    if (!isMpdError(error)) throw error ?? new Error('nothing failed');
    return error;
  };
  const signed = (n: number): string => `${root}/a?sig=${n}`;

  it('is read where it is too large for a message, or the provider says so', async () => {
    for (const maxBody of [1000, 10_000_000]) {
      const body = await open(metadata(signed(1)), {}, undefined, maxBody);
      expect(body.size).toBe(bytes.length);
      expect((await read(body)).equals(bytes)).toBe(true);
    }
    expect(asked).toBe(0);
    const none = await failure(open(metadata(null)));
    expect(none.code).toBe('Too Many');
    expect(none.message).toContain('gives no link');
  });

  it('is asked for anew once when the link is over', async () => {
    good = 2;
    expect((await read(await open(metadata(signed(1)), {}, () => metadata(signed(2))))).equals(bytes)).toBe(true);
    expect(asked).toBe(1);
    good = 9;
    const still = await failure(open(metadata(signed(1)), {}, () => metadata(signed(2))));
    expect([still.class, asked]).toEqual(['retry', 1]);
    expect(still.message).not.toContain('sig=');
    const gone = await failure(open(metadata(signed(1)), {}, () => null));
    expect([gone.code, gone.class]).toEqual(['Unknown', 'refuse']);
    const other = () => metadata(signed(9), { checksum: new Uint8Array(32) });
    expect((await failure(open(metadata(signed(1)), {}, other))).code).toBe('Unknown');
  });

  it('begins at an offset, with a server that has ranges and with one that has none', async () => {
    const offset = 650_001;
    expect((await read(await open(metadata(signed(1)), { offset }))).equals(bytes.subarray(offset))).toBe(true);
    expect(requests.at(-1)!.range).toBe(`bytes=${offset}-`);
    expect(await read(await open(metadata(signed(1)), { offset: bytes.length - 1 }))).toHaveLength(1);
    answer = (_request, response) => serve(0, response, { 'accept-ranges': 'none' });
    expect((await read(await open(metadata(signed(1)), { offset }))).equals(bytes.subarray(offset))).toBe(true);
    answer = (_request, response) => response.writeHead(416, { 'content-range': `bytes */${bytes.length}` }).end();
    expect(await read(await open(metadata(signed(1)), { offset: bytes.length }))).toHaveLength(0);
  });

  it('goes on where it broke off, with the same content only and by a new link where needed', async () => {
    answer = (request, response, count) => {
      if (count > 1) return serve(fromOf(request), response);
      response.writeHead(200, { etag: ETAG, 'accept-ranges': 'bytes', 'content-length': bytes.length });
      response.write(bytes.subarray(0, 300_000), () => response.destroy());
      good = 2;
    };
    const body = await open(metadata(signed(1)), {}, () => metadata(signed(2)));
    expect((await read(body)).equals(bytes)).toBe(true);
    const last = requests.at(-1)!;
    expect([last.url, last.match, asked]).toEqual(['/a?sig=2', ETAG, 1]);
    expect(Number(/\d+/.exec(last.range!)![0])).toBeGreaterThan(0);
  });

  it('never mixes two contents', async () => {
    answer = (request, response, count) => {
      if (count > 1) {
        if (request.headers['if-match'] === '"two"') serve(fromOf(request), response);
        else response.writeHead(412).end();
        return;
      }
      response.writeHead(200, { etag: ETAG, 'accept-ranges': 'bytes', 'content-length': bytes.length });
      response.write(bytes.subarray(0, 300_000), () => response.destroy());
    };
    const error = await failure(open(metadata(signed(1))).then(read));
    expect([error.code, error.class]).toEqual(['Unknown', 'refuse']);
  });

  it('fails when size or digest are not what the provider told', async () => {
    const small = metadata(signed(1), { fileMetadata: { updateDate: 0n, mime: 'a/b', fileSize: 5000n } });
    expect((await failure(open(small))).message).toContain('700000 bytes, not 5000');
    const other = metadata(signed(1), { checksum: new Uint8Array(32) });
    expect((await failure(open(other).then(read))).message).toContain('sha-256');
    answer = (_request, response) => {
      response.writeHead(200, { etag: ETAG });
      response.end(bytes.subarray(0, 100));
    };
    expect((await failure(open(metadata(signed(1))).then(read))).message).toContain('100 of 700000 bytes');
  });

  it('is refused at another host, and where a redirect leads to one', async () => {
    const elsewhere = metadata('http://169.254.169.254/latest?sig=1');
    expect((await failure(open(elsewhere))).class).toBe('refuse');
    answer = (_request, response) => response.writeHead(302, { location: 'http://169.254.169.254/latest' }).end();
    expect((await failure(open(metadata(signed(1))))).class).toBe('refuse');
    expect(requests).toHaveLength(1);
  });

  it('lets go of the connection when nobody reads', async () => {
    let closed: Promise<unknown> = Promise.resolve();
    answer = (_request, response) => {
      closed = new Promise((resolve) => response.on('close', resolve));
      response.writeHead(200, { etag: ETAG, 'content-length': bytes.length });
      response.write(bytes.subarray(0, 1000));
    };
    const body = await open(metadata(signed(1)));
    await body.stream[Symbol.asyncIterator]().return?.();
    await closed;
  });

  it('is not shown to consumers when it is signed: it would be over before the entry is', () => {
    const shown = (uri: string) => entryOf(rowOf(metadata(uri)), null).metadata.externalURI;
    expect(shown(signed(1))).toBeNull();
    expect(shown('https://example.int/products/a')).toBe('https://example.int/products/a');
  });
});
