import { type Kysely, sql } from 'kysely';
import type { BackendQuery, Entry, Listed, ListOptions } from '../../src/gateway/backend.js';
import { contentWindows, indexConditions } from '../../src/gateway/index-conditions.js';
import type { ObjectRef } from '../../src/mal/index.js';
import { filterBounds } from '../../src/mpd/filter/index.js';
import { invalid, type TimeWindow } from '../../src/mpd/index.js';
import type { EddsIndex } from './catalogue.js';
import { type EntryContext, entryOf, type ProductRow, parseVirtualKey, versionOf, virtualEntry } from './entry.js';
import type { EddsTables } from './tables.js';

const PAGE = 500;

/**
 * Pages through the index by (time, key). Virtual products are in listings by creation only: they have no update, and what
 * is listed by update goes into ledgers. A content window cuts them to size.
 */
export async function* listProducts(
  db: Kysely<EddsTables>,
  backend: string,
  context: EntryContext,
  query: BackendQuery,
  { order, after, limit, signal }: ListOptions,
): AsyncGenerator<Listed> {
  const time = order === 'created' ? 'created_ns' : 'updated_ns';
  const conditions = indexConditions(query);
  const virtual = order === 'created' && query.updated === null;
  const windows = contentWindows(query, filterBounds(query.filter));
  let position = after === undefined ? null : parsePosition(after);
  let size = Math.max(1, Math.min(limit, PAGE));
  for (;;) {
    signal.throwIfAborted();
    let select = db
      .selectFrom('edds_product')
      .selectAll()
      .where('backend', '=', backend)
      .where('kind', 'in', virtual ? ['file', 'part', 'selection'] : ['file', 'part'])
      .where(conditions);
    if (position !== null) {
      const { at, key } = position;
      select = select.where(sql<boolean>`(${sql.ref(time)}, key) > (${at}::int8, ${key})`);
    }
    const rows: ProductRow[] = await select.orderBy(time).orderBy('key').limit(size).execute();
    for (const row of rows) {
      signal.throwIfAborted();
      const entry = row.kind === 'selection' ? virtualEntry(context, row, common(windows)) : entryOf(context, row);
      if (entry !== null) yield { entry, position: `${row[time]}:${row.key}` };
    }
    const last = rows.at(-1);
    if (last === undefined || rows.length < size) return;
    position = { at: last[time], key: last.key };
    size = PAGE;
  }
}

function common(windows: readonly TimeWindow[]): TimeWindow | null {
  let both: TimeWindow | null = null;
  for (const { start, end } of windows) {
    both = both === null ? { start, end } : { start: later(start, both.start), end: earlier(end, both.end) };
  }
  return both;
}

function later(a: bigint, b: bigint): bigint {
  if (a > b) return a;
  return b;
}

function earlier(a: bigint, b: bigint): bigint {
  if (a < b) return a;
  return b;
}

function parsePosition(text: string): { readonly at: bigint; readonly key: string } {
  const match = /^(-?\d{1,19}):(.*)$/s.exec(text);
  if (match === null) throw invalid('after', 'no position of this EDDS');
  return { at: BigInt(match[1]!), key: match[2]! };
}

/** A product that a reference names: its row, and of a virtual one the window. */
export interface Found {
  readonly row: ProductRow;
  readonly window: TimeWindow | null;
}

/** Index by index; null where there is no such product or it has another version. */
export async function findProducts(
  index: EddsIndex,
  context: EntryContext,
  refs: readonly ObjectRef[],
): Promise<readonly (Found | null)[]> {
  const wanted = refs.map((ref) => {
    const ours = ref.type === 'Product' && JSON.stringify(ref.domain) === JSON.stringify(context.domain);
    return ours ? { ref, virtual: parseVirtualKey(ref.key) } : null;
  });
  const rows = await index.find([
    ...new Set(wanted.flatMap((one) => (one === null ? [] : [one.virtual?.selection ?? one.ref.key]))),
  ]);
  return wanted.map((one) => {
    if (one === null) return null;
    const row = rows.get(one.virtual?.selection ?? one.ref.key);
    if (row === undefined || versionOf(row) !== one.ref.version) return null;
    if (one.virtual === null) return row.kind === 'selection' ? null : { row, window: null };
    const { start, end } = one.virtual;
    const within = row.kind === 'selection' && start >= row.content_start_ns && end <= row.content_end_ns;
    return within ? { row, window: { start, end } } : null;
  });
}

export const entryOfFound = (context: EntryContext, found: Found): Entry =>
  found.window === null ? entryOf(context, found.row) : virtualEntry(context, found.row, found.window)!;
