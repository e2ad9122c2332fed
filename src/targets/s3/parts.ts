/** S3 takes at most so many parts of one upload, and none but the last may be smaller than 5 MiB. */
const MAX_PARTS = 10_000;
const PART = 8 * 1024 * 1024;

/** Size of each part for a body of this size (null = unknown: up to 78 GiB with 8 MiB parts, so larger ones grow). */
export function partSizeFor(size: number | null): number {
  if (size === null) return PART;
  return Math.max(PART, Math.ceil(size / MAX_PARTS / 65_536) * 65_536);
}

/** Re-cuts a stream into pieces of `size` bytes (the last may be shorter); an empty stream gives no piece. */
export async function* inParts(stream: AsyncIterable<Uint8Array>, size: number): AsyncGenerator<Buffer> {
  let part = Buffer.allocUnsafe(size);
  let filled = 0;
  for await (const chunk of stream) {
    for (let at = 0; at < chunk.length; ) {
      const take = Math.min(size - filled, chunk.length - at);
      part.set(chunk.subarray(at, at + take), filled);
      filled += take;
      at += take;
      if (filled < size) continue;
      yield part;
      part = Buffer.allocUnsafe(size);
      filled = 0;
    }
  }
  if (filled > 0) yield part.subarray(0, filled);
}
