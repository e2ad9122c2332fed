import { createHash } from 'node:crypto';
import type { Session } from './session.js';

/** Bytes in flight: they fill a long, fat line. */
const WINDOW = 2 * 1024 * 1024;

/** Requests in flight at once. */
const windowOf = ({ packet }: Session): number => Math.max(2, Math.ceil(WINDOW / packet));

/** Writes a stream to an open file with a window of requests in flight. A chunk is done with when the next one is asked for. */
export async function writeWindowed(
  session: Session,
  handle: Buffer,
  stream: AsyncIterable<Uint8Array>,
): Promise<number> {
  const { packet } = session;
  const most = windowOf(session);
  let flying = 0;
  let failed: { readonly error: unknown } | undefined;
  let wake = (): void => undefined;
  let position = 0;
  const landed = (): void => {
    flying--;
    wake();
  };
  const lost = (error: unknown): void => {
    failed ??= { error };
    landed();
  };
  const untilFewer = (count: number): Promise<void> =>
    new Promise((resolve) => {
      wake = () => {
        if (flying < count) resolve();
      };
      wake();
    });
  const send = async (data: Buffer): Promise<void> => {
    if (flying >= most) await untilFewer(most);
    if (failed) throw failed.error;
    flying++;
    session.write(handle, data, position).then(landed, lost);
    position += data.length;
  };
  /** What is not yet a packet. */
  let rest: Buffer | null = null;
  let held = 0;
  try {
    for await (const chunk of stream) {
      const data = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
      let at = 0;
      if (held > 0 && rest) {
        at = data.copy(rest, held, 0, packet - held);
        held += at;
        if (held < packet) continue;
        await send(rest);
        held = 0;
      }
      for (; at + packet <= data.length; at += packet) await send(data.subarray(at, at + packet));
      if (at < data.length) {
        rest ??= Buffer.allocUnsafeSlow(packet);
        held = data.copy(rest, 0, at);
      }
    }
    if (held > 0 && rest) await send(rest.subarray(0, held));
  } finally {
    await untilFewer(1);
  }
  if (failed) throw failed.error;
  return position;
}

export interface Digest {
  readonly bytes: number;
  readonly checksum: Uint8Array;
}

/** SHA-256 and size of a remote file. @param size as it should be: no more is asked for ahead */
export async function digestRemote(session: Session, path: string, size: number, signal: AbortSignal): Promise<Digest> {
  const handle = await session.open(path, 'r');
  try {
    return await digestOpen(session, handle, size, signal);
  } finally {
    if (session.isOpen()) await session.close(handle);
  }
}

/** The same of a file that is open, read with a window of requests in flight: its end is asked for with its last bytes. */
export async function digestOpen(session: Session, handle: Buffer, size: number, signal: AbortSignal): Promise<Digest> {
  const { packet } = session;
  const most = windowOf(session);
  const hash = createHash('sha256');
  let bytes = 0;
  const ahead: { readonly at: number; readonly buffer: Buffer; readonly count: Promise<number> }[] = [];
  const spare: Buffer[] = [];
  let next = 0;
  const request = (): void => {
    // No larger than what is left, so that a small file takes no large buffer; behind it a little more finds the end.
    const length = next < size ? Math.min(packet, size - next) : 1024;
    const buffer = (length === packet && spare.pop()) || Buffer.allocUnsafeSlow(length);
    const count = session.read(handle, buffer, next);
    count.catch(() => undefined);
    ahead.push({ at: next, buffer, count });
    next += length;
  };
  try {
    while (ahead.length < most && next <= size) request();
    for (;;) {
      signal.throwIfAborted();
      const one = ahead.shift()!;
      let count = await one.count;
      if (count === 0) break;
      // A short answer is not the end: ask for what is missing before going on.
      for (let more = count; more > 0 && count < one.buffer.length; count += more) {
        more = await session.read(handle, one.buffer.subarray(count), one.at + count);
        if (more === 0) break;
      }
      hash.update(one.buffer.subarray(0, count));
      bytes += count;
      if (count < one.buffer.length) break;
      if (one.buffer.length === packet) spare.push(one.buffer);
      if (next <= size || ahead.length === 0) request();
    }
    return { bytes, checksum: new Uint8Array(hash.digest()) };
  } finally {
    await Promise.allSettled(ahead.map((one) => one.count));
  }
}
