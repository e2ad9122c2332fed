import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createGuard, type Guard } from './guard.js';
import { getLarge, type LargeAnswer } from './large-body.js';

const MIB = 1 << 20;
let guard: Guard;
let server: Server;
let origin: URL;
let requests: string[];
let sockets: Set<Socket>;
/** What the server does after a request. */
let answer: (socket: Socket) => void | Promise<void>;

beforeEach(async () => {
  guard = createGuard({ allow: [{ scheme: 'http', host: '127.0.0.1' }] });
  requests = [];
  sockets = new Set();
  server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined).on('close', () => sockets.delete(socket));
    let head = '';
    socket.on('data', (data) => {
      head += data.toString('latin1');
      if (!head.endsWith('\r\n\r\n')) return;
      requests.push(head);
      head = '';
      void answer(socket);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  origin = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
});

afterEach(async () => {
  for (const socket of sockets) socket.destroy();
  server.close();
  guard.close();
});

const get = (more: Partial<Parameters<typeof getLarge>[2]> = {}) =>
  getLarge(guard, origin, { path: '/bucket/a%20b?x=1', headers: { host: origin.host }, ...more });
const closed = (socket: Socket): Promise<void> => new Promise((resolve) => socket.once('close', () => resolve()));
const head = (length: number, status = '200 OK') =>
  `HTTP/1.1 ${status}\r\nContent-Length: ${length}\r\nETag: "e"\r\n\r\n`;

async function sumOf(found: LargeAnswer | null, release: boolean) {
  const hash = createHash('sha256');
  let bytes = 0;
  for await (const chunk of found!.body as AsyncIterable<Uint8Array>) {
    // Later than it came: whoever gave its memory away too early is found out.
    await sleep(0);
    hash.update(chunk);
    bytes += chunk.length;
    if (release) found!.body.release(chunk);
  }
  return { bytes, sum: hash.digest('hex') };
}

describe('a large body', () => {
  const data = randomBytes(24 * MIB);
  const whole = { bytes: data.length, sum: createHash('sha256').update(data).digest('hex') };

  for (const release of [true, false])
    it(`comes byte by byte as it was sent, ${release ? 'each chunk released' : 'no chunk released'}`, async () => {
      answer = (socket) => void socket.write(Buffer.concat([Buffer.from(head(data.length)), data]));
      const found = await get();
      expect(found).toMatchObject({ status: 200, headers: { etag: '"e"', 'content-length': String(data.length) } });
      expect(await sumOf(found, release)).toEqual(whole);
      expect(requests).toEqual([`GET /bucket/a%20b?x=1 HTTP/1.1\r\nhost: ${origin.host}\r\nconnection: close\r\n\r\n`]);
    });

  it('comes whole in small pieces, its head cut in two, and no byte beyond its length', async () => {
    const small = data.subarray(0, 100_000);
    answer = async (socket) => {
      const all = Buffer.concat([Buffer.from(head(small.length, '206 Partial Content')), small, Buffer.from('more')]);
      for (let at = 0; at < all.length; at += 7001) {
        socket.write(all.subarray(at, at + (at === 0 ? 20 : 7001)));
        if (at === 0) socket.write(all.subarray(20, 7001));
        await sleep(1);
      }
    };
    const found = await get();
    expect(found?.status).toBe(206);
    const chunks: Uint8Array[] = [];
    for await (const chunk of found!.body as AsyncIterable<Uint8Array>) chunks.push(chunk);
    expect(Buffer.concat(chunks).equals(small)).toBe(true);
  });

  it('of no bytes ends at once', async () => {
    answer = (socket) => void socket.write(head(0));
    expect(await sumOf(await get(), true)).toMatchObject({ bytes: 0 });
  });

  it('is not read far beyond whoever reads it, and its connection ends with it', async () => {
    const { length } = data;
    answer = (socket) => {
      socket.write(head(length * 100));
      const more = (): void => {
        while (socket.write(data));
      };
      socket.on('drain', more);
      more();
    };
    const found = await get();
    const [socket] = [...sockets] as [Socket];
    let before = -1;
    for (; socket.bytesWritten !== before; await sleep(200)) before = socket.bytesWritten;
    // What the system itself keeps for a connection is some MiB.
    expect(before).toBeLessThan(2 * length);
    found!.body.destroy();
    await closed(socket);
  });

  it.each([
    ['ends its connection', (socket: Socket) => socket.end()],
    ['resets its connection', (socket: Socket) => socket.resetAndDestroy()],
  ])('that %s early fails, and never ends as if whole', async (_, end) => {
    answer = (socket) => {
      socket.write(head(data.length));
      socket.write(data.subarray(0, 3 * MIB), () => end(socket));
    };
    const found = await get();
    await expect(sumOf(found, true)).rejects.toThrow(/bytes before the end/);
  });

  it('that goes silent fails; a reader that is slow does not make it so', async () => {
    answer = (socket) => {
      socket.write(head(data.length));
      socket.write(data.subarray(0, 8 * MIB));
    };
    const found = await get({ silenceMs: 300 });
    let bytes = 0;
    const read = async (): Promise<void> => {
      for await (const chunk of found!.body as AsyncIterable<Uint8Array>) {
        if (bytes === 0) await sleep(700);
        bytes += chunk.length;
      }
    };
    await expect(read()).rejects.toThrow('nothing came for 300 ms');
    expect(bytes).toBe(8 * MIB);
  });

  it('is left to the ordinary way where the answer is something else', async () => {
    for (const other of [
      'HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n',
      'HTTP/1.1 100 Continue\r\n\r\n',
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
      'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
      'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n12345',
      'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Encoding: gzip\r\n\r\n12345',
      'HTTP/1.1 200 OK\r\n\r\n12345',
      'HTTP/1.1 200 OK\r\nContent-Length: five\r\n\r\n12345',
      'HTTP/1.1 200 OK\r\nno header\r\nContent-Length: 5\r\n\r\n12345',
      `HTTP/1.1 200 OK\r\nX: ${'x'.repeat(70_000)}`,
      'SSH-2.0-OpenSSH\r\n\r\n',
    ]) {
      answer = (socket) => void socket.write(other);
      expect(await get(), other.slice(0, 60)).toBeNull();
    }
    answer = (socket) => void socket.end();
    expect(await get()).toBeNull();
    for (const socket of sockets) if (!socket.closed) await closed(socket);
  });

  it('is not asked for where nothing may connect, or with what breaks out of its request', async () => {
    expect(await getLarge(guard, new URL('http://127.0.0.2:1'), { path: '/', headers: { host: 'x' } })).toBeNull();
    expect(await get({ path: '/a b' })).toBeNull();
    expect(await get({ path: '/a\r\nx: y' })).toBeNull();
    expect(await get({ headers: { host: 'x\r\ny: z' } })).toBeNull();
    expect(requests).toEqual([]);
  });

  it('ends at the signal, with its reason while there is no answer', async () => {
    const stop = new AbortController();
    answer = () => stop.abort(new Error('enough'));
    await expect(get({ signal: stop.signal })).rejects.toThrow('enough');
    await expect(get({ signal: stop.signal })).rejects.toThrow('enough');
    answer = () => undefined;
    await expect(get({ silenceMs: 200 })).rejects.toMatchObject({ name: 'TimeoutError' });
  });
});
