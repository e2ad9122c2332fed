import type { CatalogueSource } from './catalogue.js';
import { anyOf, type Clause } from './clause.js';
import type { DataDriveConfig } from './config.js';
import { type Hit, isLostView, type SearchClient, viewClause } from './search.js';

/** What listing and getting stand on. */
export interface Index {
  readonly config: DataDriveConfig;
  readonly search: SearchClient;
  readonly catalogue: CatalogueSource;
  /** Whether the follower has met documents that are not the newest of their name; without any, no listing looks for them. */
  readonly namesakes: () => Promise<boolean>;
}

export interface Position {
  /** Ms since 1970 as the index sorts them. */
  readonly at: number;
  readonly id: string;
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

/** Where a document stands in the order of (time, id). */
export function positionOf({ sort = [] }: Hit, time: string | null): Position {
  const [at, id] = time === null ? [0, sort[0]] : sort;
  return { at: Number(at), id: String(id) };
}
