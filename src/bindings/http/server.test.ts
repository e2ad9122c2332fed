import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { request } from 'node:https';
import { type AddressInfo, connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fakeGateway, product } from '../../../test/http/fake-gateway.js';
import { json, raw, serve } from '../../../test/http/serve.js';
import { connectHttp } from '../../client/index.js';
import { MpdError } from '../../mpd/index.js';

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

describe('faults of ours', () => {
  it('tell the caller nothing but the request id, and the log everything but the key', async () => {
    const gateway = fakeGateway();
    gateway.catalogue.types = async () => {
      throw new TypeError('secret detail of the inside');
    };
    const { fetch, logs } = await serve(gateway);
    const response = await fetch('/api/v1/types', { headers: { 'X-Request-Id': 'trace-1' } });
    const text = await response.text();
    expect(response.status).toBe(500);
    expect(text).not.toContain('secret detail');
    expect(JSON.parse(text)).toMatchObject({ code: 'Internal', class: 'fatal', requestId: 'trace-1' });
    const failed = logs()
      .split('\n')
      .filter((line) => line.includes('secret detail'));
    expect(failed).toHaveLength(1);
    expect(JSON.parse(failed[0]!)).toMatchObject({ requestId: 'trace-1', level: 50 });
    expect(logs()).not.toContain('ops-key');
  });

  it('keep keys and signatures out of the log', async () => {
    const { fetch, logs } = await serve(fakeGateway(), { publicUrl: 'https://x', linkSecret: 's'.repeat(32) });
    await fetch('/api/v1/types', { key: 'mpd_guessed-secret' });
    await fetch('/dl/local/1/a?as=ops&expires=1&sig=signature-secret', { key: null });
    expect(logs()).toContain('/dl/local/1/a');
    expect(logs()).not.toMatch(/guessed-secret|signature-secret/);
  });

  it('a request id that could forge a log line is replaced', async () => {
    const { fetch } = await serve(fakeGateway());
    const given = 'x'.repeat(100);
    expect((await fetch('/healthz', { headers: { 'X-Request-Id': given } })).headers.get('x-request-id')).toMatch(
      /^[\da-f-]{36}$/,
    );
  });
});

describe('browsers', () => {
  it('get headers that keep pages from running, framing or guessing', async () => {
    const { fetch } = await serve(fakeGateway());
    const { headers } = await fetch('/api/v1/types');
    expect(Object.fromEntries(headers)).toMatchObject({
      'x-content-type-options': 'nosniff',
      'x-frame-options': 'DENY',
      'referrer-policy': 'no-referrer',
      'cache-control': 'no-store',
      'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
    });
    expect(headers.has('x-powered-by')).toBe(false);
    expect(headers.has('access-control-allow-origin')).toBe(false);
  });

  it('of a configured origin may call, others not', async () => {
    const { fetch } = await serve(fakeGateway(), { corsOrigins: ['https://console.example'] });
    const preflight = (Origin: string) =>
      fetch('/api/v1/orders', {
        method: 'OPTIONS',
        key: null,
        headers: { Origin, 'Access-Control-Request-Method': 'POST' },
      });
    const allowed = await preflight('https://console.example');
    expect([allowed.status, allowed.headers.get('access-control-allow-origin')]).toEqual([
      204,
      'https://console.example',
    ]);
    expect(allowed.headers.get('access-control-allow-headers')).toContain('Last-Event-ID');
    const other = await preflight('https://evil.example');
    expect([other.status, other.headers.get('access-control-allow-origin'), other.headers.get('vary')]).toEqual([
      204,
      null,
      'Origin',
    ]);
  });
});

describe('health', () => {
  it('is 503 with each reason when not ready, without a key', async () => {
    const gateway = fakeGateway();
    const { fetch } = await serve(gateway);
    expect((await fetch('/readyz', { key: null })).status).toBe(200);
    gateway.health = async () => ({
      ready: false,
      parts: [{ kind: 'backend', id: 'solo', ok: false, reason: 'no route; start it' }],
    });
    const response = await fetch('/readyz', { key: null });
    expect([response.status, await response.json()]).toEqual([
      503,
      { ready: false, parts: [{ kind: 'backend', id: 'solo', ok: false, reason: 'no route; start it' }] },
    ]);
    expect(await (await fetch('/healthz', { key: null })).json()).toEqual({ status: 'alive' });
  });

  it('metrics count requests by route, for operators', async () => {
    const { fetch } = await serve(fakeGateway([product('a', 'x')]));
    await fetch('/api/v1/products/local/1/a');
    await fetch('/api/v1/products/local/1/none');
    const text = await (await fetch('/metrics')).text();
    expect(text).toContain('mpd_http_requests_total{route="/api/v1/products/{ref+}",method="GET",status="200"} 1');
    expect(text).toContain('mpd_http_requests_total{route="/api/v1/products/{ref+}",method="GET",status="404"} 1');
    const open = await serve(fakeGateway(), { openMetrics: true });
    expect((await open.fetch('/metrics', { key: null })).status).toBe(200);
  });
});

describe('a listener', () => {
  it('says that its port is in use', async () => {
    const { port } = await serve(fakeGateway());
    await expect(serve(fakeGateway(), { port })).rejects.toMatchObject({
      code: 'Invalid',
      field: 'listen.http.port',
      message: expect.stringContaining(`port ${port} on 127.0.0.1 is in use`),
    });
  });

  it('says that its host is not here', async () => {
    await expect(serve(fakeGateway(), { host: '192.0.2.1' })).rejects.toMatchObject({ field: 'listen.http.host' });
  });

  it('says that its certificate is none', async () => {
    await expect(serve(fakeGateway(), { tls: { cert: 'x', key: 'y' } })).rejects.toMatchObject({
      code: 'Invalid',
      field: 'listen.http.tls',
    });
  });
});

describe('TLS', () => {
  const folder = mkdtempSync(join(tmpdir(), 'mpd-tls-'));
  const [cert, key] = [join(folder, 'cert.pem'), join(folder, 'key.pem')];
  beforeAll(() => {
    execFileSync(
      'openssl',
      [
        'req',
        '-x509',
        '-newkey',
        'rsa:2048',
        '-nodes',
        '-days',
        '2',
        '-subj',
        '/CN=localhost',
        '-addext',
        'subjectAltName=IP:127.0.0.1',
        '-keyout',
        key,
        '-out',
        cert,
      ],
      { stdio: 'ignore' },
    );
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it('is spoken when configured', async () => {
    const { url } = await serve(fakeGateway(), { tls: { cert: readFileSync(cert), key: readFileSync(key) } });
    expect(url).toMatch(/^https:/);
    const call = request(`${url}/healthz`, { ca: readFileSync(cert) }).end();
    const [response] = await once(call, 'response');
    expect(response.statusCode).toBe(200);
    expect(response.headers['strict-transport-security']).toBe('max-age=31536000');
    response.resume();
    const trusting = connectHttp(url, { key: 'ops-key', ca: readFileSync(cert, 'utf8') });
    expect(await trusting.types()).toHaveLength(2);
    await trusting.close();
    const wary = connectHttp(url, { key: 'ops-key' });
    await expect(wary.types()).rejects.toMatchObject({
      class: 'target-down',
      message: expect.stringContaining('self-signed'),
    });
    await wary.close();
  });
});

/** Types that are answered only when told to. */
function slowTypes(gateway: ReturnType<typeof fakeGateway>) {
  let finish = (): void => undefined;
  let ask = (): void => undefined;
  const asked = new Promise<void>((resolve) => (ask = resolve));
  gateway.catalogue.types = () => {
    ask();
    return new Promise((resolve) => (finish = () => resolve([])));
  };
  return { asked, finish: () => finish() };
}

describe('a graceful stop', () => {
  it('lets a request under way end, refuses new ones and closes idle connections', async () => {
    const gateway = fakeGateway();
    const { asked, finish } = slowTypes(gateway);
    const { fetch, binding, port } = await serve(gateway);
    const idle = connect(port, '127.0.0.1');
    idle.on('error', () => undefined);
    await once(idle, 'connect');
    const slow = fetch('/api/v1/types');
    await asked;
    const closing = binding.close();
    await expect(fetch('/healthz')).rejects.toThrow();
    finish();
    expect(await (await slow).json()).toEqual({ types: [] });
    await closing;
  });

  it('refuses a further request on a connection that is still busy', async () => {
    const gateway = fakeGateway();
    const { asked, finish } = slowTypes(gateway);
    const { binding, port, logs } = await serve(gateway);
    const get = 'GET /api/v1/types HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ops-key\r\n\r\n';
    const socket = connect(port, '127.0.0.1', () => socket.write(get));
    let received = '';
    socket.on('data', (chunk) => (received += chunk));
    const closed = once(socket, 'close');
    await asked;
    const closing = binding.close();
    socket.write(get);
    while (!logs().includes('"code":"Shutdown"')) await sleep(10);
    finish();
    await Promise.all([closing, closed]);
    expect(received).toMatch(/^HTTP\/1.1 200 [\s\S]*HTTP\/1.1 503 [\s\S]*"code":"Shutdown"/);
  });

  it('ends a listing with the cursor to go on from, and a long poll empty', async () => {
    const gateway = fakeGateway();
    const entry = product('x', 'x');
    gateway.catalogue.listAll = async function* () {
      for (let i = 1; ; i++) {
        yield { entry, cursor: String(i) };
        await sleep(5);
      }
    };
    const pull = gateway.deliveries.pull;
    const polled = new Promise<void>((resolve) => {
      gateway.deliveries.pull = (...args) => {
        resolve();
        return pull(...args);
      };
    });
    const { fetch, binding } = await serve(gateway, { limits: { drainMs: 30_000 } });
    const poll = fetch('/api/v1/orders/1/pull?wait=60');
    const listing = await fetch('/api/v1/products', { headers: { Accept: 'application/x-ndjson' } });
    await polled;
    await binding.close();
    const last = JSON.parse((await listing.text()).trim().split('\n').at(-1)!);
    expect(last.end).toMatchObject({ complete: false, error: { code: 'Shutdown' } });
    expect(Number(last.end.next)).toBe(last.end.count);
    expect(await (await poll).json()).toEqual({ products: [] });
  });

  it('cuts what does not end in time, without a clean end', async () => {
    const gateway = fakeGateway([product('a.pkt', 'x'.repeat(1000))]);
    gateway.body = (entry) => ({
      revision: entry.revision,
      size: 1000,
      claim: null,
      stream: (async function* () {
        yield new Uint8Array(10);
        await new Promise(() => undefined);
      })(),
    });
    const { fetch, binding } = await serve(gateway, { limits: { drainMs: 200 } });
    const response = await fetch('/api/v1/bodies/local/1/a.pkt');
    const body = response.arrayBuffer();
    const cut = expect(body).rejects.toThrow();
    await binding.close();
    await cut;
  });
});

describe('deliver', () => {
  it('reports each file as it arrives and then the end; a fault in between is told', async () => {
    const gateway = fakeGateway();
    const { metadata } = product('a.pkt', 'x');
    const at = 1_767_225_600_000_000_000n;
    const delivery = {
      id: 1n,
      orderID: 7n,
      ref: metadata.productRef,
      revision: 'r',
      round: 1,
      state: 'notified' as const,
      cause: null,
      errorClass: null,
      filename: 'a.pkt',
      location: 'file:///x/a.pkt',
      bytes: 1n,
      checksum: null,
      sourceCheck: 'ok' as const,
      targetCheck: 'verified' as const,
      attempts: 1,
      published: 0,
      nextAttemptAt: null,
      createdAt: at,
      updatedAt: at,
    }; // prettier-ignore
    let fail = false;
    gateway.deliveries.deliverFiles = async () => ({
      orderID: 7n,
      files: (async function* () {
        yield { index: 0, metadata, filename: 'a.pkt', success: true, delivery };
        if (fail) throw new MpdError('Internal', { class: 'fatal', message: 'the database went away' });
      })(),
    });
    const { fetch } = await serve(gateway);
    const call = async () =>
      (
        await (
          await fetch('/api/v1/products:deliver', json({ productRefs: [metadata.productRef], deliverTo: 'file:///x' }))
        ).text()
      )
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line));
    const [accepted, file, end] = await call();
    expect(accepted).toEqual({ accepted: { orderID: 7, files: 1 } });
    expect(file).toMatchObject({ index: 0, filename: 'a.pkt', success: true, delivery: { targetCheck: 'verified' } });
    expect(end).toEqual({ end: { complete: true, count: 1, next: null } });
    fail = true;
    expect((await call()).at(-1)).toEqual({
      end: { complete: false, count: 1, next: null, error: { code: 'Internal', detail: 'the database went away' } },
    });
  });
});

it('a port that another program holds is free again after close', async () => {
  const other = createServer().listen(0, '127.0.0.1');
  await once(other, 'listening');
  const { port } = other.address() as AddressInfo;
  await expect(serve(fakeGateway(), { port })).rejects.toMatchObject({ code: 'Invalid' });
  other.close();
  await once(other, 'close');
  const { binding } = await serve(fakeGateway(), { port });
  await binding.close();
  expect((await serve(fakeGateway(), { port })).port).toBe(port);
});
