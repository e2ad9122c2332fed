import type { BackendQuery, Entry, Listed, ListOptions } from '../../src/gateway/backend.js';
import { inParts } from '../../src/gateway/in-parts.js';
import { invalid } from '../../src/mpd/index.js';
import { entryMaker } from './entries.js';
import { type Index, type Position, positionOf, readPages } from './pages.js';
import { searchFor } from './query.js';
import type { Hit } from './search.js';

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

function parsePosition(text: string): Position {
  const match = /^(-?\d{1,16}):(.+)$/s.exec(text);
  if (match === null) throw invalid('after', 'no position of this index');
  return { at: Number(match[1]), id: match[2] ?? '' };
}
