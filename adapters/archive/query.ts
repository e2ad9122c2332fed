import { type ExpressionBuilder, type ExpressionWrapper, type SqlBool, sql } from 'kysely';
import type { BackendQuery } from '../../src/gateway/backend.js';
import { contentWindows } from '../../src/gateway/index-conditions.js';
import { clampTime, MAX_TIME } from '../../src/mal/index.js';
import type { ProductMapper } from '../../src/mapping/index.js';
import { type FilterBounds, filterBounds, literalPrefix } from '../../src/mpd/filter/index.js';
import type { AttributeFilter } from '../../src/mpd/index.js';
import { type ArchiveTables, contentRange } from './tables.js';

type Where = ExpressionWrapper<ArchiveTables, 'archive_file', SqlBool>;
type Builder = ExpressionBuilder<ArchiveTables, 'archive_file'>;

/** Conditions that every product which passes the query fulfils; the core evaluates the exact filter on what is found. */
export function conditions(builder: Builder, query: BackendQuery, mapper: ProductMapper): readonly Where[] {
  const bounds = filterBounds(query.filter);
  const out: Where[] = [];
  if (bounds.domains !== null) out.push(builder.or(bounds.domains.map((domain) => domainCondition(builder, domain))));
  if (bounds.productTypes !== null) out.push(oneOf(builder, 'product_type', bounds.productTypes));
  if (bounds.sources !== null) out.push(oneOf(builder, 'source', bounds.sources));
  if (bounds.pathPrefixes !== null)
    out.push(builder.or(bounds.pathPrefixes.map((prefix) => startsWith(builder, 'path', prefix))));
  for (const window of [query.created, bounds.created]) {
    if (window !== null) out.push(builder.between('created_ns', clampTime(window.start), clampTime(window.end)));
  }
  if (query.updated !== null)
    out.push(builder.between('updated_ns', clampTime(query.updated.start), clampTime(query.updated.end)));
  for (const window of contentWindows(query, bounds)) {
    const [start, end] = [clampTime(window.start), clampTime(window.end)].map((ns) =>
      ns === MAX_TIME ? MAX_TIME - 1n : ns,
    );
    const range = sql`int8range(${start}::int8, ${end}::int8, '[]')`;
    out.push(
      window.start > window.end ? never(builder) : (sql<SqlBool>`${contentRange} && ${range}` as unknown as Where),
    );
  }
  for (const filter of attributeFilters(bounds)) out.push(...pathCondition(builder, filter, mapper));
  return out;
}

const never = (builder: Builder): Where => builder.or([]);

const attributeFilters = (bounds: FilterBounds): readonly AttributeFilter[] =>
  bounds.filters.flatMap(({ attributeFilter }) => attributeFilter ?? []);

const oneOf = (builder: Builder, column: 'product_type' | 'source' | 'path', values: readonly string[]): Where =>
  values.length === 0 ? never(builder) : (builder(column, 'in', values) as unknown as Where);

/** Domains are held as JSON arrays, so that those at or below one are the array itself and what goes on after a comma. */
function domainCondition(builder: Builder, pattern: readonly string[]): Where {
  if (pattern.at(-1) !== '*') return builder('domain', '=', JSON.stringify(pattern)) as unknown as Where;
  const above = pattern.slice(0, -1);
  if (above.length === 0) return builder.and([]);
  const text = JSON.stringify(above);
  return builder.or([builder('domain', '=', text), startsWith(builder, 'domain', `${text.slice(0, -1)},`)]);
}

function startsWith(builder: Builder, column: 'path' | 'domain', prefix: string): Where {
  const after = successor(prefix);
  const from = builder(column, '>=', prefix);
  return (after === null ? from : builder.and([from, builder(column, '<', after)])) as unknown as Where;
}

/** The least text above everything that starts with `prefix`, in UTF-8 order; null when there is none. */
export function successor(prefix: string): string | null {
  const points = Array.from(prefix, (char) => char.codePointAt(0)!);
  while (points.length > 0) {
    const last = points.pop()!;
    if (last < 0x10ffff) return String.fromCodePoint(...points, last === 0xd7ff ? 0xe000 : last + 1);
  }
  return null;
}

/** Filters on an attribute that is the path itself narrow the search; others are left to the exact evaluation. */
function pathCondition(builder: Builder, filter: AttributeFilter, mapper: ProductMapper): readonly Where[] {
  if (!filter.include || mapper.origin(filter.name)?.field !== 'file.path') return [];
  if (filter.type === 'StringPattern') {
    const prefix = literalPrefix(filter.regex);
    return prefix === null ? [] : [startsWith(builder, 'path', prefix)];
  }
  if (filter.type !== 'ValueSet' || filter.values.length === 0) return [];
  const texts = filter.values.map((value) =>
    value.type === 'String' || value.type === 'Identifier' || value.type === 'URI' ? value.value : null,
  );
  return [
    oneOf(
      builder,
      'path',
      texts.filter((text) => text !== null),
    ),
  ];
}
