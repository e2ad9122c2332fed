import type { Catalogue, Principal, Told } from '../../gateway/api.js';
import type { Entry } from '../../gateway/backend.js';
import { formatObjectRef } from '../../mal/index.js';
import { isMpdError, MpdError, type ProductMetadata, unknown } from '../../mpd/index.js';
import type { Budget } from './budget.js';

/** A body in memory; `release` once it has been sent. */
export interface HeldBody {
  readonly bytes: Uint8Array;
  readonly release: () => void;
}

export type Known = { readonly entry: Entry } | { readonly told: Told };

export interface BodyReader {
  readonly limit: number;
  /**
   * The whole body of a product, of this revision.
   * @param known as the catalogue just gave it (`entry`), or an event some time ago (`told`)
   * @throws MpdError Too Many above the limit, Unknown when the product has changed, what the backend says
   */
  read(known: Known, principal: Principal, signal: AbortSignal, index?: number): Promise<HeldBody>;
}

export function createBodyReader(
  catalogue: Pick<Catalogue, 'body' | 'open'>,
  budget: Budget,
  limit: number,
): BodyReader {
  return {
    limit,
    async read(known, principal, signal, index) {
      const { metadata, revision } = 'entry' in known ? known.entry : known.told;
      const told = metadata.fileMetadata === null ? null : Number(metadata.fileMetadata.fileSize);
      const release = await budget.take(Math.min(told ?? limit, limit), signal);
      try {
        const body =
          'told' in known
            ? await catalogue.body(known.told, { signal }, principal)
            : (await catalogue.open(metadata.productRef, { revision, offset: 0, signal, ...known }, principal)).body;
        const chunks: Uint8Array[] = [];
        let size = 0;
        for await (const chunk of body.stream) {
          size += chunk.length;
          if (size > limit) throw tooLarge(metadata, body.size ?? size, limit, index);
          chunks.push(chunk);
        }
        return { bytes: chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks, size), release };
      } catch (error) {
        release();
        if (index !== undefined && isMpdError(error, 'Unknown')) throw unknown([index], error.message);
        throw error;
      }
    },
  };
}

/** Names the product by its place in the request, its size, the limit and what to do instead. */
export function tooLarge(metadata: ProductMetadata, size: number | bigint, limit: number, index?: number): MpdError {
  const which = index === undefined ? '' : `productRefs[${index}], `;
  const message = `${which}${formatObjectRef(metadata.productRef)}, has ${size} bytes, the limit of one message is ${limit}; use deliverProductFiles`;
  return new MpdError('Too Many', { class: 'refuse', message, extraInformation: message });
}
