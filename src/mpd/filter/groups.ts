import type { AttributeFilter, ProductFilter } from '../types.js';
import type { FilterTree } from './tree.js';

/** A name that stands for several product types in filters; no product is of it. An extension to MPD. */
export interface TypeGroup {
  readonly name: string;
  readonly description: string | null;
  readonly members: readonly GroupMember[];
}

/** Products of a type, of which all of the filters hold. */
export interface GroupMember {
  readonly type: string;
  readonly attributeFilter: readonly AttributeFilter[];
}

/**
 * Puts the members in the place of the groups that a tree names, so that nothing below has to know of groups. A name that
 * several groups have stands for all of them.
 */
export function expandGroups(tree: FilterTree, groups: readonly TypeGroup[]): FilterTree {
  if (groups.length === 0) return tree;
  const members = new Map<string, GroupMember[]>();
  for (const { name, members: own } of groups) members.set(name, [...(members.get(name) ?? []), ...own]);
  return expand(tree, members);
}

function expand(tree: FilterTree, groups: ReadonlyMap<string, readonly GroupMember[]>): FilterTree {
  if ('all' in tree) return { all: tree.all.map((node) => expand(node, groups)) };
  if ('any' in tree) return { any: tree.any.map((node) => expand(node, groups)) };
  if ('not' in tree) return { not: expand(tree.not, groups) };
  if ('filter' in tree) {
    const members = tree.filter.productType === null ? undefined : groups.get(tree.filter.productType);
    return members === undefined ? tree : anyMember(members, tree.filter);
  }
  if (!('productTypes' in tree) || !tree.productTypes.some((name) => groups.has(name))) return tree;
  const plain = tree.productTypes.filter((name) => !groups.has(name));
  const named = tree.productTypes.flatMap((name) => groups.get(name) ?? []);
  const { any } = anyMember(named, { productType: null, domain: null, sources: null, attributeFilter: null });
  return { any: [...(plain.length === 0 ? [] : [{ productTypes: plain }]), ...any] };
}

function anyMember(members: readonly GroupMember[], filter: ProductFilter): { readonly any: readonly FilterTree[] } {
  return {
    any: members.map(({ type, attributeFilter }) => {
      const all = [...(filter.attributeFilter ?? []), ...attributeFilter];
      return { filter: { ...filter, productType: type, attributeFilter: all.length === 0 ? null : all } };
    }),
  };
}
