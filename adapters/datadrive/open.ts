import type { Body, OpenOptions } from '../../src/gateway/backend.js';
import type { ObjectRef } from '../../src/mal/index.js';
import { invalid, MpdError, unknown } from '../../src/mpd/index.js';
import { entryOf, recordOf, versionOf } from './entry.js';
import { findIds, hitOf } from './get.js';
import { fault } from './http.js';
import type { Index } from './pages.js';
import type { Answer, ByteSource } from './source.js';

/** Connections that break are taken up again so often without any byte coming. */
const TRIES = 4;
/** Bytes from which on a connection of its own is worth its while. */
const LARGE = 4 << 20;

/** The bytes of a product. They are held to the content that the index described: another one now is Unknown, never other bytes. */
export async function openFile(
  index: Index,
  bytes: ByteSource,
  ref: ObjectRef,
  { revision, offset, signal, entry, releases = false }: OpenOptions,
): Promise<Body> {
  const catalogue = await index.catalogue.current(signal);
  const look = async () => (await findIds(index, [ref.key], signal)).get(ref.key);
  const hit = ref.type === 'Product' ? ((entry && hitOf(entry)) ?? (await look())) : undefined;
  const record = hit && recordOf(hit, catalogue, index.config);
  if (!record || record.domain.join('\0') !== ref.domain.join('\0'))
    throw unknown(null, `${ref.key} is not in the index`);
  if (versionOf(record.updatedAt) !== ref.version || (revision !== null && revision !== record.revision))
    throw unknown(null, `${ref.key} has another content now`);
  const { size } = record;
  if (offset < 0 || !Number.isSafeInteger(offset) || (size !== null && offset > size))
    throw invalid('offset', `${offset} is not within the ${size} bytes of ${ref.key}`);
  const claim = entryOf(hit, catalogue, index.config)?.claim ?? null;
  const about = { revision: record.revision, claim };
  if (size !== null && offset === size) return { ...about, size, stream: nothing() };
  let release: Answer['release'];
  // Opened now, so that what cannot be read is told before the first byte is promised.
  const first = await fetchAt(offset);
  const whole = first.size ?? size;
  if (size !== null && first.size !== null && first.size !== size) {
    first.stream.destroy();
    throw unknown(null, `${ref.key} has ${first.size} bytes where the index says ${size}`);
  }
  return {
    ...{ ...about, size: whole, stream: resuming(first, offset, whole, fetchAt, signal, ref.key) },
    ...(releases && { release: (chunk) => release?.(chunk) }),
  };

  async function fetchAt(at: number): Promise<Answer> {
    const large = releases && size !== null && size - at >= LARGE;
    const answer = await bytes.fetch(record!.url, { offset: at, etag: record!.etag, large, signal });
    if (answer === 'changed') throw unknown(null, `${ref.key} has another content now`);
    if (answer === 'missing') throw unknown(null, `the bytes of ${ref.key} are gone`);
    release = answer.release;
    return answer;
  }
}

function nothing(): AsyncIterable<Uint8Array> {
  return (async function* () {})();
}

/** Goes on after a break where it stopped; every connection is held to the same content. Not a generator: one that is returned before its first step would leave the connection open. */
function resuming(
  first: Answer,
  offset: number,
  size: number | null,
  fetchAt: (at: number) => Promise<Answer>,
  signal: AbortSignal,
  key: string,
): AsyncIterable<Uint8Array> {
  let answer: Answer | undefined = first;
  let chunks: AsyncIterator<Uint8Array> = first.stream[Symbol.asyncIterator]();
  let at = offset;
  let tries = 0;
  let ended = false;
  const stop = (): void => {
    ended = true;
    answer?.stream.destroy();
    answer = undefined;
  };
  const again = async (cause: unknown): Promise<void> => {
    answer?.stream.destroy();
    answer = undefined;
    if (++tries >= TRIES) throw fault(`the bytes of ${key} break off at ${at} of ${size ?? '?'}`, 'retry', cause);
    await new Promise((resolve) => setTimeout(resolve, 100 * 3 ** (tries - 1)));
    signal.throwIfAborted();
    answer = await fetchAt(at);
    chunks = answer.stream[Symbol.asyncIterator]();
  };
  const step = async (): Promise<IteratorResult<Uint8Array, undefined>> => {
    while (!ended) {
      signal.throwIfAborted();
      let result: IteratorResult<Uint8Array>;
      try {
        result = await chunks.next();
      } catch (error) {
        if (signal.aborted) throw signal.reason;
        if (error instanceof MpdError || size === null) throw asFault(error, key, at);
        await again(error);
        continue;
      }
      if (result.done) {
        if (size !== null && at < size) {
          await again(new Error('a clean end before the last byte'));
          continue;
        }
        stop();
        break;
      }
      if (result.value.length === 0) continue;
      at += result.value.length;
      tries = 0;
      if (size !== null && at > size) throw fault(`${key} is longer than its ${size} bytes`);
      return { done: false, value: result.value };
    }
    return { done: true, value: undefined };
  };
  const onAbort = (): void => answer?.stream.destroy(signal.reason as Error) as unknown as undefined;
  signal.addEventListener('abort', onAbort, { once: true });
  const iterator: AsyncIterator<Uint8Array, undefined> = {
    async next() {
      try {
        const result = await step();
        if (result.done) signal.removeEventListener('abort', onAbort);
        return result;
      } catch (error) {
        signal.removeEventListener('abort', onAbort);
        stop();
        throw error;
      }
    },
    async return() {
      signal.removeEventListener('abort', onAbort);
      stop();
      return { done: true, value: undefined };
    },
  };
  return { [Symbol.asyncIterator]: () => iterator };
}

const asFault = (error: unknown, key: string, at: number): MpdError =>
  error instanceof MpdError
    ? error
    : fault(`the bytes of ${key} break off at ${at}: ${(error as Error).message}`, 'retry', error);
