import type { Catalogue } from './catalogue.js';
import { anyOf, type Clause } from './clause.js';
import type { FieldInfo } from './schema.js';

/** How the field is indexed wherever it is; null unless it is the same kind everywhere, or missing where `everywhere` asks for it. */
export function infoOf({ tables }: Catalogue, field: string, everywhere: boolean): FieldInfo | null {
  const found = [...tables.values()].map((table) => table.get(field));
  const infos = found.filter((info) => info !== undefined);
  const [first] = infos;
  if (!first || (everywhere && infos.length < found.length)) return null;
  const same = ({ kind, exact, range }: FieldInfo): boolean =>
    kind === first.kind && exact === first.exact && range === first.range;
  const ignoreAbove = infos.map((info) => info.ignoreAbove).reduce(lower);
  return infos.every(same) ? { ...first, ignoreAbove } : null;
}

const lower = (a: number | null, b: number | null): number | null =>
  a === null || b === null ? (a ?? b) : Math.min(a, b);

export const isIndexed = (catalogue: Catalogue, field: string): boolean =>
  infoOf(catalogue, field, true)?.kind === 'keyword';

/** Texts longer than the index takes are found by nothing, so they are let through. */
export const orUnindexed = (info: FieldInfo, field: string, clause: Clause): Clause =>
  info.ignoreAbove === null ? clause : anyOf([clause, { bool: { must_not: [{ exists: { field } }] } }]);
