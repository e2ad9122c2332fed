import { invalid } from '../errors.js';
import type { ProductFilter, TimeWindow } from '../types.js';
import { domainMatches } from './domain.js';
import { createMeter, type FilterLimits, type Meter } from './limits.js';
import { allOf, compileContent, compileCreated, compileMetered, meterList, type Predicate } from './product-filter.js';

/**
 * A Boolean filter, an extension to MPD: one condition a node, with exactly one key. `productTypes` is any of the names; `domain`
 * as in a ProductFilter; `pathPrefix` begins the product's folder path, or its key
 * where it has no path; `named` stands for a stored filter and must be resolved first.
 */
export type FilterTree =
  | { readonly all: readonly FilterTree[] }
  | { readonly any: readonly FilterTree[] }
  | { readonly not: FilterTree }
  | { readonly filter: ProductFilter }
  | { readonly productTypes: readonly string[] }
  | { readonly domain: readonly string[] }
  | { readonly pathPrefix: string }
  | { readonly named: string }
  | { readonly created: TimeWindow }
  | { readonly content: TimeWindow };

/**
 * Compiles a tree once for many products; null accepts all. An empty `all` accepts everything, an empty `any` nothing.
 * @param field what errors call the tree
 * @throws MpdError Invalid naming the first bad field: a reversed window, a bad pattern, an unresolved name, a limit passed
 */
export function compileTree(tree: FilterTree | null, field = 'filter', limits?: FilterLimits): Predicate {
  return tree === null ? allOf([]) : compileNode(tree, field, 1, createMeter(limits));
}

function compileNode(tree: FilterTree, field: string, depth: number, meter: Meter): Predicate {
  meter.node(field);
  meter.depth(depth, field);
  const children = (nodes: readonly FilterTree[], key: string): Predicate[] =>
    nodes.map((node, i) => compileNode(node, `${field}.${key}[${i}]`, depth + 1, meter));
  if ('all' in tree) return allOf(children(tree.all, 'all'));
  if ('any' in tree) {
    const parts = children(tree.any, 'any');
    return (metadata, path) => parts.some((part) => part(metadata, path));
  }
  if ('not' in tree) {
    const part = compileNode(tree.not, `${field}.not`, depth + 1, meter);
    return (metadata, path) => !part(metadata, path);
  }
  if ('filter' in tree) return compileMetered(tree.filter, `${field}.filter`, meter);
  if ('productTypes' in tree) {
    meterList(tree.productTypes, `${field}.productTypes`, meter);
    const names = new Set(tree.productTypes);
    return (metadata) => names.has(metadata.productType.name);
  }
  if ('domain' in tree) {
    const pattern = tree.domain;
    meterList(pattern, `${field}.domain`, meter);
    return (metadata) => domainMatches(metadata.productRef.domain, pattern);
  }
  if ('pathPrefix' in tree) {
    const prefix = tree.pathPrefix;
    meter.text(prefix.length, `${field}.pathPrefix`);
    return (metadata, path) => (path ?? metadata.productRef.key).startsWith(prefix);
  }
  if ('created' in tree) return compileCreated(tree.created, `${field}.created`);
  if ('content' in tree) return compileContent(tree.content, `${field}.content`);
  throw invalid(`${field}.named`, `the named filter ${JSON.stringify(tree.named)} is not resolved`);
}
