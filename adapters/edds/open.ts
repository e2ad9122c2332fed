import { createReadStream } from 'node:fs';
import type { OutputForm } from '../../src/formats/edds-response/index.js';
import type { Body, OpenOptions } from '../../src/gateway/backend.js';
import { invalid, MpdError, type TimeWindow, unknown } from '../../src/mpd/index.js';
import type { Arrivals } from './arrivals.js';
import { type CachedFile, type FileCache, fileStream } from './cache.js';
import type { EddsIndex } from './catalogue.js';
import { type ProductRow, virtualKey, virtualRevision } from './entry.js';
import { faultText, inForm } from './forms.js';
import type { Found } from './list.js';
import { without } from './overlap.js';
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
  readonly arrivals: Arrivals;
}

/** Opens products: from the cache, or by asking EDDS. Who asks for the same while it is being made waits for the same job. */
export function opener(options: OpenerOptions) {
  const { service, retriever, cache, index, closing } = options;
  const madeAt = new Map<string, number>();
  const making = new Set<string>();
  /** What was wrong with merged parts and is not in the result. */
  const faults = new Map<string, string>();
  const news = listeners();

  const part = async (found: Found, signal: AbortSignal): Promise<CachedFile> => {
    const { row } = found;
    const key = partKey(row.request_id!, row.ordinal!);
    const there = await cache.get(key);
    if (there !== null && row.sha256 !== null && Buffer.compare(there.sha256, row.sha256) === 0) return there;
    if (row.record['part.placedFor'] !== undefined) {
      const lying = await options.arrivals.fetch(row, signal);
      if (lying !== null && row.sha256 !== null && Buffer.compare(lying.sha256, row.sha256) === 0) return lying;
      throw unknown(null, `${row.key} does not lie where EDDS has sent it, or not as it came`);
    }
    const fetched = await fetchPart(service, cache, row.request_id!, row.ordinal!, signal);
    // Made anew under another name it is the same as long as its bytes are.
    if (typeof fetched !== 'string') {
      const dropped = row.record['part.dropped'];
      const file = dropped === undefined ? fetched.file : await without(cache, key, fetched.file, String(dropped));
      if (Buffer.compare(file.sha256, row.sha256!) === 0) return file;
    }
    await index.gone([row.key]);
    const why = typeof fetched === 'string' ? 'EDDS no longer has it' : `EDDS has made it anew as ${fetched.fileName}`;
    throw unknown(null, `${row.key} is no longer there: ${why}`);
  };

  const file = async (found: Found, tell: (text: string) => void): Promise<CachedFile> => {
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
        tell,
      );
    });
    await options.refresh();
    const now = (await index.find([row.key])).get(row.key);
    if (now?.revision === row.revision && (row.size === null || BigInt(made.bytes) === row.size)) return made;
    await cache.drop(key);
    if (now === undefined) throw unknown(null, `${row.key} is no longer there`);
    throw new MpdError('Unknown', { class: 'retry', message: `${row.key} was replaced while it was fetched` });
  };

  const virtual = async (found: Found, tell: (text: string) => void): Promise<CachedFile> => {
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
    const key = virtualCacheKey(row, window!);
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
            if (fetched.last !== true || fetched.ordinal > 1)
              await cache.drop(partKey(fetched.requestId, fetched.ordinal));
            tell(`part ${fetched.ordinal} of EDDS request ${fetched.requestId} is here`);
          },
          closing,
          tell,
        );
        const { problems, fault, only } = await merger.end();
        const left = faultText(problems, fault);
        if (left === null) faults.delete(key);
        else faults.set(key, left);
        if (problems > 0) tell(`${problems} elements of the response could not be read and were left out`);
        const now = Date.now();
        for (const [other, time] of madeAt)
          if (now - time > options.reuse) {
            madeAt.delete(other);
            faults.delete(other);
          }
        madeAt.set(key, now);
        if (only === null) return undefined;
        cache.forget(partKey(only.requestId, only.ordinal));
        return only.file;
      });
    } finally {
      making.delete(key);
    }
  };
  return async (found: Found, request: OpenOptions): Promise<Body> => {
    const { row, window } = found;
    const current = window === null ? row.revision : virtualRevision(virtualKey(row.key, window.start, window.end));
    if (request.revision !== null && request.revision !== current)
      throw unknown(null, `${row.key} has another content now`);
    if (request.offset !== 0) throw invalid('offset', 'EDDS gives whole files only');
    request.signal.throwIfAborted();
    const wanted = `${row.key}|${current}`;
    const leave = news.join(wanted, request.progress);
    try {
      const tell = (text: string): void => news.tell(wanted, text);
      const work =
        window !== null ? virtual(found, tell) : row.kind === 'part' ? part(found, closing) : file(found, tell);
      const stored = await unlessAborted(work, request.signal);
      const body = { revision: current, size: stored.bytes, claim: null, stream: fileStream(stored, request.signal) };
      const known = window === null ? faultOfPart(row) : (faults.get(virtualCacheKey(row, window)) ?? null);
      if (request.form === undefined) return { ...body, fault: () => known };
      const { stream, fault } = inForm(request.form as OutputForm, body.stream);
      return { ...body, size: null, stream, fault: () => fault?.() ?? known };
    } finally {
      leave();
    }
  };
}

const virtualCacheKey = (row: ProductRow, { start, end }: TimeWindow): string =>
  `virtual:${virtualKey(row.key, start, end)}`;

/** What was found wrong with a part when it was taken. */
function faultOfPart({ record }: ProductRow): string | null {
  const first = record['part.fault'];
  return faultText(Number(record['part.unreadable'] ?? 0), first === undefined ? null : String(first));
}

const HEARTBEAT_MS = 5000;

/** Tells all who wait for the same product how it goes, and every few seconds that it still does. */
function listeners() {
  const waiting = new Map<string, { readonly all: Set<(text: string) => void>; last: string }>();
  return {
    tell(key: string, text: string): void {
      const entry = waiting.get(key);
      if (entry === undefined) return;
      entry.last = text;
      for (const listener of entry.all) listener(text);
    },
    join(key: string, listener: ((text: string) => void) | undefined): () => void {
      if (listener === undefined) return () => undefined;
      const entry = waiting.get(key) ?? { all: new Set(), last: 'waiting for EDDS' };
      waiting.set(key, entry);
      entry.all.add(listener);
      const timer = setInterval(() => listener(entry.last), HEARTBEAT_MS);
      return () => {
        clearInterval(timer);
        entry.all.delete(listener);
        if (entry.all.size === 0) waiting.delete(key);
      };
    },
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
