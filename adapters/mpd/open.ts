import { type Body, type Checksum, formatTime, type OpenOptions } from '../../src/gateway/backend.js';
import { MpdError, unknown } from '../../src/mpd/index.js';
import { entryOf, type ProductRow, refOf, revisionOf } from './entry.js';
import type { MpdService } from './service.js';

/** The bytes of a product, fetched whole: MPD sends a product in one message. */
export async function openProduct(
  service: Pick<MpdService, 'get'>,
  row: ProductRow,
  algorithm: Checksum['algorithm'] | null,
  { revision, offset, signal }: OpenOptions,
): Promise<Body> {
  const ref = refOf(row);
  const changed = () => unknown(null, `${ref.key} is no longer what it was at ${formatTime(row.updated_ns)}`);
  if (revision !== null && revision !== row.revision) throw changed();
  const { productMetadata, productBody } = await service.get(ref, signal);
  const now = revisionOf(productMetadata);
  if (now !== (revision ?? now)) throw changed();
  const size = productMetadata.fileMetadata?.fileSize;
  if (size !== undefined && size !== BigInt(productBody.length)) {
    throw new MpdError('Delivery Failed', {
      class: 'retry',
      message: `${ref.key}: the provider sent ${productBody.length} bytes of ${size}`,
    });
  }
  return {
    revision: now,
    size: productBody.length,
    claim: entryOf(row, algorithm).claim,
    stream: (async function* () {
      for (let at = offset; at < productBody.length; at += CHUNK) {
        signal.throwIfAborted();
        yield productBody.subarray(at, at + CHUNK);
      }
    })(),
  };
}

const CHUNK = 256 * 1024;
