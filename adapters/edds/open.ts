import { createReadStream } from 'node:fs';
import type { Body, OpenOptions } from '../../src/gateway/backend.js';
import { invalid, MpdError, unknown } from '../../src/mpd/index.js';
import { type CachedFile, type FileCache, fileStream } from './cache.js';
import type { EddsIndex } from './catalogue.js';
import { virtualKey, virtualRevision } from './entry.js';
import type { Found } from './list.js';
import { fetchPart, partKey } from './parts.js';
import { filterOf, ruleOf, windowOf } from './request.js';
import { partMerger, type Retriever } from './retrieve.js';
import type { EddsService } from './service.js';

export interface OpenerOptions {
  readonly service: EddsService;
  readonly retriever: Retriever;
  readonly cache: FileCache;
  readonly index: EddsIndex;
  /** Milliseconds for which a retrieved result is used again, and the longest window of one, ms. */
  readonly reuse: number;
  readonly maxWindow: number;
  /** Reads the catalogue again, for the one file or as a whole. */
  readonly refresh: () => Promise<void>;
  readonly closing: AbortSignal;
}

/** Opens products: from the cache, or by asking EDDS. Who asks for the same while it is being made waits for the same job. */
export function opener(options: OpenerOptions) {
  const { service, retriever, cache, index, closing } = options;
  const madeAt = new Map<string, number>();

  const part = async (found: Found, signal: AbortSignal): Promise<CachedFile> => {
    const { row } = found;
    const key = partKey(row.request_id!, row.ordinal!);
    const there = await cache.get(key);
    if (there !== null && Buffer.compare(there.sha256, row.sha256!) === 0) return there;
    const fetched = await fetchPart(service, cache, row.request_id!, row.ordinal!, signal);
    const same =
      typeof fetched !== 'string' &&
      fetched.fileName === row.key &&
      Buffer.compare(fetched.file.sha256, row.sha256!) === 0;
    if (same) return fetched.file;
    await index.gone([row.key]);
    const why = typeof fetched === 'string' ? 'EDDS no longer has it' : `EDDS has made it anew as ${fetched.fileName}`;
    throw unknown(null, `${row.key} is no longer there: ${why}`);
  };

  const file = async (found: Found, options_: OpenOptions): Promise<CachedFile> => {
    const { row } = found;
    const { rule } = ruleOf(service.profile, row);
    const key = `file:${row.key}:${row.revision}`;
    const there = await cache.get(key);
    if (there !== null) return there;
    const made = await cache.obtain(key, async (receiver) => {
      let taken = 0;
      await retriever.run(
        rule.batch!,
        { fileName: [row.key] },
        async (fetched) => {
          if (++taken > 1)
            throw new MpdError('Internal', {
              class: 'fatal',
              message: `EDDS gives several files for the name ${row.key}`,
            });
          for await (const chunk of createReadStream(fetched.file.path)) await receiver.write(chunk as Buffer);
          await cache.drop(partKey(fetched.requestId, fetched.ordinal));
        },
        closing,
        options_.progress,
      );
    });
    await options.refresh();
    const now = (await index.find([row.key])).get(row.key);
    if (now?.revision === row.revision && (row.size === null || BigInt(made.bytes) === row.size)) return made;
    await cache.drop(key);
    if (now === undefined) throw unknown(null, `${row.key} is no longer there`);
    throw new MpdError('Unknown', { class: 'retry', message: `${row.key} was replaced while it was fetched` });
  };

  const virtual = async (found: Found, progress: OpenOptions['progress']): Promise<CachedFile> => {
    const { row, window } = found;
    const { name, rule } = ruleOf(service.profile, row);
    if (rule.batch === undefined) throw invalid('productType', `${name} cannot be asked for by request at this site`);
    const length = (window!.end - window!.start) / 1_000_000n;
    if (length > BigInt(Math.trunc(options.maxWindow))) {
      throw invalid(
        'contentDate',
        `one retrieval may cover ${Math.round(options.maxWindow / 3_600_000)} hours; ask for a shorter window`,
      );
    }
    const key = `virtual:${virtualKey(row.key, window!.start, window!.end)}`;
    if (Date.now() - (madeAt.get(key) ?? 0) > options.reuse) {
      madeAt.delete(key);
      if (!making.has(key)) await cache.drop(key);
    }
    making.add(key);
    try {
      return await cache.obtain(key, async (receiver) => {
        const merger = partMerger(receiver);
        const values = {
          ...filterOf(rule, row),
          ...windowOf(window!),
          ...(rule.filing !== undefined && { timeField: rule.filing }),
        };
        await retriever.run(
          rule.batch!,
          values,
          async (fetched) => {
            await merger.add(fetched);
            await cache.drop(partKey(fetched.requestId, fetched.ordinal));
            progress?.(`part ${fetched.ordinal} of EDDS request ${fetched.requestId} is here`);
          },
          closing,
          progress,
        );
        const { problems } = await merger.end();
        if (problems > 0) progress?.(`${problems} elements of the response could not be read and were left out`);
        madeAt.set(key, Date.now());
      });
    } finally {
      making.delete(key);
    }
  };
  const making = new Set<string>();

  return async (found: Found, request: OpenOptions): Promise<Body> => {
    const { row, window } = found;
    const current = window === null ? row.revision : virtualRevision(virtualKey(row.key, window.start, window.end));
    if (request.revision !== null && request.revision !== current)
      throw unknown(null, `${row.key} has another content now`);
    if (request.offset !== 0) throw invalid('offset', 'EDDS gives whole files only');
    request.signal.throwIfAborted();
    const work =
      window !== null
        ? virtual(found, request.progress)
        : row.kind === 'part'
          ? part(found, closing)
          : file(found, request);
    const stored = await unlessAborted(work, request.signal);
    return { revision: current, size: stored.bytes, claim: null, stream: fileStream(stored, request.signal) };
  };
}

/** The work goes on for the others that wait for it. */
function unlessAborted<Result>(work: Promise<Result>, signal: AbortSignal): Promise<Result> {
  return new Promise((resolve, reject) => {
    const stop = (): void => reject(signal.reason);
    signal.addEventListener('abort', stop, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', stop));
  });
}
