import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Backend, BackendQuery, Entry, Listed } from '../../../src/gateway/backend.js';
import { isMpdError, MpdError } from '../../../src/mpd/index.js';

/** ns since 1970 UTC. */
export const T0 = 1_600_000_000_000_000_000n;
export const SECOND = 1_000_000_000n;
export const ALL: BackendQuery = { filter: null, created: null, content: null, updated: null };

export const keyOf = (entry: Entry): string => entry.metadata.productRef.key;

/** Random-looking bytes that the seed decides. */
export function bytesOf(seed: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  let state = seed + 1;
  for (let at = 0; at < length; at++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    bytes[at] = state >>> 24;
  }
  return bytes;
}

export const all = (
  backend: Backend,
  query: BackendQuery = ALL,
  order: 'created' | 'updated' = 'created',
): Promise<Listed[]> => take(backend, query, { order, limit: 1000 });

export async function take(
  backend: Backend,
  query: BackendQuery,
  options: { readonly order: 'created' | 'updated'; readonly after?: string; readonly limit: number },
  most = Number.POSITIVE_INFINITY,
): Promise<Listed[]> {
  const out: Listed[] = [];
  for await (const listed of backend.list(query, { ...options, signal: new AbortController().signal })) {
    out.push(listed);
    if (out.length >= most) break;
  }
  return out;
}

export const open = (backend: Backend, entry: Entry, options: { offset?: number; signal?: AbortSignal } = {}) =>
  backend.open(entry.metadata.productRef, {
    revision: entry.revision,
    offset: options.offset ?? 0,
    signal: options.signal ?? new AbortController().signal,
  });

export async function collect(stream: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** Reads a product and lets something happen after its first bytes; the bytes, or what the reading ended with. */
export async function readWhile(
  backend: Backend,
  entry: Entry,
  meanwhile: () => Promise<void>,
): Promise<Buffer | Error> {
  const chunks: Uint8Array[] = [];
  try {
    for await (const chunk of (await open(backend, entry)).stream) {
      chunks.push(chunk);
      if (chunks.length === 1) await meanwhile();
    }
    return Buffer.concat(chunks);
  } catch (error) {
    return error as Error;
  }
}

/** The product's entry once it has this content. */
export async function listedWith(backend: Backend, key: string, bytes: Uint8Array, patience: number): Promise<Entry> {
  let found: Entry | undefined;
  await until(patience, `${key} is listed with its content`, async () => {
    found = (await all(backend)).find(({ entry }) => keyOf(entry) === key)?.entry;
    if (found === undefined) return false;
    try {
      return Buffer.compare(await collect((await open(backend, found)).stream), bytes) === 0;
    } catch (error) {
      if (error instanceof MpdError) return false;
      throw error;
    }
  });
  return found!;
}

export const digest = (algorithm: string, bytes: Uint8Array): string =>
  createHash(algorithm.replace('sha-', 'sha')).update(bytes).digest('hex');

export const isRefusedUnknown = (error: unknown): boolean => isMpdError(error, 'Unknown') && error.class === 'refuse';

export async function until(patience: number, what: string, done: () => Promise<boolean>): Promise<void> {
  const end = performance.now() + patience;
  while (!(await done())) {
    if (performance.now() > end) throw new Error(`not within ${patience} ms: ${what}`);
    await sleep(20);
  }
}
