import { createHash } from 'node:crypto';
import { compareObjectRefs, type ObjectRef, sameObjectRef } from '../mal/index.js';
import { MpdError, type ProductMetadata, unknown } from '../mpd/index.js';
import type { Backend, BackendCapabilities, Body, Change, Entry, Listed } from './backend.js';
import { productRef } from './values.js';

/** A backend in memory with a durable feed, for tests of the core. Bodies are small. */
export interface MemoryBackend extends Backend {
  put(key: string, body: string, options?: PutOptions): Entry;
  touch(key: string): void;
  remove(key: string): void;
  republish(key: string): void;
}

export interface PutOptions {
  readonly type?: string;
  readonly created?: bigint;
  readonly updated?: bigint;
  readonly attributes?: ProductMetadata['attributes'];
  readonly path?: string;
  readonly claim?: Entry['claim'];
  /** Held, but the feed does not tell. */
  readonly silent?: boolean;
}

export function memoryBackend(
  id = 'memory',
  domain: readonly string[] = ['test'],
  capabilities: Partial<BackendCapabilities> = {},
): MemoryBackend {
  const held = new Map<string, { entry: Entry; body: Buffer }>();
  const log: Change[] = [];
  let tick = 1_700_000_000_000_000_000n;
  let wake = () => {};
  const tell = (change: Change) => {
    log.push(change);
    wake();
  };
  const entries = () => [...held.values()].map((item) => item.entry);
  return {
    id,
    domains: [domain],
    capabilities: {
      feed: 'durable',
      ranges: true,
      upstream: false,
      checksum: 'sha-256',
      folders: true,
      ...capabilities,
    },
    put(key, text, options = {}) {
      const body = Buffer.from(text);
      const known = held.get(key);
      const sha256 = createHash('sha256').update(body).digest();
      tick += 1_000_000_000n;
      const updatedAt = options.updated ?? tick;
      const created = options.created ?? known?.entry.metadata.creationDate ?? updatedAt;
      const entry: Entry = {
        metadata: {
          productType: { name: options.type ?? 'file', description: null, attributeDefs: null },
          productRef: productRef(domain, key, Number(updatedAt / 1_000_000_000n)),
          creationDate: created,
          source: null,
          externalURI: null,
          contentDate: { start: created, end: created },
          attributes: options.attributes ?? null,
          description: null,
          fileMetadata: { updateDate: updatedAt, mime: 'application/octet-stream', fileSize: BigInt(body.length) },
          checksum: new Uint8Array(sha256),
        },
        revision: sha256.toString('hex'),
        updatedAt,
        path: options.path ?? key,
        fileName: null,
        claim: options.claim ?? null,
      };
      held.set(key, { entry, body });
      const kind = known ? (known.entry.revision === entry.revision ? 'touched' : 'updated') : 'new';
      if (!options.silent) tell({ kind, entry });
      return entry;
    },
    touch: (key) => tell({ kind: 'touched', entry: held.get(key)!.entry }),
    republish: (key) => tell({ kind: 'republished', entry: held.get(key)!.entry }),
    remove(key) {
      const ref = held.get(key)!.entry.metadata.productRef;
      held.delete(key);
      tell({ kind: 'removed', ref });
    },
    productTypes: async () =>
      [...new Set(entries().map((entry) => entry.metadata.productType.name))].map((name) => ({
        name,
        description: null,
        attributeDefs: null,
      })),
    async *list(query, { order, after, signal }) {
      const time = (entry: Entry) => (order === 'created' ? entry.metadata.creationDate : entry.updatedAt);
      const compare = (a: Entry, b: Entry) =>
        time(a) < time(b)
          ? -1
          : time(a) > time(b)
            ? 1
            : compareObjectRefs(a.metadata.productRef, b.metadata.productRef);
      let place = after === undefined ? null : (JSON.parse(after) as { t: string; ref: ObjectRef });
      for (;;) {
        signal.throwIfAborted();
        const next: Entry | undefined = entries()
          .filter(
            (entry) =>
              !query.updated || (entry.updatedAt >= query.updated.start && entry.updatedAt <= query.updated.end),
          )
          .sort(compare)
          .find((entry) => {
            if (!place) return true;
            const t = BigInt(place.t);
            if (time(entry) !== t) return time(entry) > t;
            return compareObjectRefs(entry.metadata.productRef, place.ref) > 0;
          });
        if (!next) return;
        place = { t: String(time(next)), ref: next.metadata.productRef };
        yield { entry: next, position: JSON.stringify(place) } satisfies Listed;
      }
    },
    get: async (refs) =>
      refs.map((ref) => {
        const item = held.get(ref.key);
        return item && sameObjectRef(item.entry.metadata.productRef, ref) ? item.entry : 'unknown';
      }),
    async open(ref, { revision, offset }): Promise<Body> {
      const item = held.get(ref.key);
      if (!item || (revision !== null && item.entry.revision !== revision)) throw unknown([0], `${ref.key} is unknown`);
      const { body, entry } = item;
      return {
        revision: entry.revision,
        size: body.length,
        claim: entry.claim,
        stream: (async function* () {
          if (body.length > offset) yield new Uint8Array(body.subarray(offset));
        })(),
      };
    },
    async follow({ cursor }, { signal }) {
      if (cursor === null) return { changes: [], cursor: String(log.length) };
      const from = Number(cursor);
      if (from > log.length) throw new MpdError('Internal', { class: 'fatal', message: 'a cursor from the future' });
      if (from === log.length)
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, 1000);
          wake = () => {
            clearTimeout(timer);
            resolve();
          };
          signal.addEventListener('abort', wake, { once: true });
        });
      return { changes: log.slice(from, from + 2000), cursor: String(Math.min(log.length, from + 2000)) };
    },
    check: async () => ({ ok: true, reason: 'in memory' }),
    close: async () => undefined,
  };
}
