import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { connect } from 'node:net';
import { describe, expect, it } from 'vitest';
import { chunks, fakeGateway, product } from '../../../test/http/fake-gateway.js';
import { raw, serve } from '../../../test/http/serve.js';
import type { Body } from '../../gateway/backend.js';
import { MpdError } from '../../mpd/index.js';
import { createLinks } from './links.js';

const PATH = '/api/v1/bodies/local/1/a.pkt';
const text = 'abcdefghij';

const rawGet = (path: string, headers = '') =>
  `GET ${path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ops-key\r\nConnection: close\r\n${headers}\r\n`;

describe('a body', () => {
  it('comes whole with its type, tag, name and no right to run in a browser', async () => {
    const entry = { ...product('dir/Größe "1".html', text), fileName: null };
    const metadata = { ...entry.metadata, fileMetadata: { ...entry.metadata.fileMetadata!, mime: 'text/html' } };
    const { fetch } = await serve(fakeGateway([{ ...entry, metadata }]));
    const response = await fetch('/api/v1/bodies/local/1/dir/Gr%C3%B6%C3%9Fe%20%221%22.html');
    expect(await response.text()).toBe(text);
    const headers = Object.fromEntries(response.headers);
    expect(headers).toMatchObject({
      'content-type': 'text/html',
      'content-length': '10',
      'accept-ranges': 'bytes',
      'content-disposition': `attachment; filename="Gr__e _1_.html"; filename*=UTF-8''Gr%C3%B6%C3%9Fe%20%221%22.html`,
      'content-security-policy': "sandbox; default-src 'none'",
      'x-content-type-options': 'nosniff',
    });
    expect(headers.etag).toMatch(/^"[\w-]+"$/);
  });

  it.each([
    'a/../b',
    '../../etc/passwd',
    './x',
    'a//b',
    '/lead',
    'trail/',
    ' ',
    '%2e%2e',
    '日本語/#?&=;+.bin',
    '~',
    'a\\b',
    '..',
  ])('has any key: %j', async (key) => {
    const { fetch } = await serve(fakeGateway([product(key, text)]));
    const list = (await (await fetch('/api/v1/products')).json()) as {
      products: { links: { self: string; body: string } }[];
    };
    const { self, body } = list.products[0]!.links;
    expect(await (await fetch(body)).text()).toBe(text);
    const metadata = (await (await fetch(self)).json()) as { metadata: { productRef: { key: string } } };
    expect(metadata.metadata.productRef.key).toBe(key);
  });

  it.each([
    ['bytes=0-3', 206, 'abcd', 'bytes 0-3/10'],
    ['bytes=5-', 206, 'fghij', 'bytes 5-9/10'],
    ['bytes=-2', 206, 'ij', 'bytes 8-9/10'],
    ['bytes=8-99', 206, 'ij', 'bytes 8-9/10'],
    ['bytes=0-1,4-5', 200, text, null],
  ])('in part: %s', async (range, status, expected, contentRange) => {
    const { fetch } = await serve(fakeGateway([product('a.pkt', text)]));
    const response = await fetch(PATH, { headers: { Range: range } });
    expect([response.status, await response.text(), response.headers.get('content-range')]).toEqual([
      status,
      expected,
      contentRange,
    ]);
    expect(response.headers.get('content-length')).toBe(String(expected.length));
  });

  it('with a media type that is none is plain bytes', async () => {
    const entry = product('a.pkt', text);
    const fileMetadata = { ...entry.metadata.fileMetadata!, mime: 'text/html\r\nX-Evil: 1' };
    const { fetch } = await serve(fakeGateway([{ ...entry, metadata: { ...entry.metadata, fileMetadata } }]));
    expect((await fetch(PATH)).headers.get('content-type')).toBe('application/octet-stream');
  });

  it('that is being changed may be asked for again', async () => {
    const gateway = fakeGateway([product('a.pkt', text)]);
    gateway.body = () => {
      throw new MpdError('Unknown', { class: 'retry', message: 'a.pkt is being changed' });
    };
    const { fetch } = await serve(gateway);
    const response = await fetch(PATH);
    expect([response.status, response.headers.has('retry-after')]).toEqual([503, true]);
  });

  it('outside its bytes is 416 with the size', async () => {
    const { fetch } = await serve(fakeGateway([product('a.pkt', text), product('empty', '')]));
    const response = await fetch(PATH, { headers: { Range: 'bytes=10-' } });
    expect([response.status, response.headers.get('content-range')]).toEqual([416, 'bytes */10']);
    expect(await response.json()).toMatchObject({ code: 'Invalid', field: 'Range' });
    const empty = await fetch('/api/v1/bodies/local/1/empty');
    expect([empty.status, await empty.text(), empty.headers.get('content-length')]).toEqual([200, '', '0']);
  });

  it('obeys If-Range, If-Match and If-None-Match', async () => {
    const { fetch } = await serve(fakeGateway([product('a.pkt', text)]));
    const etag = (await fetch(PATH, { method: 'HEAD' })).headers.get('etag')!;
    const part = await fetch(PATH, { headers: { Range: 'bytes=5-', 'If-Range': etag } });
    expect([part.status, await part.text()]).toEqual([206, 'fghij']);
    const other = await fetch(PATH, { headers: { Range: 'bytes=5-', 'If-Range': '"other"' } });
    expect([other.status, await other.text()]).toEqual([200, text]);
    const same = await fetch(PATH, { headers: { 'If-None-Match': `"x", W/${etag}` } });
    expect([same.status, await same.text(), same.headers.get('etag')]).toEqual([304, '', etag]);
    const changed = await fetch(PATH, { headers: { 'If-Match': '"x"' } });
    expect([changed.status, changed.headers.get('etag')]).toEqual([412, etag]);
    expect(await changed.json()).toMatchObject({ code: 'Unknown', class: 'refuse' });
  });

  it('answers HEAD without opening the body', async () => {
    const gateway = fakeGateway([product('a.pkt', text)]);
    let opened = 0;
    const body = gateway.body;
    gateway.body = (...args) => {
      opened += 1;
      return body(...args);
    };
    const { fetch } = await serve(gateway);
    const head = await fetch(PATH, { method: 'HEAD' });
    expect([head.status, head.headers.get('content-length'), await head.text(), opened]).toEqual([200, '10', '', 0]);
  });

  it('carries its SHA-256 where the domain declares that algorithm, and nothing where it does not', async () => {
    const sha = createHash('sha256').update(text).digest();
    const entry = product('a.pkt', text, { checksum: new Uint8Array(sha) });
    const told = await serve(
      fakeGateway([entry]),
      {},
      { checksums: (domain) => (domain[0] === 'local' ? 'sha-256' : null) },
    );
    expect((await told.fetch(PATH)).headers.get('repr-digest')).toBe(`sha-256=:${sha.toString('base64')}:`);
    for (const checksums of [() => 'md5' as const, () => null]) {
      const silent = await serve(fakeGateway([entry]), {}, { checksums });
      expect((await silent.fetch(PATH)).headers.get('repr-digest')).toBeNull();
    }
  });

  it('of unknown size is chunked; a range of it is the whole', async () => {
    const gateway = fakeGateway([product('a.pkt', text, { fileMetadata: null })]);
    gateway.body = (entry, offset): Body => ({
      revision: entry.revision,
      size: null,
      claim: null,
      stream: chunks(new TextEncoder().encode(text).subarray(offset), 3),
    });
    const { fetch } = await serve(gateway);
    const response = await fetch(PATH, { headers: { Range: 'bytes=5-' } });
    expect([response.status, response.headers.get('content-length'), await response.text()]).toEqual([200, null, text]);
  });
});

describe('a body that cannot be sent to its end', () => {
  const faulty = (stream: () => AsyncGenerator<Uint8Array>, size: number | null) => {
    const gateway = fakeGateway([product('a.pkt', 'x'.repeat(300_000), size === null ? { fileMetadata: null } : {})]);
    gateway.body = (entry) => ({ revision: entry.revision, size, claim: null, stream: stream() });
    return gateway;
  };
  async function* broken(error: Error | null): AsyncGenerator<Uint8Array> {
    yield new Uint8Array(100_000).fill(120);
    await new Promise((resolve) => setTimeout(resolve, 20));
    if (error !== null) throw error;
  }
  const changed = new MpdError('Unknown', { class: 'refuse', message: 'superseded' });

  it.each([
    ['changed in the middle, size known', () => broken(changed), 300_000],
    ['changed in the middle, size unknown', () => broken(changed), null],
    ['ended early', () => broken(null), 300_000],
  ])('%s: the transfer never ends cleanly', async (_what, stream, size) => {
    const { port, fetch } = await serve(faulty(stream, size));
    const { received } = await raw(port, rawGet(PATH));
    expect(received).toMatch(/^HTTP\/1.1 200 OK/);
    expect(received).toContain('x'.repeat(50_000));
    expect(received).not.toMatch(/\r\n0\r\n\r\n$/);
    const response = await fetch(PATH);
    await expect(response.arrayBuffer()).rejects.toThrow();
  });

  it('sends no byte more than it promised', async () => {
    async function* longer(): AsyncGenerator<Uint8Array> {
      yield new Uint8Array(400_000).fill(120);
    }
    const { fetch } = await serve(faulty(longer, 300_000));
    expect((await (await fetch(PATH)).arrayBuffer()).byteLength).toBe(300_000);
  });

  it('is a problem as usual before the first byte', async () => {
    const gateway = fakeGateway([product('a.pkt', text)]);
    gateway.body = () => {
      throw new MpdError('Delivery Delayed', {
        class: 'retryAfter',
        retryAfterMs: 7000,
        message: 'the store says slow down',
      });
    };
    const { fetch } = await serve(gateway);
    const response = await fetch(PATH);
    expect([response.status, response.headers.get('retry-after'), response.headers.get('content-disposition')]).toEqual(
      [503, '7', null],
    );
    expect(await response.json()).toMatchObject({ code: 'Delivery Delayed', retryAfterMs: 7000 });
  });
});

/** Endless zeros that tell how many were taken and whether the reader was let go. */
function endless() {
  const seen = { bytes: 0, returned: false, aborted: false };
  const gateway = fakeGateway([product('a.pkt', text, { fileMetadata: null })]);
  gateway.body = (entry, _offset, signal) => ({
    revision: entry.revision,
    size: null,
    claim: null,
    stream: (async function* () {
      signal.addEventListener('abort', () => (seen.aborted = true));
      try {
        for (;;) {
          seen.bytes += 65_536;
          yield new Uint8Array(65_536);
          await new Promise(setImmediate);
        }
      } finally {
        seen.returned = true;
      }
    })(),
  });
  return { gateway, seen };
}

const until = async (condition: () => boolean): Promise<void> => {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 10));
};

describe('a reader', () => {
  it('that does not read stops the source, and then loses its connection', async () => {
    const { gateway, seen } = endless();
    const { port } = await serve(gateway, { limits: { stallMs: 300 } });
    const socket = connect(port, '127.0.0.1', () => socket.write(rawGet(PATH)));
    await once(socket, 'readable');
    socket.pause();
    await until(() => seen.returned);
    expect(seen.bytes).toBeLessThan(64 * 1024 * 1024);
    socket.destroy();
  });

  it('that leaves stops the source', async () => {
    const { gateway, seen } = endless();
    const { port } = await serve(gateway);
    const socket = connect(port, '127.0.0.1', () => socket.write(rawGet(PATH)));
    await once(socket, 'data');
    expect(seen.returned).toBe(false);
    socket.destroy();
    await until(() => seen.returned && seen.aborted);
  });
});

describe('a signed link', () => {
  const secret = 's'.repeat(32);
  it('needs no key, and holds as long as its principal does', async () => {
    const gateway = fakeGateway([product('a b.pkt', text)]);
    const { fetch } = await serve(gateway, { publicUrl: 'https://mpd.example.int', linkSecret: secret });
    const list = (await (await fetch('/api/v1/products', { key: 'partner-key' })).json()) as {
      products: { metadata: { externalURI: string } }[];
    };
    const link = new URL(list.products[0]!.metadata.externalURI);
    expect(link.origin).toBe('https://mpd.example.int');
    const follow = () => fetch(link.pathname + link.search, { key: null, headers: { Range: 'bytes=2-3' } });
    const response = await follow();
    expect([response.status, await response.text()]).toEqual([206, 'cd']);
    gateway.keys.delete('partner-key');
    expect((await follow()).status).toBe(403);
  });

  it('expires', async () => {
    const entry = product('a.pkt', text);
    const past = createLinks({ publicUrl: 'https://x', secret, lifetimeSeconds: 1, clock: () => 1_000_000_000n });
    const { fetch } = await serve(fakeGateway([entry]), { publicUrl: 'https://x', linkSecret: secret });
    const link = new URL(past.signed(entry.metadata.productRef, 'ops')!);
    const response = await fetch(link.pathname + link.search, { key: null });
    expect([response.status, await response.json()]).toEqual([
      403,
      expect.objectContaining({ detail: 'the link has expired; list the product again' }),
    ]);
  });
});
