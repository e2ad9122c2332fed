import type { ProductFilter, TimeWindow } from '../types.js';
import { covers, type DomainPattern } from './domain.js';
import type { FilterTree } from './tree.js';

/**
 * What every product that passes must fulfil: each part is a condition of its own, all hold, null asks nothing. Used to narrow a
 * search before the exact filter decides; an empty list means that nothing can pass.
 */
export interface FilterBounds {
  /** One of these patterns. */
  readonly domains: readonly DomainPattern[] | null;
  readonly productTypes: readonly string[] | null;
  readonly sources: readonly string[] | null;
  /** The folder path (the key where there is none) begins with one of these. */
  readonly pathPrefixes: readonly string[] | null;
  readonly created: TimeWindow | null;
  /** The content period overlaps each of these. */
  readonly content: readonly TimeWindow[];
  /** ProductFilters that hold as a whole; their attribute filters may be pushed down too. */
  readonly filters: readonly ProductFilter[];
}

export const UNBOUNDED: FilterBounds = {
  domains: null,
  productTypes: null,
  sources: null,
  pathPrefixes: null,
  created: null,
  content: [],
  filters: [],
};

/** Bounds of a tree; `not` and `named` give none. */
export function filterBounds(tree: FilterTree | null): FilterBounds {
  if (tree === null) return UNBOUNDED;
  if ('all' in tree) return tree.all.map(filterBounds).reduce(both, UNBOUNDED);
  if ('any' in tree) return tree.any.length === 0 ? NOTHING : tree.any.map(filterBounds).reduce(either);
  if ('filter' in tree) return productFilterBounds(tree.filter);
  if ('productTypes' in tree) return { ...UNBOUNDED, productTypes: [...new Set(tree.productTypes)] };
  if ('domain' in tree) return { ...UNBOUNDED, domains: [tree.domain] };
  if ('pathPrefix' in tree) return { ...UNBOUNDED, pathPrefixes: [tree.pathPrefix] };
  if ('created' in tree) return { ...UNBOUNDED, created: tree.created };
  if ('content' in tree) return { ...UNBOUNDED, content: [tree.content] };
  return UNBOUNDED;
}

const NOTHING: FilterBounds = { ...UNBOUNDED, domains: [], productTypes: [] };

function productFilterBounds(filter: ProductFilter): FilterBounds {
  return {
    ...UNBOUNDED,
    domains: filter.domain === null ? null : [filter.domain],
    productTypes: filter.productType === null ? null : [filter.productType],
    sources: filter.sources === null ? null : [...new Set(filter.sources)],
    filters: [filter],
  };
}

function both(a: FilterBounds, b: FilterBounds): FilterBounds {
  return {
    domains: meet(a.domains, b.domains, (x, y) => (covers(x, y) ? y : covers(y, x) ? x : null)),
    productTypes: meet(a.productTypes, b.productTypes, equal),
    sources: meet(a.sources, b.sources, equal),
    pathPrefixes: meet(a.pathPrefixes, b.pathPrefixes, (x, y) => (y.startsWith(x) ? y : x.startsWith(y) ? x : null)),
    created:
      a.created === null || b.created === null
        ? (a.created ?? b.created)
        : { start: later(a.created.start, b.created.start), end: earlier(a.created.end, b.created.end) },
    content: [...a.content, ...b.content],
    filters: [...a.filters, ...b.filters],
  };
}

function either(a: FilterBounds, b: FilterBounds): FilterBounds {
  return {
    domains: join(a.domains, b.domains),
    productTypes: join(a.productTypes, b.productTypes),
    sources: join(a.sources, b.sources),
    pathPrefixes: join(a.pathPrefixes, b.pathPrefixes),
    created:
      a.created === null || b.created === null
        ? null
        : { start: earlier(a.created.start, b.created.start), end: later(a.created.end, b.created.end) },
    content: [],
    filters: [],
  };
}

/** What is in both lists, by a function that gives the narrower of two entries or null when they exclude each other. */
function meet<T>(
  a: readonly T[] | null,
  b: readonly T[] | null,
  narrower: (x: T, y: T) => T | null,
): readonly T[] | null {
  if (a === null || b === null) return a ?? b;
  const found = new Set<T>();
  for (const x of a) {
    for (const y of b) {
      const narrow = narrower(x, y);
      if (narrow !== null) found.add(narrow);
    }
  }
  return [...found];
}

const join = <T>(a: readonly T[] | null, b: readonly T[] | null): readonly T[] | null =>
  a === null || b === null ? null : [...new Set([...a, ...b])];

const equal = (x: string, y: string): string | null => (x === y ? x : null);
const later = (a: bigint, b: bigint): bigint => (a > b ? a : b);
const earlier = (a: bigint, b: bigint): bigint => (a < b ? a : b);
