import { type RawBuilder, type SqlBool, sql } from 'kysely';
import { clampTime } from '../mal/index.js';
import { type FilterBounds, filterBounds } from '../mpd/filter/index.js';
import type { TimeWindow } from '../mpd/index.js';
import type { BackendQuery } from './backend.js';

/**
 * What every product that passes the query fulfils, of a table that indexes products by `product_type`, `created_ns`, `updated_ns`,
 * `content_start_ns` and `content_end_ns`; the core evaluates the exact filter on what is found.
 */
export function indexConditions(query: BackendQuery): RawBuilder<SqlBool> {
  const bounds = filterBounds(query.filter);
  const conditions = [sql`true`];
  if (bounds.productTypes !== null) conditions.push(sql`product_type = any(${[...bounds.productTypes]}::text[])`);
  for (const window of [query.created, bounds.created])
    if (window !== null) conditions.push(within('created_ns', window));
  if (query.updated !== null) conditions.push(within('updated_ns', query.updated));
  for (const { start, end } of contentWindows(query, bounds))
    conditions.push(sql`content_start_ns <= ${clampTime(end)}::int8 and content_end_ns >= ${clampTime(start)}::int8`);
  return sql<SqlBool>`(${sql.join(conditions, sql` and `)})`;
}

const within = (column: string, { start, end }: TimeWindow): RawBuilder<unknown> =>
  sql`${sql.ref(column)} between ${clampTime(start)}::int8 and ${clampTime(end)}::int8`;

/** All that the content of a product has to meet. */
export const contentWindows = ({ content }: BackendQuery, bounds: FilterBounds): readonly TimeWindow[] =>
  content === null ? bounds.content : [content, ...bounds.content];
