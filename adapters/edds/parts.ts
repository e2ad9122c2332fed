import { setTimeout as sleep } from 'node:timers/promises';
import { isMpdError, MpdError } from '../../src/mpd/index.js';
import type { CachedFile, FileCache, Receiver } from './cache.js';
import { means } from './fault.js';
import type { EddsService, FetchedPart } from './service.js';

export interface StoredPart extends FetchedPart {
  readonly requestId: string;
  readonly ordinal: number;
  readonly file: CachedFile;
}

const ATTEMPTS = 5;

/** Key under which a part lies in the cache. */
export const partKey = (requestId: string, ordinal: number): string => `part:${requestId}#${ordinal}`;

/**
 * Fetches one part into the cache, again when it was cut off on its way. `missing`: it will never exist; `later`: not yet.
 * Anything else throws.
 */
export async function fetchPart(
  service: EddsService,
  cache: FileCache,
  requestId: string,
  ordinal: number,
  signal: AbortSignal,
  how: { readonly isHashed?: boolean } = {},
): Promise<StoredPart | 'missing' | 'later'> {
  for (let attempt = 1; ; attempt++) {
    let fetched: FetchedPart | undefined;
    try {
      const make = async ({ write }: Receiver): Promise<void> => {
        fetched = await service.fetch(requestId, ordinal, write, signal);
      };
      const file = await cache.receive(partKey(requestId, ordinal), make, how);
      return { ...fetched!, requestId, ordinal, file };
    } catch (error) {
      signal.throwIfAborted();
      if (means(error, 'noSuchPart')) return 'missing';
      if (means(error, 'notReady')) return 'later';
      const transient = isMpdError(error) && (error.class === 'retry' || error.class === 'target-down');
      if (!transient || attempt >= ATTEMPTS) throw error;
      await sleep(Math.min(100 * 2 ** attempt, 5000), undefined, { signal });
    }
  }
}

/** All parts of a request that has ended well, in order and without their sums; an error when one that must exist does not. */
export async function* fetchParts(
  service: EddsService,
  cache: FileCache,
  requestId: string,
  signal: AbortSignal,
): AsyncGenerator<StoredPart> {
  let expectMore = service.profile.last !== 'fault';
  for (let ordinal = 1; ; ordinal++) {
    const part = await fetchPart(service, cache, requestId, ordinal, signal, { isHashed: false });
    if (typeof part === 'string') {
      const nothing = ordinal === 1 && service.profile.whenEmpty === 'none';
      if (part === 'missing' && (nothing || (!expectMore && ordinal > 1))) return;
      throw new MpdError('Internal', { class: 'retry', message: `part ${ordinal} of ${requestId} is missing at EDDS` });
    }
    yield part;
    expectMore = part.last === false;
    if (part.last === true) return;
  }
}
