import { createHash } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import type { Backend, BackendFactory, Change, Entry, Listed, ListOptions } from '../../src/gateway/backend.js';
import { compareObjectRefs, objectRefId } from '../../src/mal/index.js';
import { filterBounds } from '../../src/mpd/filter/index.js';
import { invalid, type Product, unknown } from '../../src/mpd/index.js';

/** A backend module that holds the products a test gives it, exactly as given: `kind: module, module: HELD_PRODUCTS`. */
export const HELD_PRODUCTS = fileURLToPath(import.meta.url);

export interface HeldProducts {
  put(product: Product): void;
}

const HELD = Symbol.for('mpd-gateway test held products');
const shared = globalThis as unknown as Record<symbol, Map<string, Held> | undefined>;
/** By backend id, whether this module was loaded once or twice. */
const instances: Map<string, Held> = shared[HELD] ?? new Map();
shared[HELD] = instances;

/** What the backend of this id holds; products outlive the gateway. */
export const heldProducts = (id: string): HeldProducts => storeOf(id);

interface Held extends HeldProducts {
  readonly entries: Map<string, Listed & { readonly body: Uint8Array }>;
  readonly log: Change[];
  wake: () => void;
  /** Entries of these types, or all, ascending. */
  sorted(order: ListOptions['order'], types: readonly string[] | null): readonly Listed[];
}

function storeOf(id: string): Held {
  const known = instances.get(id);
  if (known !== undefined) return known;
  let tick = 1_700_000_000n;
  const sorted = new Map<string, readonly Listed[]>();
  const held: Held = {
    entries: new Map(),
    log: [],
    wake: () => {},
    put({ productMetadata: metadata, productBody: body }) {
      tick += 1n;
      const name = objectRefId(metadata.productRef);
      const revision = `${createHash('sha256').update(body).digest('hex').slice(0, 16)}-${tick}`;
      const entry: Entry = {
        metadata,
        revision,
        updatedAt: tick * 1_000_000_000n,
        path: null,
        fileName: null,
        claim: null,
      };
      held.log.push({ kind: held.entries.has(name) ? 'updated' : 'new', entry });
      held.entries.set(name, { entry, body, position: name });
      sorted.clear();
      held.wake();
    },
    sorted(order, types) {
      const name = `${order} ${JSON.stringify(types)}`;
      const known = sorted.get(name);
      if (known !== undefined) return known;
      const time = ({ entry: { metadata, updatedAt } }: Listed) =>
        order === 'created' ? metadata.creationDate : updatedAt;
      const entries = [...held.entries.values()]
        .filter(({ entry }) => types === null || types.includes(entry.metadata.productType.name))
        .sort((a, b) => {
          const difference = time(a) - time(b);
          if (difference === 0n) return compareObjectRefs(a.entry.metadata.productRef, b.entry.metadata.productRef);
          return difference < 0n ? -1 : 1;
        });
      sorted.set(name, entries);
      return entries;
    },
  };
  instances.set(id, held);
  return held;
}

export const createBackend: BackendFactory = async ({ id, domain }) => {
  const held = storeOf(id);
  const backend: Backend = {
    id,
    domains: [domain],
    capabilities: { feed: 'durable', ranges: true, upstream: false, checksum: null, folders: false },
    async productTypes() {
      const types = new Map(
        [...held.entries.values()].map(({ entry }) => [entry.metadata.productType.name, entry.metadata.productType]),
      );
      return [...types.values()];
    },
    list({ filter }, { order, after, signal }) {
      const { productTypes } = filterBounds(filter);
      const entries = held.sorted(order, productTypes);
      let at = after === undefined ? 0 : entries.findIndex(({ position }) => position === after) + 1;
      const known = after === undefined || at > 0;
      const next = async (): Promise<IteratorResult<Listed>> => {
        signal.throwIfAborted();
        if (!known) throw invalid('after', 'is no position');
        return at < entries.length ? { done: false, value: entries[at++]! } : { done: true, value: undefined };
      };
      return { [Symbol.asyncIterator]: () => ({ next }) };
    },
    get: async (refs) => refs.map((ref) => held.entries.get(objectRefId(ref))?.entry ?? 'unknown'),
    async open(ref, { revision, offset }) {
      const found = held.entries.get(objectRefId(ref));
      if (found === undefined || (revision !== null && found.entry.revision !== revision)) {
        throw unknown([0], `${ref.key} is unknown`);
      }
      const { body } = found;
      return {
        revision: found.entry.revision,
        size: body.length,
        claim: null,
        stream: (async function* () {
          for (let at = offset; at < body.length; at += 2 ** 20) yield body.subarray(at, at + 2 ** 20);
        })(),
      };
    },
    async follow({ cursor }, { signal }) {
      if (cursor === null) return { changes: [], cursor: String(held.log.length) };
      if (Number(cursor) === held.log.length) {
        await new Promise<void>((resolve) => {
          const wake = () => {
            clearTimeout(timer);
            signal.removeEventListener('abort', wake);
            resolve();
          };
          const timer = setTimeout(wake, 1000);
          held.wake = wake;
          signal.addEventListener('abort', wake);
        });
      }
      const changes = held.log.slice(Number(cursor), Number(cursor) + 2000);
      return { changes, cursor: String(Number(cursor) + changes.length) };
    },
    check: async () => ({ ok: true, reason: 'in memory' }),
    close: async () => undefined,
  };
  return backend;
};
