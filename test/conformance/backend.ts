import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Backend, BackendQuery, Change, Entry, Listed } from '../../src/gateway/backend.js';
import { compareUtf8, type ObjectRef } from '../../src/mal/index.js';
import { domainMatches } from '../../src/mpd/filter/index.js';
import { isMpdError, MpdError } from '../../src/mpd/index.js';
import { backendFilterProperties } from './backend-filters.js';
import { backendUpstream, type UpstreamView } from './backend-upstream.js';

/** A system with a backend in front of it, empty at first. What is done to the system may show in the backend a little later. */
export interface BackendFixture {
  readonly backend: Backend;
  /** Stores or replaces a product behind the backend's back. A hint that the system cannot take is left out. */
  put(key: string, bytes: Uint8Array, hints?: ProductHints): Promise<void>;
  remove(key: string): Promise<void>;
  /** Changes what the system says of a product, not its bytes; absent with `skip.touch`. */
  touch?(key: string): Promise<void>;
  /** Takes the system away; the result brings it back. Absent with `skip.outage`. */
  outage?(): Promise<() => Promise<void>>;
  /** Ends the backend, lets `meanwhile` happen, and starts another one on the same system. */
  restart(meanwhile: () => Promise<void>): Promise<Backend>;
  /** What is ordered at the system, where the harness says `upstream`. */
  readonly upstream?: UpstreamView;
  close(): Promise<void>;
}

export interface ProductHints {
  /** ns since 1970 UTC, whole seconds. */
  readonly created?: bigint;
  readonly content?: { readonly start: bigint; readonly end: bigint };
  readonly source?: string;
  /** The system's own fields, as text; which of them become attributes the mapping decides. */
  readonly fields?: Readonly<Record<string, string | number>>;
}

export interface BackendHarness {
  create(): Promise<BackendFixture>;
  /** Why something is missing: its tests are skipped and show this. */
  readonly skip?: Partial<Record<SkippableAbility, string>>;
  /** A key for the nth product; the default is `folder/product-n.dat`. */
  readonly key?: (n: number) => string;
  /** Names of the hints' `fields` that the mapping under test knows, for the filter properties. */
  readonly fields?: readonly string[];
  /** The system takes orders and its fixtures let them be seen: the rules of `Backend.upstream` are tested too. */
  readonly upstream?: boolean;
  /** How long a change may take to show, ms; default 30 s. */
  readonly patience?: number;
}

export type SkippableAbility =
  | 'awkwardNames' // keys are not free text
  | 'zeroLength'
  | 'equalTimes' // creation times cannot be chosen
  | 'touch'
  | 'remove'
  | 'replace' // products never change
  | 'large' // no bodies of some MiB
  | 'outage';

const AWKWARD = [
  'a b.dat',
  `it's "quoted".txt`,
  'hash#1.bin',
  'what?.bin',
  '100%.txt',
  '%41.txt',
  '日本語 データ.fits',
  'a+b&c=d;e,f.x',
  '-dash',
  'back\\slash',
  'emoji 🛰.bin',
];

const T0 = 1_600_000_000_000_000_000n;
const SECOND = 1_000_000_000n;
const ALL: BackendQuery = { filter: null, created: null, content: null, updated: null };

/** The rules of the Backend port, for any implementation. */
export function backendConformance(name: string, harness: BackendHarness): void {
  const { skip = {}, key = (n: number) => `folder/product-${n}.dat`, patience = 30_000 } = harness;
  const unless = (...abilities: SkippableAbility[]) => {
    const reason = abilities.map((ability) => skip[ability]).find((text) => text !== undefined);
    return (title: string, run: () => Promise<void>) =>
      reason === undefined ? it(title, run) : it.skip(`${title} (${reason})`, run);
  };

  describe(`backend conformance: ${name}`, () => {
    describe('a system that holds products', () => {
      let system: BackendFixture;
      let backend: Backend;
      const contents = new Map<string, Uint8Array>();

      beforeAll(async () => {
        system = await harness.create();
        backend = system.backend;
        for (let n = 0; n < 12; n++) contents.set(key(n), bytesOf(n, 100 + n));
        if (skip.awkwardNames === undefined) for (const odd of AWKWARD) contents.set(`odd/${odd}`, bytesOf(77, 10));
        if (skip.zeroLength === undefined) contents.set(key(1000), new Uint8Array(0));
        let n = 0n;
        for (const [product, bytes] of contents) {
          // Three at a time are created in the same second.
          await system.put(product, bytes, { created: T0 + (n++ / 3n) * SECOND });
        }
        await until(patience, 'all products are listed', async () => (await all(backend)).length >= contents.size);
      });
      afterAll(() => system?.close());

      const entryOf = async (product: string): Promise<Entry> => {
        const found = (await all(backend)).find(({ entry }) => keyOf(entry) === product);
        if (found === undefined) throw new Error(`${product} is not listed`);
        return found.entry;
      };

      it('takes orders for the system when it says so, and only then', () => {
        expect(backend.upstream !== undefined).toBe(backend.capabilities.upstream);
      });

      it('lists each product once, under its domains, with a type that it declares', async () => {
        const entries = (await all(backend)).map(({ entry }) => entry);
        expect(entries.map(keyOf).sort()).toEqual([...contents.keys()].sort());
        const types = new Map((await backend.productTypes()).map((type) => [type.name, type]));
        for (const { metadata } of entries) {
          const { domain } = metadata.productRef;
          expect(backend.domains.some((prefix) => domainMatches(domain, [...prefix, '*']))).toBe(true);
          const declared = types.get(metadata.productType.name);
          expect(declared, metadata.productType.name).toBeDefined();
          const defs = new Map(declared?.attributeDefs?.map((def) => [def.name, def.attributeType]));
          for (const { name: attribute, value } of metadata.attributes ?? []) {
            if (value !== null) expect(defs.get(attribute)).toBe(value.type.toUpperCase());
          }
          expect(metadata.contentDate.start <= metadata.contentDate.end).toBe(true);
        }
      });

      it.each(['created', 'updated'] as const)('lists by %s time, then by key in byte order', async (order) => {
        const listed = await all(backend, ALL, order);
        expect(listed).toHaveLength(contents.size);
        const sorted = [...listed].sort((a, b) => compareListed(a, b, order));
        expect(listed.map(({ entry }) => keyOf(entry))).toEqual(sorted.map(({ entry }) => keyOf(entry)));
      });

      it.each(['created', 'updated'] as const)('resumes exactly after every position, by %s time', async (order) => {
        const listed = await all(backend, ALL, order);
        for (const [index, { position }] of listed.entries()) {
          const rest = await take(backend, ALL, { order, after: position, limit: 1000 });
          expect(rest.map(({ entry }) => keyOf(entry))).toEqual(
            listed.slice(index + 1).map(({ entry }) => keyOf(entry)),
          );
        }
      });

      it('gives positions that another instance understands', async () => {
        const listed = await all(backend);
        backend = await system.restart(async () => undefined);
        const rest = await take(backend, ALL, { order: 'created', after: listed[4]!.position, limit: 1000 });
        expect(rest.map(({ entry }) => keyOf(entry))).toEqual(listed.slice(5).map(({ entry }) => keyOf(entry)));
      });

      it('refuses a position that it never gave', async () => {
        await expect(take(backend, ALL, { order: 'created', after: '{no position}', limit: 5 })).rejects.toSatisfy(
          (error) => isMpdError(error, 'Invalid'),
        );
      });

      it('ends a listing when the signal aborts', async () => {
        const control = new AbortController();
        const reading = (async () => {
          for await (const _ of backend.list(ALL, { order: 'created', limit: 2, signal: control.signal }))
            control.abort();
        })();
        await expect(reading).rejects.toThrow();
      });

      it('leaves nothing out that lies in the windows, ends included', async () => {
        const entries = (await all(backend)).map(({ entry }) => entry);
        for (const { metadata, updatedAt } of entries) {
          const { creationDate: at, contentDate } = metadata;
          const queries: Partial<BackendQuery>[] = [
            { created: { start: at, end: at } },
            { content: { start: contentDate.end, end: contentDate.end + SECOND } },
            { content: { start: contentDate.start - SECOND, end: contentDate.start } },
            { updated: { start: updatedAt, end: updatedAt } },
          ];
          for (const query of queries) {
            const found = await all(backend, { ...ALL, ...query });
            expect(found.map(({ entry }) => keyOf(entry))).toContain(metadata.productRef.key);
          }
        }
      });

      it('gets entries index by index, as listed; unknown and old ones are unknown', async () => {
        const [first, second] = (await all(backend)).map(({ entry }) => entry);
        const ref = first!.metadata.productRef;
        const refs: ObjectRef[] = [
          { ...ref, key: `${ref.key}-absent` },
          ref,
          { ...ref, version: ref.version === 0 ? 1 : ref.version - 1 },
          second!.metadata.productRef,
          { ...ref, domain: [...ref.domain, 'elsewhere'] },
          ref,
        ];
        expect(await backend.get(refs)).toEqual(['unknown', first, 'unknown', second, 'unknown', first]);
        expect(await backend.get([])).toEqual([]);
      });

      it('opens what it lists: every byte, size and revision', async () => {
        for (const { entry } of await all(backend)) {
          const body = await open(backend, entry);
          const bytes = await collect(body.stream);
          expect(Buffer.compare(bytes, contents.get(keyOf(entry))!), keyOf(entry)).toBe(0);
          expect(body.revision).toBe(entry.revision);
          if (body.size !== null) expect(body.size).toBe(bytes.length);
          const { fileMetadata, checksum } = entry.metadata;
          if (fileMetadata !== null) expect(fileMetadata.fileSize).toBe(BigInt(bytes.length));
          if (backend.capabilities.checksum !== null && checksum !== null) {
            expect(Buffer.from(checksum).toString('hex')).toBe(digest(backend.capabilities.checksum, bytes));
          }
        }
      });

      it('opens at any offset, where it has ranges', async () => {
        if (!backend.capabilities.ranges) return;
        const entry = await entryOf(key(5));
        const whole = contents.get(key(5))!;
        for (const offset of [0, 1, whole.length - 1, whole.length]) {
          const body = await open(backend, entry, { offset });
          expect(await collect(body.stream)).toEqual(Buffer.from(whole.subarray(offset)));
          if (body.size !== null) expect(body.size).toBe(whole.length);
        }
      });

      unless('zeroLength')('opens a product of no bytes', async () => {
        const body = await open(backend, await entryOf(key(1000)));
        expect(await collect(body.stream)).toHaveLength(0);
      });

      it('refuses another revision and an unknown reference', async () => {
        const entry = await entryOf(key(2));
        const options = { revision: 'not-this-one', offset: 0, signal: new AbortController().signal };
        await expect(backend.open(entry.metadata.productRef, options)).rejects.toSatisfy(isRefusedUnknown);
        const absent = { ...entry.metadata.productRef, key: `${keyOf(entry)}-absent` };
        await expect(backend.open(absent, { ...options, revision: null })).rejects.toSatisfy(isRefusedUnknown);
      });

      it('may be left before and after the first bytes', async () => {
        const entry = await entryOf(key(3));
        for (let times = 0; times < 50; times++) {
          const body = await open(backend, entry);
          const iterator = body.stream[Symbol.asyncIterator]();
          if (times % 2 === 1) await iterator.next();
          await iterator.return?.();
        }
        expect(await collect((await open(backend, entry)).stream)).toEqual(Buffer.from(contents.get(key(3))!));
      });

      it('is healthy and says what it has checked', async () => {
        expect(await backend.check()).toEqual({ ok: true, reason: expect.stringMatching(/\S/) });
      });

      unless('outage')('says why it is not healthy while the system is away, and recovers', async () => {
        const back = await system.outage!();
        try {
          await until(patience, 'the backend notices', async () => !(await backend.check()).ok);
          expect((await backend.check()).reason).toMatch(/\S/);
        } finally {
          await back();
        }
        await until(patience, 'the backend recovers', async () => (await backend.check()).ok);
        expect(await all(backend)).toHaveLength(contents.size);
      });

      unless('equalTimes')('pages each product exactly once while others of the same time are added', async () => {
        const before = (await all(backend)).map(({ entry }) => keyOf(entry));
        const created = T0 + SECOND;
        const got: string[] = [];
        let after: string | undefined;
        for (let page = 0; ; page++) {
          const rows = await take(
            backend,
            ALL,
            { order: 'created', limit: 2, ...(after !== undefined && { after }) },
            2,
          );
          got.push(...rows.map(({ entry }) => keyOf(entry)));
          after = rows.at(-1)?.position;
          if (rows.length === 0) break;
          if (page >= 6) continue;
          const added = key(2000 + page * 7);
          contents.set(added, bytesOf(page, 20));
          await system.put(added, bytesOf(page, 20), { created });
          await until(patience, `${added} is listed`, async () =>
            (await all(backend)).some(({ entry }) => keyOf(entry) === added),
          );
        }
        expect(new Set(got).size).toBe(got.length);
        expect(got).toEqual(expect.arrayContaining(before));
      });
    });

    backendFilterProperties(harness);
    backendUpstream(harness);

    describe('a system that changes', () => {
      let system: BackendFixture;
      let backend: Backend;
      let feed: Feed;

      beforeAll(async () => {
        system = await harness.create();
        backend = system.backend;
        await system.put(key(1), bytesOf(1, 50), { created: T0 });
        await system.put(key(2), bytesOf(2, 50), { created: T0 });
        await until(patience, 'the first products are listed', async () => (await all(backend)).length === 2);
        feed = await follow(backend, patience);
      });
      afterAll(() => system?.close());

      it('answers the first contact with a cursor and no changes', async () => {
        const first = await backend.follow({ cursor: null, interest: null }, { signal: new AbortController().signal });
        expect(first.changes).toEqual([]);
        expect(first.cursor).toMatch(/\S/);
        expect(await all(backend)).toHaveLength(2);
      });

      it('ends a quiet wait when the signal aborts', async () => {
        const control = new AbortController();
        const waiting = backend.follow({ cursor: feed.cursor, interest: null }, { signal: control.signal });
        control.abort();
        await expect(waiting.then(({ changes }) => changes)).rejects.toThrow();
      });

      it('tells of a new product, which then can be listed, got and opened', async () => {
        await system.put(key(3), bytesOf(3, 60), { created: T0 });
        const change = await feed.next('new', key(3));
        expect((await all(backend)).map(({ entry }) => keyOf(entry))).toContain(key(3));
        expect(await backend.get([change.entry.metadata.productRef])).toEqual([change.entry]);
        expect(await collect((await open(backend, change.entry)).stream)).toEqual(Buffer.from(bytesOf(3, 60)));
      });

      unless('replace')('tells of a replaced product, whose earlier revision is refused', async () => {
        const before = (await all(backend)).find(({ entry }) => keyOf(entry) === key(3))!.entry;
        await system.put(key(3), bytesOf(33, 60), { created: T0 + 5n * SECOND });
        const { entry } = await feed.next('updated', key(3));
        expect(entry.revision).not.toBe(before.revision);
        expect(entry.updatedAt > before.updatedAt).toBe(true);
        const old = { revision: before.revision, offset: 0, signal: new AbortController().signal };
        await expect(backend.open(entry.metadata.productRef, old)).rejects.toSatisfy(isRefusedUnknown);
        await expect(backend.open(before.metadata.productRef, old)).rejects.toSatisfy(isRefusedUnknown);
        expect(await collect((await open(backend, entry)).stream)).toEqual(Buffer.from(bytesOf(33, 60)));
      });

      it('does not call the same bytes stored again a new or changed product', async () => {
        await system.put(key(2), bytesOf(2, 50), { created: T0 });
        await system.put(key(4), bytesOf(4, 10), { created: T0 });
        const seen = await feed.until('new', key(4));
        const again = seen.filter((change) => changeKey(change) === key(2)).map(({ kind }) => kind);
        expect(again.filter((kind) => kind !== 'touched' && kind !== 'republished')).toEqual([]);
      });

      unless('touch')('tells of a change of metadata alone as touched, with the same revision', async () => {
        const before = (await all(backend)).find(({ entry }) => keyOf(entry) === key(2))!.entry;
        await system.touch!(key(2));
        const { entry } = await feed.next('touched', key(2));
        expect(entry.revision).toBe(before.revision);
        expect(entry.metadata).not.toEqual(before.metadata);
      });

      unless('remove')('tells of a removed product, which then is unknown', async () => {
        const { metadata } = (await all(backend)).find(({ entry }) => keyOf(entry) === key(1))!.entry;
        await system.remove(key(1));
        await feed.removed(key(1));
        expect(await backend.get([metadata.productRef])).toEqual(['unknown']);
        expect((await all(backend)).map(({ entry }) => keyOf(entry))).not.toContain(key(1));
        const options = { revision: null, offset: 0, signal: new AbortController().signal };
        await expect(backend.open(metadata.productRef, options)).rejects.toSatisfy(isRefusedUnknown);
      });

      it('finds from its cursor what happened while nobody was connected, where the feed is durable', async () => {
        if (backend.capabilities.feed !== 'durable') return;
        const { cursor } = feed;
        backend = await system.restart(async () => {
          await system.put(key(20), bytesOf(20, 30), { created: T0 });
          if (skip.replace === undefined) await system.put(key(4), bytesOf(44, 10), { created: T0 + 9n * SECOND });
          if (skip.remove === undefined) await system.remove(key(2));
        });
        feed = await follow(backend, patience, cursor);
        await feed.next('new', key(20));
        feed = await follow(backend, patience, cursor);
        if (skip.replace === undefined) await feed.next('updated', key(4));
        feed = await follow(backend, patience, cursor);
        if (skip.remove === undefined) await feed.removed(key(2));
      });

      unless('large', 'replace')('never mixes two contents when a product is replaced while it is read', async () => {
        const [old, fresh] = [bytesOf(5, 6_000_000), bytesOf(6, 6_000_000)];
        await system.put(key(30), old, { created: T0 });
        const entry = await listedWith(backend, key(30), old, patience);
        const outcome = await readWhile(backend, entry, () => system.put(key(30), fresh, { created: T0 + SECOND }));
        if (outcome instanceof Error) expect(outcome).toBeInstanceOf(MpdError);
        else expect(Buffer.compare(outcome, old)).toBe(0);
        const now = await listedWith(backend, key(30), fresh, patience);
        expect(Buffer.compare(await collect((await open(backend, now)).stream), fresh)).toBe(0);
      });

      unless('large', 'remove')('ends well or with an error when a product is removed while it is read', async () => {
        const content = bytesOf(7, 6_000_000);
        await system.put(key(31), content, { created: T0 });
        const entry = await listedWith(backend, key(31), content, patience);
        const outcome = await readWhile(backend, entry, () => system.remove(key(31)));
        if (outcome instanceof Error) expect(outcome).toBeInstanceOf(MpdError);
        else expect(Buffer.compare(outcome, content)).toBe(0);
      });

      unless('large')('stops reading when the signal aborts', async () => {
        const content = bytesOf(8, 6_000_000);
        await system.put(key(32), content, { created: T0 });
        const entry = await listedWith(backend, key(32), content, patience);
        const control = new AbortController();
        const body = await open(backend, entry, { signal: control.signal });
        const reading = (async () => {
          for await (const _ of body.stream) control.abort();
        })();
        await expect(reading).rejects.toThrow();
      });
    });
  });
}

interface Feed {
  readonly cursor: string;
  next(kind: 'new' | 'updated' | 'touched', key: string): Promise<Extract<Change, { entry: Entry }>>;
  /** Everything up to the change looked for. */
  until(kind: Change['kind'], key: string): Promise<readonly Change[]>;
  removed(key: string): Promise<void>;
}

async function follow(backend: Backend, patience: number, from: string | null = null): Promise<Feed> {
  const control = new AbortController();
  let cursor = from ?? (await backend.follow({ cursor: null, interest: null }, { signal: control.signal })).cursor;
  const until = async (kind: Change['kind'], key: string): Promise<readonly Change[]> => {
    const seen: Change[] = [];
    const end = performance.now() + patience;
    while (!seen.some((change) => change.kind === kind && changeKey(change) === key)) {
      if (performance.now() > end) {
        const told = seen.map((change) => `${change.kind} ${changeKey(change)}`).join(', ');
        throw new Error(`"${kind}" of ${key} was not told within ${patience} ms; told: ${told || 'nothing'}`);
      }
      const result = await backend.follow({ cursor, interest: null }, { signal: control.signal });
      cursor = result.cursor;
      seen.push(...result.changes);
    }
    return seen;
  };
  return {
    get cursor() {
      return cursor;
    },
    until,
    async next(kind, key) {
      const found = (await until(kind, key)).find((change) => change.kind === kind && changeKey(change) === key);
      return found as Extract<Change, { entry: Entry }>;
    },
    removed: async (key) => void (await until('removed', key)),
  };
}

const changeKey = (change: Change): string => (change.kind === 'removed' ? change.ref.key : keyOf(change.entry));

const keyOf = (entry: Entry): string => entry.metadata.productRef.key;

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

async function take(
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

function compareListed(a: Listed, b: Listed, order: 'created' | 'updated'): number {
  const time = ({ entry }: Listed): bigint => (order === 'created' ? entry.metadata.creationDate : entry.updatedAt);
  if (time(a) !== time(b)) return time(a) < time(b) ? -1 : 1;
  return compareUtf8(keyOf(a.entry), keyOf(b.entry));
}

const open = (backend: Backend, entry: Entry, options: { offset?: number; signal?: AbortSignal } = {}) =>
  backend.open(entry.metadata.productRef, {
    revision: entry.revision,
    offset: options.offset ?? 0,
    signal: options.signal ?? new AbortController().signal,
  });

async function collect(stream: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** Reads a product and lets something happen after its first bytes; the bytes, or what the reading ended with. */
async function readWhile(backend: Backend, entry: Entry, meanwhile: () => Promise<void>): Promise<Buffer | Error> {
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
async function listedWith(backend: Backend, key: string, bytes: Uint8Array, patience: number): Promise<Entry> {
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

const digest = (algorithm: string, bytes: Uint8Array): string =>
  createHash(algorithm.replace('sha-', 'sha')).update(bytes).digest('hex');

const isRefusedUnknown = (error: unknown): boolean => isMpdError(error, 'Unknown') && error.class === 'refuse';

async function until(patience: number, what: string, done: () => Promise<boolean>): Promise<void> {
  const end = performance.now() + patience;
  while (!(await done())) {
    if (performance.now() > end) throw new Error(`not within ${patience} ms: ${what}`);
    await sleep(20);
  }
}
