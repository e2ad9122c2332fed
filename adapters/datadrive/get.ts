import type { Entry } from '../../src/gateway/backend.js';
import type { ObjectRef } from '../../src/mal/index.js';
import { entriesOf } from './entries.js';
import { type FileRecord, recordOf, versionOf } from './entry.js';
import type { Index } from './pages.js';
import { alwaysClauses } from './query.js';
import type { Hit } from './search.js';

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
