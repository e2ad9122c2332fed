import { describe, expect, it } from 'vitest';
import { fakeGateway, product } from '../../../test/http/fake-gateway.js';
import { raw, serve } from '../../../test/http/serve.js';

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

describe('limits', () => {
  it('count requests by principal, tell the wait, and leave others alone', async () => {
    const { fetch } = await serve(fakeGateway(), { limits: { requestsPerMinute: 3 } });
    for (let i = 0; i < 3; i++) expect((await fetch('/api/v1/types')).status).toBe(200);
    const refused = await fetch('/api/v1/types');
    expect(refused.status).toBe(429);
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
    expect(await refused.json()).toMatchObject({ code: 'Too Many', class: 'retryAfter' });
    expect((await fetch('/api/v1/types', { key: 'partner-key' })).status).toBe(200);
    expect((await fetch('/healthz', { key: null })).status).toBe(200);
  });

  it('stop an address that tries keys, before the next key is looked at', async () => {
    const gateway = fakeGateway();
    let looked = 0;
    const authenticate = gateway.access.authenticate;
    gateway.access.authenticate = (key) => {
      looked += 1;
      return authenticate(key);
    };
    const { fetch } = await serve(gateway, { limits: { failuresPerMinute: 3 } });
    for (let i = 0; i < 3; i++) expect((await fetch('/api/v1/types', { key: `guess-${i}` })).status).toBe(401);
    expect((await fetch('/api/v1/types', { key: 'guess-4' })).status).toBe(429);
    expect(looked).toBe(3);
  });

  it('bound the open streams of a principal and free a place when one ends', async () => {
    const { fetch } = await serve(fakeGateway(), { limits: { streams: 2 } });
    const open = async () => {
      const leave = new AbortController();
      const { status } = await fetch('/api/v1/events', {
        headers: { Accept: 'text/event-stream' },
        signal: leave.signal,
      });
      return { status, leave };
    };
    const [first, second, third] = [await open(), await open(), await open()];
    expect([first.status, second.status, third.status]).toEqual([200, 200, 429]);
    expect((await fetch('/api/v1/types')).status).toBe(200);
    first.leave.abort();
    let again = await open();
    while (again.status === 429) again = await open();
    expect(again.status).toBe(200);
    second.leave.abort();
    again.leave.abort();
  });

  it('bound headers and the time in which a request must arrive', async () => {
    const { port } = await serve(fakeGateway(), { limits: { headers: 2000, receiveMs: 300 } });
    const big = await raw(port, `GET /healthz HTTP/1.1\r\nHost: x\r\nX-Big: ${'x'.repeat(4000)}\r\n\r\n`);
    expect(big.received).toMatch(/^HTTP\/1.1 431 [\s\S]*application\/problem\+json[\s\S]*more than 2000 bytes/);
    const slow = await raw(port, 'GET /healthz HTTP/1.1\r\nHost: x\r\n');
    expect(slow.received).toMatch(/^HTTP\/1.1 408 [\s\S]*within 0.3 s/);
    const noise = await raw(port, 'SSH-2.0-x\r\n\r\n');
    expect(noise.received).toMatch(/^HTTP\/1.1 400 [\s\S]*not an HTTP request/);
  });

  it('bound the time for an answer', async () => {
    const gateway = fakeGateway();
    gateway.catalogue.types = () => new Promise(() => undefined);
    const { fetch } = await serve(gateway, { limits: { answerMs: 100 } });
    const response = await fetch('/api/v1/types');
    expect([response.status, await response.json()]).toEqual([
      504,
      expect.objectContaining({ code: 'Transaction Timeout', class: 'retry' }),
    ]);
  });

  it('bound the time for an answer also while the key is looked up', async () => {
    const gateway = fakeGateway();
    const authenticate = gateway.access.authenticate;
    gateway.access.authenticate = async (key) => {
      await sleep(300);
      return authenticate(key);
    };
    const { fetch } = await serve(gateway, { limits: { answerMs: 100 } });
    expect((await fetch('/api/v1/types')).status).toBe(504);
  });

  it('do not hold streams, long polls and event streams to the time for an answer', async () => {
    const gateway = fakeGateway([product('a.pkt', 'abc')]);
    gateway.body = (entry) => ({
      revision: entry.revision,
      size: 3,
      claim: null,
      stream: (async function* () {
        await sleep(300);
        yield new TextEncoder().encode('abc');
      })(),
    });
    const { fetch } = await serve(gateway, { limits: { answerMs: 100 } });
    const [body, pull] = await Promise.all([
      fetch('/api/v1/bodies/local/1/a.pkt'),
      fetch('/api/v1/orders/1/pull?wait=0.3'),
    ]);
    expect([await body.text(), pull.status]).toEqual(['abc', 200]);
  });

  it('answer HEAD of a stream at once', async () => {
    const { fetch } = await serve(fakeGateway([product('a.pkt', 'abc')]));
    for (const [path, type] of [
      ['/api/v1/events', 'text/event-stream'],
      ['/api/v1/products', 'application/x-ndjson'],
    ] as const) {
      const response = await fetch(path, { method: 'HEAD', headers: { Accept: type } });
      expect([response.status, response.headers.get('content-type'), await response.text()]).toEqual([
        200,
        expect.stringContaining(type),
        '',
      ]);
    }
  });

  it('count signed links with the principal they stand for', async () => {
    const gateway = fakeGateway([product('a.pkt', 'abc')]);
    const { fetch } = await serve(gateway, {
      publicUrl: 'http://x',
      linkSecret: 's'.repeat(32),
      limits: { requestsPerMinute: 2 },
    });
    const page = (await (await fetch('/api/v1/products')).json()) as {
      products: { metadata: { externalURI: string } }[];
    };
    const link = new URL(page.products[0]!.metadata.externalURI);
    const follow = () => fetch(link.pathname + link.search, { key: null });
    expect([(await follow()).status, (await follow()).status]).toEqual([200, 429]);
  });

  it('refuse a body over the limit also when its length is not announced', async () => {
    const { port } = await serve(fakeGateway(), { limits: { json: 1000 } });
    const chunk = `${(500).toString(16)}\r\n${' '.repeat(500)}\r\n`;
    const { received } = await raw(
      port,
      `POST /api/v1/products:search HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ops-key\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n${chunk.repeat(3)}0\r\n\r\n`,
    );
    expect(received).toMatch(/^HTTP\/1.1 413 [\s\S]*more than 1000 bytes/);
  });
});
