import type { Entry } from '../../src/gateway/backend.js';
import { entryOf } from './entry.js';
import { olderNamesakes } from './namesakes.js';
import type { Index } from './pages.js';
import { textOf } from './record.js';
import type { Hit } from './search.js';

const NONE: ReadonlySet<string> = new Set();

/** Makes entries of these hits; null of what is no product, or not the newest of its name. An object type not seen before is looked up once. */
export async function entryMaker(
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
