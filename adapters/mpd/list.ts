import { type Kysely, sql } from 'kysely';
import type { BackendQuery, Checksum, Entry, Listed, ListOptions } from '../../src/gateway/backend.js';
import { indexConditions } from '../../src/gateway/index-conditions.js';
import type { ObjectRef } from '../../src/mal/index.js';
import { invalid } from '../../src/mpd/index.js';
import { entryOf, type ProductRow } from './entry.js';
import type { MpdTables } from './tables.js';

const PAGE = 500;

/** Pages through the index by (time, key, version, domain). */
export async function* listProducts(
  db: Kysely<MpdTables>,
  backend: string,
  algorithm: Checksum['algorithm'] | null,
  query: BackendQuery,
  { order, after, limit, signal }: ListOptions,
): AsyncGenerator<Listed> {
  const time = order === 'created' ? 'created_ns' : 'updated_ns';
  const conditions = indexConditions(query);
  let position = after === undefined ? null : parsePosition(after);
  let size = Math.max(1, Math.min(limit, PAGE));
  for (;;) {
    signal.throwIfAborted();
    let select = db
      .selectFrom('mpd_product')
      .selectAll()
      .where('backend', '=', backend)
      .where('removed_at', 'is', null)
      .where(conditions);
    if (position !== null) {
      const { at, key, version, domain } = position;
      select = select.where(
        sql<boolean>`(${sql.ref(time)}, key, version, domain) > (${at}::int8, ${key}, ${version}::int8, ${domain})`,
      );
    }
    const rows: ProductRow[] = await select
      .orderBy(time)
      .orderBy('key')
      .orderBy('version')
      .orderBy('domain')
      .limit(size)
      .execute();
    for (const row of rows) {
      signal.throwIfAborted();
      yield {
        entry: entryOf(row, algorithm),
        position: JSON.stringify([String(row[time]), row.key, String(row.version), row.domain]),
      };
    }
    const last = rows.at(-1);
    if (last === undefined || rows.length < size) return;
    position = { at: last[time], key: last.key, version: last.version, domain: last.domain };
    size = PAGE;
  }
}

interface Position {
  readonly at: bigint;
  readonly key: string;
  readonly version: bigint;
  readonly domain: string;
}

function parsePosition(text: string): Position {
  try {
    const [at, key, version, domain] = JSON.parse(text) as unknown[];
    if (typeof key === 'string' && typeof domain === 'string' && typeof at === 'string' && typeof version === 'string')
      return { at: BigInt(at), key, version: BigInt(version), domain };
  } catch (error) {
    throw invalid('after', 'no position of this provider', error);
  }
  throw invalid('after', 'no position of this provider');
}

/** Index by index; null where there is no such product now, or it has another version. */
export async function findProducts(
  db: Kysely<MpdTables>,
  backend: string,
  refs: readonly ObjectRef[],
): Promise<readonly (ProductRow | null)[]> {
  const wanted = refs.map(({ domain, key }) => ({ domain: JSON.stringify(domain), key }));
  const places = JSON.stringify(wanted.filter(({ domain, key }) => !`${domain}${key}`.includes('\0')));
  const { rows } = await sql<ProductRow>`
    select p.* from mpd_product p where p.backend = ${backend} and p.removed_at is null and (p.domain, p.key) in (
      select w.domain, w.key from jsonb_to_recordset(${places}::jsonb) as w(domain text, key text))`.execute(db);
  const found = new Map(rows.map((row) => [`${row.domain} ${row.key}`, row]));
  return refs.map((ref, i) => {
    const row = found.get(`${wanted[i]!.domain} ${ref.key}`);
    return row !== undefined && ref.type === 'Product' && Number(row.version) === ref.version ? row : null;
  });
}

export async function getProducts(
  db: Kysely<MpdTables>,
  backend: string,
  algorithm: Checksum['algorithm'] | null,
  refs: readonly ObjectRef[],
): Promise<readonly (Entry | 'unknown')[]> {
  if (refs.length === 0) return [];
  return (await findProducts(db, backend, refs)).map((row) => (row === null ? 'unknown' : entryOf(row, algorithm)));
}
