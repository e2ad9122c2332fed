import { createHash } from 'node:crypto';
import type { Session } from './session.js';

/** Servers take at least 32 KiB a packet; 64 in flight fill a long, fat line. */
const PACKET = 32 * 1024;
const WINDOW = 64;

/** Writes a stream to an open file with a window of requests in flight. */
export async function writeWindowed(
  session: Session,
  handle: Buffer,
  stream: AsyncIterable<Uint8Array>,
): Promise<number> {
  const flight = new Set<Promise<void>>();
  let failed: { readonly error: unknown } | undefined;
  let position = 0;
  const send = async (packet: Buffer): Promise<void> => {
    while (flight.size >= WINDOW) await Promise.race(flight);
    if (failed) throw failed.error;
    const at = position;
    position += packet.length;
    const write: Promise<void> = session
      .write(handle, packet, at)
      .catch((error) => {
        failed ??= { error };
      })
      .finally(() => flight.delete(write));
    flight.add(write);
  };
  let rest: Buffer[] = [];
  let held = 0;
  try {
    for await (const chunk of stream) {
      // Copied: the source may use its buffer again while the packet is in flight.
      const copy = Buffer.from(chunk);
      let at = 0;
      if (held > 0) {
        at = Math.min(PACKET - held, copy.length);
        rest.push(copy.subarray(0, at));
        held += at;
        if (held < PACKET) continue;
        await send(Buffer.concat(rest, held));
        [rest, held] = [[], 0];
      }
      for (; at + PACKET <= copy.length; at += PACKET) await send(copy.subarray(at, at + PACKET));
      if (at < copy.length) {
        rest.push(copy.subarray(at));
        held = copy.length - at;
      }
    }
    if (held > 0) await send(Buffer.concat(rest, held));
  } finally {
    await Promise.all(flight);
  }
  if (failed) throw failed.error;
  return position;
}

/** SHA-256 and size of a remote file, read with a window of requests in flight. @param size as it should be: no more is asked for ahead */
export async function digestRemote(
  session: Session,
  path: string,
  size: number,
  signal: AbortSignal,
): Promise<{ readonly bytes: number; readonly checksum: Uint8Array }> {
  const hash = createHash('sha256');
  const handle = await session.open(path, 'r');
  let bytes = 0;
  try {
    const ahead: { readonly at: number; readonly buffer: Buffer; readonly count: Promise<number> }[] = [];
    let next = 0;
    const request = (): void => {
      const buffer = Buffer.allocUnsafe(PACKET);
      const count = session.read(handle, buffer, next);
      count.catch(() => undefined);
      ahead.push({ at: next, buffer, count });
      next += PACKET;
    };
    while (ahead.length < WINDOW && next <= size) request();
    for (;;) {
      signal.throwIfAborted();
      const one = ahead.shift()!;
      let count = await one.count;
      if (count === 0) break;
      // A short answer is not the end: ask for what is missing before going on.
      for (let more = count; more > 0 && count < PACKET; count += more) {
        more = await session.read(handle, one.buffer.subarray(count), one.at + count);
        if (more === 0) break;
      }
      hash.update(one.buffer.subarray(0, count));
      bytes += count;
      if (count < PACKET) break;
      if (next <= size || ahead.length === 0) request();
    }
    await Promise.allSettled(ahead.map((one) => one.count));
    return { bytes, checksum: new Uint8Array(hash.digest()) };
  } finally {
    if (session.isOpen()) await session.close(handle);
  }
}
