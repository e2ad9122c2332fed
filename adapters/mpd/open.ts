import { createHash, type Hash } from 'node:crypto';
import { type Body, type Checksum, formatTime, type OpenOptions } from '../../src/gateway/backend.js';
import {
  deliveryFailed,
  isMpdError,
  MpdError,
  type Product,
  type ProductMetadata,
  unknown,
} from '../../src/mpd/index.js';
import { entryOf, metadataOf, type ProductRow, refOf, revisionOf } from './entry.js';
import { type Fetched, isLink, type LinkReader } from './link.js';
import type { MpdService } from './service.js';

const CHUNK = 256 * 1024;
/** Tries of a link that brings nothing. */
const TRIES = 3;
const HASHES: Partial<Record<Checksum['algorithm'], string>> = {
  md5: 'md5',
  'sha-1': 'sha1',
  'sha-256': 'sha256',
  'sha-512': 'sha512',
};

export interface Openers {
  readonly service: Pick<MpdService, 'get' | 'current'>;
  readonly links: Pick<LinkReader, 'open'>;
  /** Bytes that one message may have. */
  readonly maxBody: number;
}

/** The bytes of a product: in one message, as MPD sends it, or by its link when it is too large for that. */
export async function openProduct(
  openers: Openers,
  row: ProductRow,
  algorithm: Checksum['algorithm'] | null,
  { revision, offset, signal }: OpenOptions,
): Promise<Body> {
  const ref = refOf(row);
  const changed = () => unknown(null, `${ref.key} is no longer what it was at ${formatTime(row.updated_ns)}`);
  if (revision !== null && revision !== row.revision) throw changed();
  const metadata = metadataOf(row);
  const { claim } = entryOf(row, algorithm);
  const size = metadata.fileMetadata === null ? null : Number(metadata.fileMetadata.fileSize);
  const byLink = () => openLink(openers, metadata, { claim, size, offset, signal, changed });
  if (size !== null && size > openers.maxBody && isLink(metadata.externalURI)) return byLink();

  const got = await inMessage(openers.service, metadata, signal);
  // An empty body stands for one that does not go into a message.
  const left = got !== null && got.productBody.length === 0 && size !== 0 && isLink(got.productMetadata.externalURI);
  if (got === null || left) return byLink();
  const { productMetadata, productBody } = got;
  const now = revisionOf(productMetadata);
  if (now !== (revision ?? now)) throw changed();
  const told = productMetadata.fileMetadata?.fileSize;
  if (told !== undefined && told !== BigInt(productBody.length)) {
    throw deliveryFailed(`${ref.key}: the provider sent ${productBody.length} bytes of ${told}`, 'retry');
  }
  return {
    revision: now,
    size: productBody.length,
    claim,
    stream: (async function* () {
      for (let at = offset; at < productBody.length; at += CHUNK) {
        signal.throwIfAborted();
        yield productBody.subarray(at, at + CHUNK);
      }
    })(),
  };
}

/** null: too large for a message of the provider's, and there is a link. */
async function inMessage(
  service: Pick<MpdService, 'get'>,
  { productRef, externalURI }: ProductMetadata,
  signal: AbortSignal,
): Promise<Product | null> {
  try {
    return await service.get(productRef, signal);
  } catch (error) {
    if (!isMpdError(error, 'Too Many')) throw error;
    if (isLink(externalURI)) return null;
    const advice = 'it gives no link to it either: have its limit of bodies raised, or a public address set there';
    throw new MpdError('Too Many', { class: 'refuse', message: `${error.message}; ${advice}`, cause: error });
  }
}

interface LinkOptions {
  readonly claim: Checksum | null;
  readonly size: number | null;
  readonly offset: number;
  readonly signal: AbortSignal;
  readonly changed: () => MpdError;
}

type Bytes = Extract<Fetched, { kind: 'bytes' }>;

/**
 * A body read by its link. One that is over is asked for once more; a transfer that breaks off goes on where it was, when the
 * server can prove that the content is the same, and is checked at its end.
 */
async function openLink({ service, links }: Openers, metadata: ProductMetadata, options: LinkOptions): Promise<Body> {
  const { claim, offset, signal, changed } = options;
  const { key } = metadata.productRef;
  const revision = revisionOf(metadata);
  let uri = metadata.externalURI!;
  let renewed = false;

  async function open(at: number, etag: string | null): Promise<Bytes> {
    for (;;) {
      const fetched = await links.open(uri, at, etag, signal);
      if (fetched.kind === 'bytes') return fetched;
      if (fetched.kind === 'changed') throw changed();
      if (renewed) throw deliveryFailed(`${key}: the provider's link answers ${fetched.status}`, 'retry');
      renewed = true;
      const now = await service.current(metadata, signal);
      if (now === null || revisionOf(now) !== revision) throw changed();
      if (!isLink(now.externalURI)) throw deliveryFailed(`${key}: the provider gives no link any more`, 'retry');
      uri = now.externalURI;
    }
  }

  const first = await open(offset, null);
  const size = options.size ?? first.size;
  if (first.size !== null && first.size !== size) {
    first.discard();
    throw deliveryFailed(`${key}: the provider's link has ${first.size} bytes, not ${size}`, 'retry');
  }
  const hash = offset === 0 ? hashOf(claim) : null;

  async function* read(): AsyncGenerator<Uint8Array> {
    let current: Bytes | null = first;
    let at = offset;
    for (let tries = 0; ; tries++) {
      try {
        current ??= await open(at, first.etag);
        for await (const chunk of current.stream) {
          signal.throwIfAborted();
          hash?.update(chunk);
          at += chunk.length;
          if (size !== null && at > size) throw deliveryFailed(`${key}: more than its ${size} bytes came`, 'refuse');
          tries = 0;
          yield chunk;
        }
        if (size === null || at === size) break;
        throw deliveryFailed(`${key}: ${at} of ${size} bytes came`, 'retry');
      } catch (error) {
        current?.discard();
        current = null;
        const passing = isMpdError(error) && (error.class === 'retry' || error.class === 'target-down');
        // Without an entity tag nothing but the digest at the end can tell that the content is the same.
        const goesOn = first.ranges && (first.etag !== null || hash !== null);
        if (!passing || !goesOn || tries >= TRIES) throw error;
      }
    }
    if (hash !== null && !hash.digest().equals(claim!.value))
      throw deliveryFailed(
        `${key}: what the provider's link gave does not have the ${claim!.algorithm} it should`,
        'retry',
      );
  }

  const stream = read();
  return { revision, size, claim, stream: closing(stream, () => first.discard()) };
}

function hashOf(claim: Checksum | null): Hash | null {
  const name = claim === null ? undefined : HASHES[claim.algorithm];
  return name === undefined ? null : createHash(name);
}

/** Lets go of the connection also when nobody begins to read. */
const closing = (source: AsyncGenerator<Uint8Array>, close: () => void): AsyncIterable<Uint8Array> => ({
  [Symbol.asyncIterator]: () => ({
    next: () => source.next(),
    async return() {
      close();
      await source.return(undefined);
      return { done: true, value: undefined };
    },
  }),
});
