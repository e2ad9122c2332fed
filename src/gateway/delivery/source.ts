import { createHash } from 'node:crypto';
import { deliveryFailed } from '../../mpd/index.js';
import type { SourceBody } from '../target.js';

/** A body while it is read: what every target sends from. */
export interface ReadSource {
  /** Ends only when every byte announced has come; throws class `retry` when there are fewer or more, or the signal's reason. */
  readonly stream: AsyncIterable<Uint8Array>;
  readonly bytes: () => number;
  /** SHA-256 of what was read; to be called once, after the end. */
  readonly sha256: () => Uint8Array;
}

/** Reads a body once: counts, hashes, holds it to its announced size and stops at the signal even while the source is silent. */
export function readSource(
  body: SourceBody,
  options: { readonly signal: AbortSignal; readonly progress?: ((bytes: number) => void) | undefined },
): ReadSource {
  const hash = createHash('sha256');
  let bytes = 0;
  async function* counted(): AsyncGenerator<Uint8Array> {
    for await (const chunk of untilAborted(body.stream, options.signal)) {
      if (chunk.length === 0) continue;
      bytes += chunk.length;
      if (body.size !== null && bytes > body.size) throw wrongSize(body.size, `more than ${body.size}`);
      hash.update(chunk);
      yield chunk;
      options.progress?.(bytes);
    }
    if (body.size !== null && bytes < body.size) throw wrongSize(body.size, String(bytes));
  }
  return { stream: counted(), bytes: () => bytes, sha256: () => new Uint8Array(hash.digest()) };
}

/** The same chunks; at the signal it throws the signal's reason without waiting for the source, which is told to end. */
export async function* untilAborted<T>(stream: AsyncIterable<T>, signal: AbortSignal): AsyncGenerator<T> {
  const iterator = stream[Symbol.asyncIterator]();
  let refuse: (reason: unknown) => void = () => undefined;
  const onAbort = (): void => refuse(signal.reason);
  // A promise of its own for each step: one that lives as long as the signal would keep every chunk that was raced with it.
  const next = () =>
    new Promise<IteratorResult<T>>((resolve, reject) => {
      refuse = reject;
      iterator.next().then(resolve, reject);
    });
  signal.addEventListener('abort', onAbort, { once: true });
  let ended = false;
  try {
    for (;;) {
      signal.throwIfAborted();
      const result = await next();
      if (result.done) {
        ended = true;
        return;
      }
      yield result.value;
    }
  } finally {
    signal.removeEventListener('abort', onAbort);
    if (!ended) void iterator.return?.()?.then(undefined, () => undefined);
  }
}

const wrongSize = (announced: number, came: string) =>
  deliveryFailed(`the source announced ${announced} bytes and sent ${came}`, 'retry');
