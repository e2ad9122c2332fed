import { compareObjectRefs, createPace } from '../../mal/index.js';
import { filterBounds, mayMatchBelow } from '../../mpd/filter/index.js';
import { invalid } from '../../mpd/index.js';
import type { Backend, BackendQuery, Entry, Listed } from '../backend.js';

/** Where a merged listing stands: for each backend the position of the last entry taken from it. */
type Positions = Readonly<Record<string, string>>;

export interface Merged {
  readonly entry: Entry;
  /** The listing goes on behind the entry. */
  readonly cursor: string;
}

interface ListingOptions {
  readonly positions: Positions;
  readonly limit: number;
  readonly signal: AbortSignal;
  /** Whether an entry was asked for: backends may list more. */
  readonly keep: (entry: Entry) => boolean;
}

/** One listing over several backends, ascending by creation time, then reference. */
export function mergeListings(
  backends: readonly Backend[],
  query: BackendQuery,
  options: ListingOptions,
): AsyncIterable<Merged> {
  const [first, ...others] = backends;
  return first !== undefined && others.length === 0
    ? listOne(first, query, options)
    : listSeveral(backends, query, options);
}

/** Calls for each entry of the listing, in its order; what it throws ends the listing. Quicker than to iterate. */
export async function visitListings(
  backends: readonly Backend[],
  query: BackendQuery,
  options: ListingOptions,
  visit: (entry: Entry) => void,
): Promise<void> {
  const [first, ...others] = backends;
  if (first === undefined || others.length > 0) {
    for await (const { entry } of listSeveral(backends, query, options)) visit(entry);
    return;
  }
  const pace = createPace();
  let count = 0;
  for await (const { entry } of listingOf(first, query, options)) {
    if (++count % STEP === 0 && pace.over()) await pace.rest();
    if (options.keep(entry)) visit(entry);
  }
}

const listingOf = (
  backend: Backend,
  query: BackendQuery,
  { positions, limit, signal }: ListingOptions,
): AsyncIterable<Listed> => {
  const after = positions[backend.id];
  return backend.list(query, { order: 'created', limit, signal, ...(after !== undefined && { after }) });
};

/** Not a generator, which would take several turns more for each entry. */
function listOne(backend: Backend, query: BackendQuery, options: ListingOptions): AsyncIterable<Merged> {
  const { positions, keep } = options;
  return {
    [Symbol.asyncIterator]() {
      const listing = listingOf(backend, query, options)[Symbol.asyncIterator]();
      const pace = createPace();
      let count = 0;
      return {
        async next() {
          for (;;) {
            if (++count % STEP === 0 && pace.over()) await pace.rest();
            const { done, value } = await listing.next();
            if (done) return { done, value: undefined };
            if (keep(value.entry)) return { done: false, value: new Place(value, positions, backend.id) };
          }
        },
        async return() {
          await listing.return?.();
          return { done: true, value: undefined };
        },
      };
    },
  };
}

/** An entry of a listing; its cursor is put together only for those who look at it. */
class Place implements Merged {
  constructor(
    private readonly listed: Listed,
    private readonly others: Positions,
    private readonly backend: string,
  ) {}

  get entry(): Entry {
    return this.listed.entry;
  }

  get cursor(): string {
    const positions: Positions = { ...this.others, [this.backend]: this.listed.position };
    return Buffer.from(JSON.stringify(positions)).toString('base64url');
  }
}

async function* listSeveral(
  backends: readonly Backend[],
  query: BackendQuery,
  options: ListingOptions,
): AsyncGenerator<Merged, void> {
  const stop = new AbortController();
  const signal = AbortSignal.any([options.signal, stop.signal]);
  let positions: Positions = options.positions;
  const sources = backends.map((backend) => {
    const listing = listingOf(backend, query, { ...options, signal });
    return { id: backend.id, iterator: listing[Symbol.asyncIterator](), head: null as Listed | null };
  });
  const advance = async (source: (typeof sources)[number]) => {
    const next = await source.iterator.next();
    source.head = next.done ? null : next.value;
  };
  try {
    await Promise.all(sources.map(advance));
    const pace = createPace();
    for (let count = 1; ; count++) {
      if (count % STEP === 0 && pace.over()) await pace.rest();
      let first: (typeof sources)[number] | null = null;
      for (const source of sources)
        if (source.head && (!first || before(source.head.entry, first.head!.entry))) first = source;
      if (!first) return;
      const listed = first.head!;
      if (options.keep(listed.entry)) yield new Place(listed, positions, first.id);
      positions = { ...positions, [first.id]: listed.position };
      await advance(first);
    }
  } finally {
    stop.abort(ENDED);
    await Promise.allSettled(sources.map((source) => source.iterator.return?.()));
  }
}

/** Entries after which a backend that never waits is made to. */
const STEP = 128;

/** One for all: an abort without a reason makes an error with its stack, for each listing. */
const ENDED = new Error('the listing has ended');

function before({ metadata: a }: Entry, { metadata: b }: Entry): boolean {
  if (a.creationDate !== b.creationDate) return a.creationDate < b.creationDate;
  return compareObjectRefs(a.productRef, b.productRef) < 0;
}

/** Backends that may hold something the filter lets pass. */
export function backendsFor(all: readonly Backend[], filter: BackendQuery['filter']): readonly Backend[] {
  const { domains } = filterBounds(filter);
  if (domains === null) return all;
  return all.filter((backend) => domains.some((pattern) => backend.domains.some((own) => mayMatchBelow(pattern, own))));
}

/** @throws MpdError Invalid, field `cursor` */
export function decodeCursor(cursor: string): Positions {
  try {
    const positions: unknown = JSON.parse(Buffer.from(cursor, 'base64url').toString('utf8'));
    if (
      typeof positions === 'object' &&
      positions !== null &&
      Object.values(positions).every((p) => typeof p === 'string')
    )
      return positions as Positions;
  } catch (error) {
    throw invalid('cursor', 'is not a cursor of this gateway', error);
  }
  throw invalid('cursor', 'is not a cursor of this gateway');
}
