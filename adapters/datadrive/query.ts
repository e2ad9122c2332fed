import type { BackendQuery } from '../../src/gateway/backend.js';
import { filterBounds } from '../../src/mpd/filter/index.js';
import type { TimeWindow } from '../../src/mpd/index.js';
import { attributeClause } from './attribute-clause.js';
import type { Catalogue } from './catalogue.js';
import { anyOf, between, type Clause, floorMs, within } from './clause.js';
import type { DataDriveConfig } from './config.js';
import { infoOf, isIndexed, orUnindexed } from './indexed.js';
import { TYPE_FIELD } from './schema.js';

export interface Search {
  readonly aliases: readonly string[];
  /** All hold; null = nothing can be found. */
  readonly filter: readonly Clause[] | null;
}

const NOTHING: Search = { aliases: [], filter: null };
/** Conditions that every product which passes the query fulfils; the core evaluates the exact filter on what is found. */
export function searchFor(query: BackendQuery, catalogue: Catalogue, config: DataDriveConfig): Search {
  const { fields } = config;
  const bounds = filterBounds(query.filter);
  const filter: Clause[] = [...alwaysClauses(config)];
  if (bounds.domains !== null) {
    const packages = packagesOf(bounds.domains, config);
    if (packages === 'none' || (packages !== 'all' && packages.length === 0)) return NOTHING;
    if (packages !== 'all') filter.push({ terms: { [fields.package]: packages } });
  }
  let { aliases } = catalogue;
  if (bounds.productTypes !== null) {
    const objectTypes = objectTypesOf(bounds.productTypes, catalogue);
    if (objectTypes?.length === 0) return NOTHING;
    if (objectTypes) {
      filter.push({ terms: { [fields.type]: objectTypes } });
      const has = (alias: string): boolean =>
        catalogue.typesOf.get(alias)?.some((t) => objectTypes.includes(t)) ?? false;
      aliases = aliases.filter(has);
      // A type that came after the last look may be anywhere.
      if (aliases.length === 0) aliases = catalogue.aliases;
    }
  }
  if (bounds.sources !== null && isPlain(catalogue, 'source', 'ocs_created_by')) {
    if (bounds.sources.length === 0) return NOTHING;
    if (isIndexed(catalogue, fields.owner)) filter.push({ terms: { [fields.owner]: bounds.sources } });
  }
  if (bounds.pathPrefixes !== null) {
    if (bounds.pathPrefixes.length === 0) return NOTHING;
    const prefixes = bounds.pathPrefixes.map((prefix) => startsWith(catalogue, fields.fullName, `/${prefix}`));
    if (prefixes.every((clause) => clause !== null)) filter.push(anyOf(prefixes));
  }
  for (const window of [query.created, bounds.created]) if (window) filter.push(within(fields.created, window));
  if (query.updated) filter.push(within(fields.updated, query.updated));
  for (const window of [...(query.content ? [query.content] : []), ...bounds.content])
    filter.push(...contentClause(window, catalogue, fields.created));
  for (const { attributeFilter } of bounds.filters)
    for (const one of attributeFilter ?? []) {
      const clause = attributeClause(one, catalogue, config);
      if (clause === 'nothing') return NOTHING;
      if (clause) filter.push(clause);
    }
  return { aliases, filter };
}

/** What makes a document a product of this backend. */
export function alwaysClauses({ fields, packages }: DataDriveConfig): readonly Clause[] {
  const needed = [fields.id, fields.url, fields.created, fields.updated].map((field) => ({ exists: { field } }));
  return packages ? [...needed, { terms: { [fields.package]: packages } }] : needed;
}

/** Package names that the domain patterns can stand for. */
function packagesOf(
  patterns: readonly (readonly string[])[],
  { domain, packageDomains }: DataDriveConfig,
): readonly string[] | 'all' | 'none' {
  const packages: string[] = [];
  for (const pattern of patterns) {
    const open = pattern.at(-1) === '*';
    const parts = open ? pattern.slice(0, -1) : pattern;
    const common = parts.slice(0, domain.length);
    if (common.some((part, i) => part !== domain[i])) continue;
    if (parts.length <= domain.length) {
      const isAll = open || (!packageDomains && parts.length === domain.length);
      if (isAll) return 'all';
    } else if (packageDomains && parts.length === domain.length + 1) packages.push(parts.at(-1) ?? '');
  }
  return packages.length > 0 ? packages : 'none';
}

/** Object types that give these product types; null when the mapping decides by something else. */
function objectTypesOf(names: readonly string[], { rules }: Catalogue): readonly string[] | null {
  const found: string[] = [];
  for (const rule of rules.types) {
    if (!names.includes(rule.name)) continue;
    for (const conditions of rule.when ?? [{}]) {
      const condition = conditions[TYPE_FIELD];
      if (condition === undefined || typeof condition === 'string' || 'present' in condition) return null;
      found.push(...('in' in condition ? condition.in : [condition.equals]).map(String));
    }
  }
  return found;
}

/** The part of every rule is this one field, unchanged. */
export function isPlain({ rules }: Catalogue, part: 'source' | 'contentStart' | 'contentEnd', field: string): boolean {
  const all = [rules.common[part], ...rules.types.filter((rule) => rule[part]).map((rule) => rule[part])];
  return all.every(
    (source) => source !== undefined && source.from.length === 1 && source.from[0] === field && isUnchanged(source),
  );
}

const isUnchanged = (source: { readonly transform: readonly unknown[]; readonly default?: unknown }): boolean =>
  source.transform.length === 0 && source.default === undefined;

function startsWith(catalogue: Catalogue, field: string, prefix: string): Clause | null {
  const info = infoOf(catalogue, field, true);
  if (info?.kind !== 'keyword' || !info.exact) return null;
  return orUnindexed(info, info.exact, { prefix: { [info.exact]: { value: prefix } } });
}

/** Only where the content period is one range field in every rule; a product without it has its creation time. */
function contentClause(window: TimeWindow, catalogue: Catalogue, created: string): readonly Clause[] {
  const start = catalogue.rules.common.contentStart?.from[0] ?? '';
  const field = start.replace(/\.gte$/, '');
  if (!isPlain(catalogue, 'contentStart', `${field}.gte`) || !isPlain(catalogue, 'contentEnd', `${field}.lte`))
    return [];
  const [low, high] = [floorMs(window.start) - 1, floorMs(window.end) + 1];
  const byCreation = { bool: { filter: [within(created, window)], must_not: [{ exists: { field } }] } };
  for (const table of catalogue.tables.values()) if (table.has(field) && table.get(field)?.range !== 'date') return [];
  return [anyOf([between(field, low, high, { relation: 'intersects' }), byCreation])];
}
