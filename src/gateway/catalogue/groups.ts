import type { TypeGroup } from '../../mpd/filter/index.js';
import type { ProductType } from '../../mpd/index.js';
import type { Backends } from '../backends.js';

/** Type groups of all backends. */
export const groupsOf = (backends: Backends): readonly TypeGroup[] =>
  backends.all.flatMap(({ typeGroups }) => typeGroups ?? []);

/** Groups as they are listed among the types: with the attributes of those members that are visible; of a group without one nothing. */
export function groupTypes(groups: readonly TypeGroup[], types: ReadonlyMap<string, ProductType>): ProductType[] {
  const byName = new Map<string, ProductType>();
  for (const { name, description, members } of groups) {
    const own = members.flatMap(({ type }) => types.get(type) ?? []);
    if (own.length === 0) continue;
    const known = byName.get(name);
    const defs = [known, ...own].flatMap((type) => type?.attributeDefs ?? []);
    const first = new Map(defs.map((def) => [def.name, def] as const).reverse());
    const attributeDefs = [...new Set(defs.map((def) => def.name))].map((each) => first.get(each)!);
    byName.set(name, {
      name,
      description: known?.description ?? description,
      attributeDefs: attributeDefs.length === 0 ? null : attributeDefs,
    });
  }
  return [...byName.values()];
}
