import { anyOf } from './clause.js';
import { infoOf } from './indexed.js';
import type { Index } from './pages.js';
import { alwaysClauses } from './query.js';
import { textOf, timeOf } from './record.js';
import { type Document, foundIn, type Hit } from './search.js';

/** Most documents that are compared for the names of one page. */
const MOST = 10_000;

const NONE: ReadonlySet<string> = new Set();

/**
 * Ids of documents that are not the newest of their package and full name, among these hits and beside them. A name is one file;
 * the index may hold it twice (spec §2.4, §8), and what the older document describes was overwritten. One query that only
 * counts, where no name stands twice.
 */
export async function olderNamesakes(
  { config, search, catalogue }: Index,
  hits: readonly Hit[],
  signal: AbortSignal,
): Promise<ReadonlySet<string>> {
  const { fields } = config;
  if (config.duplicates === 'all' || hits.length === 0) return NONE;
  const current = await catalogue.current(signal);
  const [name, pkg] = [fields.fullName, fields.package].map((field) => infoOf(current, field, true)?.exact ?? null);
  if (!name || !pkg) return NONE;
  const names = new Map<string, Set<string>>();
  for (const { _source } of hits) {
    const one = namedIn(_source, fields);
    if (one === null) continue;
    const known = names.get(one.pkg);
    if (known) known.add(one.name);
    else names.set(one.pkg, new Set([one.name]));
  }
  if (names.size === 0) return NONE;
  const same = [...names].map(([value, of]) => ({
    bool: { filter: [{ term: { [pkg]: { value } } }, { terms: { [name]: [...of] } }] },
  }));
  const path = `/${current.aliases.map(encodeURIComponent).join(',')}/_search`;
  const query = { bool: { filter: [...alwaysClauses(config), anyOf(same)] } };
  const count = foundIn((await search.search(path, { size: 0, track_total_hits: MOST, query }, signal)).hits);
  if (count <= [...names.values()].reduce((sum, { size }) => sum + size, 0)) return NONE;
  const body = {
    ...{ size: Math.min(count, MOST), track_total_hits: false, query },
    _source: [fields.id, fields.package, fields.fullName, fields.updated],
  };
  return older((await search.search(path, body, signal)).hits.hits, fields);
}

interface Named {
  readonly id: string;
  readonly pkg: string;
  readonly name: string;
  readonly updated: bigint;
}

function namedIn(source: Document, fields: Index['config']['fields']): Named | null {
  const [id, pkg, name] = [fields.id, fields.package, fields.fullName].map((field) => textOf(source, field));
  const updated = timeOf(textOf(source, fields.updated));
  return id && pkg && name && updated !== null ? { id, pkg, name, updated } : null;
}

function older(hits: readonly Hit[], fields: Index['config']['fields']): ReadonlySet<string> {
  const newest = new Map<string, Named>();
  const found = hits.map(({ _source }) => namedIn(_source, fields)).filter((one) => one !== null);
  for (const one of found) {
    const key = JSON.stringify([one.pkg, one.name]);
    const other = newest.get(key);
    if (!other || isNewer(one, other)) newest.set(key, one);
  }
  const kept = new Set([...newest.values()].map(({ id }) => id));
  return new Set(found.filter(({ id }) => !kept.has(id)).map(({ id }) => id));
}

/** Of equal times the greater id, so that every look says the same. */
const isNewer = (a: Named, b: Named): boolean => a.updated > b.updated || (a.updated === b.updated && a.id > b.id);
