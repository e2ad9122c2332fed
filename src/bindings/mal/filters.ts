import { checkWindow, compileFilter, type FilterTree } from '../../mpd/filter/index.js';
import type { ProductFilter, TimeWindow } from '../../mpd/index.js';

export interface AskedFilter {
  /** Without the name of a named filter. */
  readonly filter: ProductFilter | null;
  /** The named filter. */
  readonly named: FilterTree | null;
}

/** `@owner/name` as a productType, where that is switched on, stands for a named filter. */
export function askedFilter(filter: ProductFilter | null, namedFilters: boolean): AskedFilter {
  const type = filter?.productType ?? null;
  if (!namedFilters || type === null || !/^@[^/]+\/.+/.test(type)) return { filter, named: null };
  return { filter: { ...filter!, productType: null }, named: { named: type.slice(1) } };
}

/** Both together, as a tree. */
export function treeOf({ filter, named }: AskedFilter): FilterTree | null {
  const parts = [...(named === null ? [] : [named]), ...(filter === null ? [] : [{ filter }])];
  return parts.length === 2 ? { all: parts } : (parts[0] ?? null);
}

/** @throws MpdError Invalid naming the field as listProducts does */
export function checkQuery(query: {
  readonly productFilter: ProductFilter;
  readonly creationDate: TimeWindow | null;
  readonly contentDate: TimeWindow | null;
}): void {
  checkWindow(query.creationDate, 'creationDate');
  checkWindow(query.contentDate, 'contentDate');
  compileFilter(query.productFilter, 'productFilter');
}
