import type { BackendQuery, Entry, Listed, ListOptions } from '../../src/gateway/backend.js';
import { inParts } from '../../src/gateway/in-parts.js';
import type { ObjectRef } from '../../src/mal/index.js';
import { invalid } from '../../src/mpd/index.js';
import type { CatalogueSource } from './catalogue.js';
import type { DataDriveConfig } from './config.js';
import { entryOf, type FileRecord, recordOf, versionOf } from './entry.js';
import { olderNamesakes } from './namesakes.js';
import { alwaysClauses, anyOf, type Clause, searchFor } from './query.js';
import { textOf } from './record.js';
import { type Hit, isLostView, type SearchClient, viewClause } from './search.js';

/** What listing and getting stand on. */
export interface Index {
  readonly config: DataDriveConfig;
  readonly search: SearchClient;
  readonly catalogue: CatalogueSource;
  /** Whether the follower has met documents that are not the newest of their name; without any, no listing looks for them. */
  readonly namesakes: () => Promise<boolean>;
}

interface Position {
  /** Ms since 1970 as the index sorts them. */
  readonly at: number;
  readonly id: string;
}

/**
 * Pages through the index by (time, id) in a frozen view where there is one. A view that is lost is opened again after the
 * last document seen, so nothing is left out and nothing comes twice; `from` is never used.
 */
export const listFiles = (index: Index, query: BackendQuery, options: ListOptions): AsyncIterable<Listed> =>
  inParts(listPages(index, query, options));

async function* listPages(
  index: Index,
  query: BackendQuery,
  { order, after, limit, signal }: ListOptions,
): AsyncGenerator<Iterator<Listed>, void> {
  const { fields } = index.config;
  const position = after === undefined ? null : parsePosition(after);
  const catalogue = await index.catalogue.current(signal);
  const { aliases, filter } = searchFor(query, catalogue, index.config);
  if (filter === null) return;
  const time = order === 'created' ? fields.created : fields.updated;
  const size = Math.max(1, Math.min(limit, index.config.elasticsearch.pageSize));
  const pages = readPages(index, { aliases, filter, time, position, size, signal });
  for await (const hits of pages) yield eachOf(hits, time, await entryMaker(index, hits, signal), signal);
}

/** One by one: a whole page of entries would outlive the collector's young space. */
function* eachOf(
  hits: readonly Hit[],
  time: string,
  entryFor: (hit: Hit) => Entry | null,
  signal: AbortSignal,
): Generator<Listed, void> {
  for (const hit of hits) {
    signal.throwIfAborted();
    const entry = entryFor(hit);
    if (entry) yield new ListedFile(entry, hit, time);
  }
}

/** Its position is put together only for those who look at it. */
class ListedFile implements Listed {
  readonly #hit: Hit;
  readonly #time: string;

  constructor(
    readonly entry: Entry,
    hit: Hit,
    time: string,
  ) {
    this.#hit = hit;
    this.#time = time;
  }

  get position(): string {
    const { at, id } = positionOf(this.#hit, this.#time);
    return `${at}:${id}`;
  }
}

export interface PageRequest {
  readonly aliases: readonly string[];
  readonly filter: readonly Clause[];
  /** Field to sort by, then by id; null = by id alone. */
  readonly time: string | null;
  readonly position: Position | null;
  /** Of the first page; later ones are as large as configured. */
  readonly size: number;
  readonly signal: AbortSignal;
  /** Fields wanted; default the whole document. */
  readonly source?: readonly string[];
}

/** Pages of documents in the order of (time, id) or of ids, each once; from the second on the next is asked for ahead. */
export async function* readPages(index: Index, request: PageRequest): AsyncGenerator<readonly Hit[]> {
  const pages = eachPage(index, request);
  try {
    let next = pages.next();
    for (let page = 0; ; page++) {
      const result = await next;
      if (result.done) return;
      // Whoever reads only the first page is not made to wait for another, nor the server to find it.
      if (page > 0) {
        next = pages.next();
        next.catch(() => undefined);
      }
      yield result.value;
      if (page === 0) next = pages.next();
    }
  } finally {
    await pages.return(undefined);
  }
}

async function* eachPage(index: Index, request: PageRequest): AsyncGenerator<readonly Hit[]> {
  const { config, search } = index;
  const { time, signal, source } = request;
  const path = request.aliases.map(encodeURIComponent).join(',');
  let { position, size } = request;
  let view: string | null = null;
  let asked = false;
  let sort: readonly unknown[] | undefined;
  try {
    for (;;) {
      signal.throwIfAborted();
      // One page needs no view.
      if (asked && view === null && sort === undefined) view = await search.openView(path, signal);
      const body = {
        size,
        track_total_hits: false,
        ...(source && { _source: source }),
        query: {
          bool: { filter: [...request.filter, ...(sort ? [] : afterClause(position, time, config.fields.id))] },
        },
        sort: [...(time === null ? [] : [{ [time]: { order: 'asc' } }]), { [config.fields.id]: { order: 'asc' } }],
        ...(view !== null && { pit: viewClause(view) }),
        ...(sort && view !== null && { search_after: sort }),
      };
      let hits: readonly Hit[];
      try {
        const answer = await search.search(view === null ? `/${path}/_search` : '/_search', body, signal);
        hits = answer.hits.hits;
        if (view !== null && answer.pit_id) view = answer.pit_id;
      } catch (error) {
        if (view === null || !isLostView(error)) throw error;
        view = null;
        sort = undefined;
        continue;
      }
      const last = hits.at(-1);
      if (last) {
        position = positionOf(last, time);
        yield hits;
      }
      if (!last || hits.length < size) return;
      asked = true;
      sort = view === null ? undefined : last.sort;
      size = config.elasticsearch.pageSize;
    }
  } finally {
    if (view !== null) await search.closeView(view).catch(() => undefined);
  }
}

/** Whatever sorts after the position. */
function afterClause(position: Position | null, time: string | null, id: string): readonly Clause[] {
  if (position === null) return [];
  if (time === null) return [{ range: { [id]: { gt: position.id } } }];
  const { at } = position;
  const same = { bool: { filter: [{ term: { [time]: { value: at } } }, { range: { [id]: { gt: position.id } } }] } };
  return [anyOf([{ range: { [time]: { gt: at, format: 'epoch_millis' } } }, same])];
}

function positionOf({ sort = [] }: Hit, time: string | null): Position {
  const [at, id] = time === null ? [0, sort[0]] : sort;
  return { at: Number(at), id: String(id) };
}

function parsePosition(text: string): Position {
  const match = /^(-?\d{1,16}):(.+)$/s.exec(text);
  if (match === null) throw invalid('after', 'no position of this index');
  return { at: Number(match[1]), id: match[2] ?? '' };
}

const NONE: ReadonlySet<string> = new Set();

/** Makes entries of these hits; null of what is no product, or not the newest of its name. An object type not seen before is looked up once. */
async function entryMaker(
  index: Index,
  hits: readonly Hit[],
  signal: AbortSignal,
): Promise<(hit: Hit) => Entry | null> {
  const { catalogue, config } = index;
  const now = await catalogue.current(signal);
  const isKnown = ({ _source }: Hit): boolean => now.knowsType(textOf(_source, config.fields.type) ?? '');
  const known = hits.every(isKnown) ? now : await catalogue.again(signal);
  const older = (await index.namesakes()) ? await olderNamesakes(index, hits, signal) : NONE;
  return (hit) => {
    const entry = entryOf(hit, known, config);
    return entry === null || older.has(entry.metadata.productRef.key) ? null : entry;
  };
}

/** Entries of hits, index by index. */
export async function entriesOf(
  index: Index,
  hits: readonly Hit[],
  signal: AbortSignal,
): Promise<readonly (Entry | null)[]> {
  return hits.map(await entryMaker(index, hits, signal));
}

const GET_PAGE = 500;

/** The newest document of each id. */
export async function findIds(
  index: Index,
  ids: readonly string[],
  signal: AbortSignal,
): Promise<ReadonlyMap<string, Hit>> {
  const { config, search } = index;
  const catalogue = await index.catalogue.current(signal);
  const path = catalogue.aliases.map(encodeURIComponent).join(',');
  const found = new Map<string, { readonly hit: Hit; readonly record: FileRecord }>();
  const distinct = [...new Set(ids)];
  for (let at = 0; at < distinct.length; at += GET_PAGE) {
    const terms = { terms: { [config.fields.id]: distinct.slice(at, at + GET_PAGE) } };
    // Twice the number of ids: an id may stand in two indices while a type is re-indexed.
    const body = {
      size: GET_PAGE * 2,
      track_total_hits: false,
      query: { bool: { filter: [...alwaysClauses(config), terms] } },
    };
    for (const hit of (await search.search(`/${path}/_search`, body, signal)).hits.hits) {
      const record = recordOf(hit, catalogue, config);
      const other = record && found.get(record.id);
      if (record && (!other || other.record.updatedAt < record.updatedAt)) found.set(record.id, { hit, record });
    }
  }
  return new Map([...found].map(([id, { hit }]) => [id, hit]));
}

/** Index by index; what has another version or domain now is unknown. */
export async function getFiles(
  index: Index,
  refs: readonly ObjectRef[],
  signal: AbortSignal,
): Promise<readonly (Entry | 'unknown')[]> {
  const keys = refs.filter(({ type }) => type === 'Product').map(({ key }) => key);
  if (keys.length === 0) return refs.map(() => 'unknown');
  const found = [...(await findIds(index, keys, signal))];
  const entries = await entriesOf(
    index,
    found.map(([, hit]) => hit),
    signal,
  );
  for (const [i, [, hit]] of found.entries()) if (entries[i]) hitsOf.set(entries[i], hit);
  const byId = new Map(found.map(([id], i) => [id, entries[i] ?? null]));
  return refs.map((ref) => {
    const entry = ref.type === 'Product' ? byId.get(ref.key) : null;
    const same =
      entry && versionOf(entry.updatedAt) === ref.version && sameParts(entry.metadata.productRef.domain, ref.domain);
    return same ? entry : 'unknown';
  });
}

const hitsOf = new WeakMap<Entry, Hit>();

/** The document that `getFiles` made an entry from. */
export const hitOf = (entry: Entry): Hit | undefined => hitsOf.get(entry);

const sameParts = (a: readonly string[], b: readonly string[]): boolean =>
  a.length === b.length && a.every((part, i) => part === b[i]);
