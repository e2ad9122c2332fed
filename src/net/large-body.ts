import { validateHeaderName, validateHeaderValue } from 'node:http';
import type { Socket } from 'node:net';
import { Readable } from 'node:stream';
import type { Guard } from './guard.js';

/**
 * The bytes of a body, in chunks of up to 512 KiB; {@link LargeBody.release} lets their memory be read into again. Ends only after
 * as many bytes as the server promised; a connection that breaks off before is its error.
 */
export interface LargeBody extends Readable {
  /** Nobody looks at this chunk any more. Not calling it is harmless. */
  release(chunk: Uint8Array): void;
}

export const isLargeBody = (stream: Readable): stream is LargeBody => 'release' in stream;

export interface LargeAnswer {
  readonly status: number;
  /** By their names in lower case; of those that came more than once the last. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: LargeBody;
}

export interface LargeRequest {
  /** As it was signed: path and query, percent-encoded. */
  readonly path: string;
  /** Without `connection`; `host` must be among them. */
  readonly headers: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal | undefined;
  /** Longest silence of the server while we wait for it; 60 s by default. */
  readonly silenceMs?: number;
}

/** What one read takes at most. */
const SLAB = 512 * 1024;
/** Less than this is copied out, so that it does not hold a whole slab. */
const SMALL = 64 * 1024;
/** Chunks that wait for whoever reads; the connection is not read beyond them. */
const AHEAD = 4;
const LONGEST_HEAD = 64 * 1024;

/**
 * GET over plain HTTP on a connection of its own, for bodies of many megabytes: Node's own client copies every byte once more and
 * takes fresh memory for every read, which costs more than the reading. null: there is no connection, or no answer with a body of
 * stated length on it; ask in the ordinary way, which tells why. Fails with the signal's reason and for a server that is silent.
 */
export async function getLarge(
  guard: Pick<Guard, 'connect'>,
  origin: URL,
  { path, headers, signal, silenceMs = 60_000 }: LargeRequest,
): Promise<LargeAnswer | null> {
  const request = headOf(path, { ...headers, connection: 'close' });
  if (request === null) return null;
  const slabs = createSlabs();
  let take: (chunk: Buffer) => boolean = () => true;
  const onread = { buffer: slabs.next, callback: (count: number, into: Uint8Array) => take(slabs.chunk(into, count)) };
  const socket = await guard.connect(origin, { signal, onread }).catch(() => null);
  signal?.throwIfAborted();
  if (socket === null) return null;
  return new Promise((resolve, reject) => {
    let head: Buffer = Buffer.alloc(0);
    const settle = (): void => {
      signal?.removeEventListener('abort', aborted);
      socket.off('error', giveUp).off('end', giveUp).off('close', giveUp).off('timeout', onSilence);
      socket.on('error', () => undefined);
    };
    const end = (): void => {
      settle();
      socket.destroy();
    };
    const giveUp = (): void => {
      end();
      resolve(null);
    };
    const fail = (error: unknown): void => {
      end();
      reject(error);
    };
    const aborted = (): void => fail(signal?.reason);
    // By this name the S3 client tries again.
    const onSilence = (): void =>
      fail(Object.assign(new Error(`no answer for ${silenceMs} ms`), { name: 'TimeoutError' }));
    socket.on('error', giveUp).on('end', giveUp).on('close', giveUp).on('timeout', onSilence);
    socket.setTimeout(silenceMs);
    signal?.addEventListener('abort', aborted, { once: true });
    take = (chunk) => {
      head = Buffer.concat([head, chunk]);
      slabs.release(chunk);
      const at = head.indexOf('\r\n\r\n');
      if (at < 0 && head.length <= LONGEST_HEAD) return true;
      const found = at < 0 ? null : parseHead(head.toString('latin1', 0, at));
      if (found === null) {
        giveUp();
        return false;
      }
      settle();
      const body = createBody(socket, slabs, found.length, silenceMs);
      take = body.take;
      const more = body.take(head.subarray(at + 4));
      resolve({ status: found.status, headers: found.headers, body: body.stream });
      return more;
    };
    socket.resume();
    socket.write(request, 'latin1');
  });
}

/** null: what can be no head of a request. */
function headOf(path: string, headers: Readonly<Record<string, string>>): string | null {
  if (!/^\/[\x21-\x7e]*$/.test(path)) return null;
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  try {
    for (const [name, value] of Object.entries(headers)) {
      validateHeaderName(name);
      validateHeaderValue(name, value);
    }
  } catch {
    return null;
  }
  return `GET ${path} HTTP/1.1\r\n${lines.join('')}\r\n`;
}

/** Status and headers of a final answer whose body is as long as `content-length` says; null for anything else. */
function parseHead(
  text: string,
): { readonly status: number; readonly headers: Record<string, string>; readonly length: number } | null {
  const [first = '', ...lines] = text.split('\r\n');
  const status = Number(/^HTTP\/1\.[01] (200|206)(?: |$)/.exec(first)?.[1]);
  const headers: Record<string, string> = {};
  for (const line of lines) {
    const [, name, value] = /^([!#$%&'*+.^_`|~\w-]+):[ \t]*(.*?)[ \t]*$/.exec(line) ?? [];
    if (name === undefined || value === undefined) return null;
    const key = name.toLowerCase();
    if (key === 'content-length' && headers[key] !== undefined && headers[key] !== value) return null;
    headers[key] = value;
  }
  const length = headers['content-length'] ?? '';
  const plain = (headers['transfer-encoding'] ?? headers['content-encoding'] ?? 'identity') === 'identity';
  if (Number.isNaN(status) || !plain || !/^\d{1,15}$/.test(length)) return null;
  return { status, headers, length: Number(length) };
}

interface Slabs {
  readonly next: () => Buffer;
  /** What was read into a slab. */
  readonly chunk: (slab: Uint8Array, count: number) => Buffer;
  readonly release: (chunk: Uint8Array) => void;
}

/** Memory that is read into again once its chunk was given back: always the same few pages, which the processor still holds. */
function createSlabs(): Slabs {
  const free: Buffer[] = [];
  const given = new WeakMap<ArrayBufferLike, Buffer>();
  const release = (chunk: Uint8Array): void => {
    const slab = given.get(chunk.buffer);
    given.delete(chunk.buffer);
    if (slab !== undefined && free.length < AHEAD * 2) free.push(slab);
  };
  return {
    release,
    next: () => free.pop() ?? Buffer.allocUnsafeSlow(SLAB),
    chunk(slab, count) {
      const data = Buffer.from(slab.buffer, 0, count);
      if (count < SMALL) {
        free.push(slab as Buffer);
        return Buffer.from(data);
      }
      given.set(slab.buffer, slab as Buffer);
      return data;
    },
  };
}

function createBody(socket: Socket, slabs: Slabs, length: number, silenceMs: number) {
  let left = length;
  // One chunk an object: joined to larger ones they would be copied.
  const stream = new Readable({
    objectMode: true,
    highWaterMark: AHEAD,
    read() {
      if (left === 0) return;
      socket.setTimeout(silenceMs);
      socket.resume();
    },
    destroy(error, done) {
      socket.destroy();
      done(error);
    },
  });
  const breakOff = (reason: string): void => {
    if (left > 0) stream.destroy(new Error(`${reason} ${left} of ${length} bytes before the end`));
  };
  const closed = (): void => breakOff('the connection was closed');
  socket.on('error', ({ message }) => breakOff(`${message},`));
  socket.on('end', closed).on('close', closed);
  socket.on('timeout', () => breakOff(`nothing came for ${silenceMs} ms,`));
  const take = (chunk: Buffer): boolean => {
    if (left === 0 || stream.destroyed) return false;
    const data = chunk.length > left ? chunk.subarray(0, left) : chunk;
    left -= data.length;
    const more = data.length === 0 || stream.push(data);
    if (left === 0) {
      stream.push(null);
      socket.destroy();
      return false;
    }
    if (!more) {
      // Our own slowness is not the server's silence.
      socket.setTimeout(0);
      socket.pause();
    }
    return more;
  };
  if (length === 0) {
    stream.push(null);
    socket.destroy();
  }
  return { take, stream: Object.assign(stream, { release: slabs.release }) };
}
