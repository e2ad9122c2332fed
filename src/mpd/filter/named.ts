import { invalid } from '../errors.js';
import { createMeter, type FilterLimits, type Meter } from './limits.js';
import type { FilterTree } from './tree.js';

/** Finds a stored filter; null when there is none (or none that the asker may see). */
export type NamedResolver = (name: string) => FilterTree | null | Promise<FilterTree | null>;

/**
 * Puts stored filters in the place of their names, also those inside stored filters.
 * @throws MpdError Invalid naming the field: a name that does not exist or leads back to itself, a limit passed
 */
export const resolveNamed = (
  tree: FilterTree,
  resolve: NamedResolver,
  field = 'filter',
  limits?: FilterLimits,
): Promise<FilterTree> => resolveNode(tree, resolve, field, [], 1, createMeter(limits));

/** Names that a tree refers to directly, each once. */
export function namesIn(tree: FilterTree): string[] {
  if ('named' in tree) return [tree.named];
  const children = 'all' in tree ? tree.all : 'any' in tree ? tree.any : 'not' in tree ? [tree.not] : [];
  return [...new Set(children.flatMap(namesIn))];
}

async function resolveNode(
  tree: FilterTree,
  resolve: NamedResolver,
  field: string,
  open: readonly string[],
  depth: number,
  meter: Meter,
): Promise<FilterTree> {
  meter.node(field);
  meter.depth(depth, field);
  const children = async (nodes: readonly FilterTree[], key: string): Promise<FilterTree[]> => {
    const resolved: FilterTree[] = [];
    for (const [i, node] of nodes.entries()) {
      resolved.push(await resolveNode(node, resolve, `${field}.${key}[${i}]`, open, depth + 1, meter));
    }
    return resolved;
  };
  if ('all' in tree) return { all: await children(tree.all, 'all') };
  if ('any' in tree) return { any: await children(tree.any, 'any') };
  if ('not' in tree) return { not: await resolveNode(tree.not, resolve, `${field}.not`, open, depth + 1, meter) };
  if (!('named' in tree)) return tree;
  const name = tree.named;
  if (open.includes(name)) throw invalid(`${field}.named`, `the named filter ${JSON.stringify(name)} refers to itself`);
  const stored = await resolve(name);
  if (stored === null) throw invalid(`${field}.named`, `there is no filter named ${JSON.stringify(name)}`);
  return resolveNode(stored, resolve, field, [...open, name], depth + 1, meter);
}
