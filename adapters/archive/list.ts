import { type Kysely, sql } from 'kysely';
import type { BackendQuery, Entry, Listed, ListOptions } from '../../src/gateway/backend.js';
import type { ObjectRef } from '../../src/mal/index.js';
import type { ProductMapper } from '../../src/mapping/index.js';
import { invalid } from '../../src/mpd/index.js';
import { entryOf, type FileRow, versionOf } from './entry.js';
import { conditions } from './query.js';
import type { ArchiveTables } from './tables.js';

const PAGE = 250;

/** What an entry is made of, and nothing else. */
const COLUMNS = [
  ...(['domain', 'path', 'size', 'sha256', 'product_type', 'source', 'description', 'mime', 'file_name'] as const),
  ...(['created_ns', 'content_start_ns', 'content_end_ns', 'updated_ns', 'claim_algorithm', 'claim_value'] as const),
] as const;

/**
 * Pages through the index by (time, path), so that each page costs the same however far it is. A page that is done with is emptied:
 * once one of its rows is old to the garbage collector, the client's dead results hold on to each other's rows, page by page, until
 * the next full collection: 1 kB a row.
 */
export async function* listFiles(
  db: Kysely<ArchiveTables>,
  backend: string,
  mapper: ProductMapper,
  query: BackendQuery,
  { order, after, limit, signal }: ListOptions,
): AsyncGenerator<Listed> {
  const time = order === 'created' ? 'created_ns' : 'updated_ns';
  let position = after === undefined ? null : parsePosition(after);
  let size = Math.max(1, Math.min(limit, PAGE));
  for (;;) {
    signal.throwIfAborted();
    let select = db
      .selectFrom('archive_file')
      .select(COLUMNS)
      .select(sql<string>`attributes::text`.as('attributes'))
      .where('backend', '=', backend)
      .where('kind', '=', 'product')
      .where((builder) => builder.and([...conditions(builder, query, mapper)]));
    if (position !== null) {
      const { at, path } = position;
      select = select.where(sql<boolean>`(${sql.ref(time)}, path) > (${at}::int8, ${path})`);
    }
    const rows = await select.orderBy(time).orderBy('path').limit(size).execute();
    for (const row of rows) {
      signal.throwIfAborted();
      const attributes: unknown = JSON.parse(row.attributes);
      yield { entry: entryOf({ ...row, attributes }, mapper), position: `${row[time]}:${row.path}` };
    }
    const last = rows.at(-1);
    if (last === undefined || rows.length < size) return;
    position = { at: last[time], path: last.path };
    rows.length = 0;
    size = PAGE;
  }
}

function parsePosition(text: string): { readonly at: bigint; readonly path: string } {
  const match = /^(-?\d{1,19}):(.*)$/s.exec(text);
  if (match === null) throw invalid('after', 'no position of this archive');
  return { at: BigInt(match[1]!), path: match[2]! };
}

/** The files that the references name, index by index. */
export async function getFiles(
  db: Kysely<ArchiveTables>,
  backend: string,
  mapper: ProductMapper,
  refs: readonly ObjectRef[],
): Promise<readonly (Entry | 'unknown')[]> {
  const rows = await findFiles(db, backend, refs);
  return rows.map((row) => {
    if (row === null) return 'unknown';
    const entry = entryOf(row, mapper);
    rowsOf.set(entry, row);
    return entry;
  });
}

const rowsOf = new WeakMap<Entry, FileRow>();

/** The row that `getFiles` made an entry from. */
export const rowOf = (entry: Entry): FileRow | undefined => rowsOf.get(entry);

/** The rows themselves; null where there is no such product or it has another version. */
export async function findFiles(
  db: Kysely<ArchiveTables>,
  backend: string,
  refs: readonly ObjectRef[],
): Promise<readonly (FileRow | null)[]> {
  const found = new Map<string, FileRow>();
  const keys = [...new Set(refs.filter(({ type }) => type === 'Product').map(({ key }) => key))];
  for (let at = 0; at < keys.length; at += PAGE) {
    const rows = await db
      .selectFrom('archive_file')
      .selectAll()
      .where('backend', '=', backend)
      .where('kind', '=', 'product')
      .where('path', '=', sql<string>`any(${keys.slice(at, at + PAGE)})`)
      .execute();
    for (const row of rows) found.set(row.path, row);
  }
  return refs.map((ref) => {
    const row = found.get(ref.key);
    const same = row?.domain === JSON.stringify(ref.domain) && versionOf(row.updated_ns) === ref.version;
    return same && row !== undefined && ref.type === 'Product' ? row : null;
  });
}
