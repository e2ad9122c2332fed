import type { Session } from './session.js';

/** Servers give at least 32 KiB an answer; 16 requests ahead fill most lines. */
const PACKET = 32 * 1024;
const AHEAD = 16;

/** Bytes of a remote file, read with a window of requests in flight. */
export async function* readRemote(session: Session, path: string, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  const handle = await session.open(path, 'r');
  const ahead: { readonly at: number; readonly buffer: Buffer; readonly count: Promise<number> }[] = [];
  let next = 0;
  const request = (): void => {
    const buffer = Buffer.allocUnsafe(PACKET);
    const count = session.read(handle, buffer, next);
    count.catch(() => undefined);
    ahead.push({ at: next, buffer, count });
    next += PACKET;
  };
  try {
    for (let i = 0; i < AHEAD; i++) request();
    for (;;) {
      signal.throwIfAborted();
      const one = ahead.shift()!;
      let count = await one.count;
      if (count === 0) return;
      // A short answer is not the end: ask for what is missing before going on.
      for (let more = count; more > 0 && count < PACKET; count += more)
        more = await session.read(handle, one.buffer.subarray(count), one.at + count);
      yield one.buffer.subarray(0, count);
      if (count < PACKET) return;
      request();
    }
  } finally {
    await Promise.allSettled(ahead.map(({ count }) => count));
    if (session.isOpen()) await session.close(handle);
  }
}
