import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { certificateFor } from '../../test/certificate.js';
import { guardedFetch } from './fetch.js';
import { createGuard, type Guard } from './guard.js';

type Handler = (request: IncomingMessage, response: ServerResponse) => void;

const routes = new Map<string, Handler>();
const seen: { url: string; method: string; headers: IncomingMessage['headers']; body: string }[] = [];
let server: Server;
let other: Server;
let base: string;
let elsewhere: string;
let guard: Guard;

const handle: Handler = async (request, response) => {
  let body = '';
  try {
    for await (const chunk of request) body += chunk;
  } catch {
    body = 'cut off';
  }
  seen.push({
    url: `http://${request.headers.host}${request.url}`,
    method: request.method!,
    headers: request.headers,
    body,
  });
  const handler = routes.get(request.url!);
  if (handler) handler(request, response);
  else response.end('plain');
};

const listen = async (made: Server) => {
  await new Promise<void>((resolve) => made.listen(0, '127.0.0.1', resolve));
  return (made.address() as AddressInfo).port;
};

beforeAll(async () => {
  server = createServer(handle);
  other = createServer(handle);
  base = `http://a.int:${await listen(server)}`;
  elsewhere = `http://b.int:${await listen(other)}`;
  guard = createGuard({
    allow: [
      { scheme: 'http', host: 'a.int' },
      { scheme: 'http', host: 'b.int' },
    ],
    resolve: async () => [{ address: '127.0.0.1', family: 4 }],
  });
});

afterAll(() => {
  guard.close();
  server.closeAllConnections();
  other.closeAllConnections();
  server.close();
  other.close();
});

beforeEach(() => {
  routes.clear();
  seen.length = 0;
});

const redirect =
  (status: number, location: string): Handler =>
  (_request, response) =>
    void response.writeHead(status, { location }).end('moved');

describe('guardedFetch', () => {
  it('sends method, headers and body, and streams the answer', async () => {
    const big = Buffer.alloc(3_000_000, 'x');
    routes.set('/big', (_request, response) => void response.writeHead(201, { 'x-answer': 'yes' }).end(big));
    const response = await guardedFetch(guard, `${base}/big`, {
      method: 'PUT',
      headers: { 'x-asked': 1 },
      body: 'text é',
    });
    expect(response).toMatchObject({ status: 201, headers: { 'x-answer': 'yes' } });
    let size = 0;
    for await (const chunk of response.body) size += chunk.length;
    expect(size).toBe(big.length);
    expect(seen).toMatchObject([{ method: 'PUT', body: 'text é', headers: { 'x-asked': '1', 'content-length': '7' } }]);
  });

  it('streams a request body, and gives the error of its source', async () => {
    const parts = async function* (fail: boolean) {
      yield Buffer.from('one ');
      if (fail) throw new Error('source broke');
      yield Buffer.from('two');
    };
    await (await guardedFetch(guard, `${base}/x`, { method: 'POST', body: parts(false) })).text();
    expect(seen[0]).toMatchObject({ body: 'one two', headers: { 'transfer-encoding': 'chunked' } });
    await expect(guardedFetch(guard, `${base}/x`, { method: 'POST', body: parts(true) })).rejects.toThrow(
      'source broke',
    );
  });

  it('refuses what the guard refuses, before any connection', async () => {
    await expect(guardedFetch(guard, base.replace('a.int', 'c.int'))).rejects.toMatchObject({ class: 'refuse' });
    await expect(guardedFetch(guard, base.replace('a.int', '127.0.0.1'))).rejects.toMatchObject({ class: 'refuse' });
    expect(seen).toEqual([]);
  });

  it('gives text up to a limit', async () => {
    expect(await (await guardedFetch(guard, `${base}/x`)).text()).toBe('plain');
    await expect((await guardedFetch(guard, `${base}/x`)).text(4)).rejects.toMatchObject({ class: 'refuse' });
  });
});

describe('redirects', () => {
  it('are answers like any other by default', async () => {
    routes.set('/r', redirect(302, `${elsewhere}/there`));
    const response = await guardedFetch(guard, `${base}/r`);
    expect(response).toMatchObject({ status: 302, headers: { location: `${elsewhere}/there` } });
    response.discard();
    expect(seen).toHaveLength(1);
  });

  it('keep everything on the same server, and lose keys and cookies on another', async () => {
    routes.set('/r', redirect(302, '/again'));
    routes.set('/again', redirect(307, `${elsewhere}/there?x=1`));
    const headers = { authorization: 'Bearer k', cookie: 'c=1', 'x-api-key': 'k', accept: 'a/b', range: 'bytes=0-' };
    const response = await guardedFetch(guard, `${base}/r`, { redirects: 3, headers });
    expect(await response.text()).toBe('plain');
    expect(response.url.href).toBe(`${elsewhere}/there?x=1`);
    expect(seen[1]?.headers).toMatchObject(headers);
    expect(seen[2]?.headers).toMatchObject({ accept: 'a/b', range: 'bytes=0-' });
    for (const name of ['authorization', 'cookie', 'x-api-key']) expect(seen[2]?.headers).not.toHaveProperty(name);
    expect(seen[2]?.headers.host).toBe(new URL(elsewhere).host);
  });

  it('are checked at every hop', async () => {
    for (const location of [
      'http://169.254.169.254/latest',
      'http://c.int/',
      'file:///etc/passwd',
      'http://127.0.0.1:1/',
      'http://[',
    ]) {
      routes.set('/r', redirect(302, location));
      await expect(guardedFetch(guard, `${base}/r`, { redirects: 5 })).rejects.toMatchObject({ class: 'refuse' });
    }
    expect(seen.every(({ url }) => url === `${base}/r`)).toBe(true);
  });

  it('end after the number asked for', async () => {
    routes.set('/loop', redirect(302, '/loop'));
    const response = await guardedFetch(guard, `${base}/loop`, { redirects: 4 });
    expect(response.status).toBe(302);
    response.discard();
    expect(seen).toHaveLength(5);
  });

  it('turn a POST into a GET as browsers do, and send a body again only when they can', async () => {
    routes.set('/303', redirect(303, '/got'));
    routes.set('/308', redirect(308, '/got'));
    await (
      await guardedFetch(guard, `${base}/303`, {
        method: 'POST',
        body: 'b',
        redirects: 1,
        headers: { 'content-type': 't/t' },
      })
    ).text();
    await (
      await guardedFetch(guard, `${base}/308`, {
        method: 'POST',
        body: 'b',
        redirects: 1,
        headers: { 'content-type': 't/t' },
      })
    ).text();
    expect(seen.filter(({ url }) => url.endsWith('/got'))).toMatchObject([
      { method: 'GET', body: '' },
      { method: 'POST', body: 'b', headers: { 'content-type': 't/t' } },
    ]);
    const body = (async function* () {
      yield Buffer.from('once');
    })();
    await expect(guardedFetch(guard, `${base}/308`, { method: 'PUT', body, redirects: 1 })).rejects.toMatchObject({
      class: 'refuse',
    });
  });
});

describe('faults', () => {
  it('nobody listens: target-down, with the host and without the query', async () => {
    const closed = createServer();
    const port = await listen(closed);
    await new Promise((resolve) => closed.close(resolve));
    await expect(guardedFetch(guard, `http://u:pw@a.int:${port}/p?token=t`)).rejects.toMatchObject({
      class: 'target-down',
      message: expect.stringMatching(new RegExp(`^http://a\\.int:${port}/p: .*ECONNREFUSED`)),
    });
  });

  it('no answer: target-down after the idle time', async () => {
    routes.set('/silent', () => undefined);
    await expect(guardedFetch(guard, `${base}/silent`, { idleTimeoutMs: 50 })).rejects.toMatchObject({
      class: 'target-down',
      message: expect.stringContaining('no answer'),
    });
  });

  it('an answer that is cut off, or ends before its length: retry', async () => {
    routes.set('/cut', (_request, response) => {
      response.writeHead(200, { 'content-length': '10' }).write('12345');
      setTimeout(() => response.destroy(), 20);
    });
    const response = await guardedFetch(guard, `${base}/cut`);
    await expect(response.text()).rejects.toMatchObject({ name: 'MpdError', class: 'retry' });
  });

  it('an answer that stalls: retry after the idle time; a slow reader is no stall', async () => {
    routes.set('/stall', (_request, response) => void response.writeHead(200).write('first'));
    const stalled = await guardedFetch(guard, `${base}/stall`, { idleTimeoutMs: 60 });
    await expect(stalled.text()).rejects.toMatchObject({
      class: 'retry',
      message: expect.stringContaining('nothing received'),
    });
    routes.set('/big', (_request, response) => void response.end(Buffer.alloc(2_000_000)));
    const slow = await guardedFetch(guard, `${base}/big`, { idleTimeoutMs: 60 });
    let size = 0;
    for await (const chunk of slow.body) {
      if (size === 0) await new Promise((resolve) => setTimeout(resolve, 150));
      size += chunk.length;
    }
    expect(size).toBe(2_000_000);
  });

  it('an abort ends request and body with its own reason', async () => {
    routes.set('/silent', () => undefined);
    routes.set('/stall', (_request, response) => void response.writeHead(200).write('first'));
    const stop = new AbortController();
    const asked = guardedFetch(guard, `${base}/silent`, { signal: stop.signal });
    const half = await guardedFetch(guard, `${base}/stall`, { signal: stop.signal });
    const reading = half.text();
    stop.abort(new Error('enough'));
    await expect(asked).rejects.toThrow('enough');
    await expect(reading).rejects.toThrow('enough');
  });

  it('a kept connection that the server closes meanwhile is not an error', async () => {
    const port = new URL(base).port;
    for (let round = 0; round < 5; round++) {
      expect(await (await guardedFetch(guard, `http://a.int:${port}/x`)).text()).toBe('plain');
      server.closeAllConnections();
    }
    expect(seen.length).toBeGreaterThanOrEqual(5);
  });
});

describe('TLS', () => {
  it('trusts the authorities it is given, and only for the name asked for', async () => {
    const { cert: ca, key } = await certificateFor('tls.int');
    const secure = createTlsServer({ key, cert: ca }, handle);
    const port = await listen(secure);
    const by = createGuard({
      allow: [
        { scheme: 'https', host: 'tls.int' },
        { scheme: 'https', host: 'wrong.int' },
      ],
      resolve: async () => [{ address: '127.0.0.1', family: 4 }],
    });
    expect(await (await guardedFetch(by, `https://tls.int:${port}/x`, { tls: { ca } })).text()).toBe('plain');
    await expect(guardedFetch(by, `https://tls.int:${port}/x`)).rejects.toMatchObject({ class: 'target-down' });
    await expect(guardedFetch(by, `https://wrong.int:${port}/x`, { tls: { ca } })).rejects.toMatchObject({
      class: 'target-down',
    });
    await expect(guardedFetch(by, `https://127.0.0.1:${port}/x`, { tls: { ca } })).rejects.toMatchObject({
      class: 'refuse',
    });
    by.close();
    secure.closeAllConnections();
    secure.close();
  });
});
