import { compileTree, type FilterTree } from '../../src/mpd/filter/index.js';
import { type EntryContext, entryOf, type ProductRow } from './entry.js';
import { ruleOf } from './request.js';
import type { EddsService } from './service.js';

/** Catalogue entries for which an order may want data; of types that are not files. */
export function wantedSelections(
  rows: readonly ProductRow[],
  filter: FilterTree | null,
  context: EntryContext,
  service: EddsService,
): readonly ProductRow[] {
  const accepts = compileTree(filter === null ? null : relaxed(filter));
  return rows.filter((row) => {
    const { rule } = ruleOf(service.profile, row);
    const orderable = rule !== undefined && (rule.stream !== undefined || rule.batch !== undefined) && rule.forOrders;
    return orderable && accepts(entryOf(context, row).metadata, null);
  });
}

/** The filter without what only a finished part can tell: its times, name and counts. Accepts more, never less. */
export function relaxed(tree: FilterTree): FilterTree {
  if ('all' in tree) return { all: tree.all.map(relaxed) };
  if ('any' in tree) return { any: tree.any.map(relaxed) };
  if ('not' in tree) return depends(tree.not) ? { all: [] } : tree;
  if ('filter' in tree) {
    const attributeFilter = tree.filter.attributeFilter?.filter(({ name }) => !PART_ATTRIBUTES.has(name)) ?? null;
    return { filter: { ...tree.filter, attributeFilter } };
  }
  return depends(tree) ? { all: [] } : tree;
}

/** Whether a filter asks for what only a finished part can tell. */
export function depends(tree: FilterTree): boolean {
  if ('all' in tree) return tree.all.some(depends);
  if ('any' in tree) return tree.any.some(depends);
  if ('not' in tree) return depends(tree.not);
  if ('filter' in tree) return (tree.filter.attributeFilter ?? []).some(({ name }) => PART_ATTRIBUTES.has(name));
  return 'created' in tree || 'content' in tree || 'pathPrefix' in tree;
}

/** Attributes that parts have otherwise than the catalogue entry they come from. */
const PART_ATTRIBUTES: ReadonlySet<string> = new Set([
  'requestId',
  'part',
  'elements',
  'unreadable',
  'fault',
  'request',
  'count',
]);
