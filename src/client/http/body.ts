import { createHash } from 'node:crypto';
import type { ObjectRef } from '../../mal/index.js';
import { deliveryFailed, invalid, MpdError } from '../../mpd/index.js';
import type { GetProductOptions, ListedProduct, ProductBody } from '../client.js';
import { mayHelp, pause, retrying } from './retry.js';
import { chunksOf, type HttpAnswer, type Transport } from './transport.js';
import { etagOf, referencePath } from './wire/index.js';

/**
 * A body that goes on after a lost connection (Range with If-Match, so that two contents are never mixed). From offset 0 the
 * SHA-256 is checked at the end where the server gave one.
 */
export async function openBody(
  transport: Transport,
  product: ListedProduct,
  ref: ObjectRef,
  { offset = 0, signal, form }: GetProductOptions,
  retries: number,
): Promise<ProductBody> {
  const { metadata, revision, fileName } = product;
  const path = `/api/v1/bodies/${referencePath(ref)}${form === undefined ? '' : `?form=${encodeURIComponent(form)}`}`;
  const open = (from: number): Promise<HttpAnswer> =>
    transport.send({
      method: 'GET',
      path,
      signal,
      patient: true,
      accept: [416],
      headers: {
        Accept: '*/*',
        ...(revision === null ? {} : { 'If-Match': etagOf(revision, form) }),
        ...(from > 0 ? { Range: `bytes=${from}-` } : {}),
      },
    });
  const first = await retrying(() => open(offset), retries, signal);
  const told = form !== undefined || metadata.fileMetadata === null ? null : Number(metadata.fileMetadata.fileSize);
  const size = sizeOf(first) ?? told;
  if (first.status === 416) {
    first.stream.resume();
    if (size === null || offset !== size) throw invalid('offset', `the product has ${size ?? 'fewer'} bytes`);
  }
  const sha256 = digestOf(first);
  const name = (form === undefined ? fileName : suggestedName(first)) ?? fileName ?? ref.key;
  const last = name.split('/').at(-1) || 'product';

  async function* read(): AsyncGenerator<Uint8Array> {
    if (first.status === 416) return;
    const hash = sha256 !== null && offset === 0 ? createHash('sha256') : null;
    let answer: HttpAnswer | null = first;
    let at = offset;
    for (let attempt = 0; ; attempt++) {
      try {
        answer ??= await open(at);
        if (answer.status === 416) throw ended(at, size);
        let skip = answer.status === 206 ? 0 : at;
        for await (const chunk of chunksOf(answer.stream, transport.base, signal)) {
          const part = skip >= chunk.byteLength ? chunk.subarray(chunk.byteLength) : chunk.subarray(skip);
          skip -= chunk.byteLength - part.byteLength;
          if (part.byteLength === 0) continue;
          hash?.update(part);
          at += part.byteLength;
          attempt = 0;
          yield part;
        }
        if (size !== null && at < size) throw ended(at, size);
        break;
      } catch (error) {
        answer?.stream.destroy();
        answer = null;
        if (attempt >= retries || !mayHelp(error, true)) throw error;
        await pause(attempt, error, signal);
      }
    }
    if (hash !== null && !hash.digest().equals(sha256!))
      throw deliveryFailed('the bytes do not have the SHA-256 that the server gave', 'retry');
  }
  return { metadata, revision, size, sha256, fileName: last, stream: closing(read(), () => first.stream.destroy()) };
}

/** Closes the connection also when nobody ever starts to read. */
function closing(source: AsyncGenerator<Uint8Array>, close: () => void): AsyncIterable<Uint8Array> {
  return {
    [Symbol.asyncIterator]: () => ({
      next: () => source.next(),
      async return() {
        close();
        await source.return(undefined);
        return { done: true as const, value: undefined };
      },
    }),
  };
}

/** Name in Content-Disposition (RFC 6266), that in UTF-8 first; null when there is none. */
function suggestedName({ headers }: HttpAnswer): string | null {
  const header = headers['content-disposition'] ?? '';
  const utf8 = /filename\*=UTF-8''([^;\s]+)/i.exec(header)?.[1];
  try {
    if (utf8 !== undefined) return decodeURIComponent(utf8);
  } catch {
    // Not what it says it is: the plain one does.
  }
  return /filename="([^"]*)"/.exec(header)?.[1] ?? null;
}

function sizeOf({ headers, status }: HttpAnswer): number | null {
  const range = /\/(\d+)$/.exec(headers['content-range'] ?? '')?.[1];
  if (range !== undefined) return Number(range);
  return status === 200 && headers['content-length'] !== undefined ? Number(headers['content-length']) : null;
}

function digestOf({ headers }: HttpAnswer): Uint8Array | null {
  const header = headers['repr-digest'];
  const value = /(?:^|,\s*)sha-256=:([A-Za-z0-9+/=]+):/.exec(
    Array.isArray(header) ? header.join(',') : (header ?? ''),
  )?.[1];
  return value === undefined ? null : new Uint8Array(Buffer.from(value, 'base64'));
}

const ended = (at: number, size: number | null): MpdError =>
  new MpdError('Destination Lost', { class: 'retry', message: `the body ended at ${at} of ${size ?? '?'} bytes` });
