import type { BackendQuery } from '../../src/gateway/backend.js';
import type { Attribute } from '../../src/mal/index.js';
import { familyOf, filterBounds, literalPrefix } from '../../src/mpd/filter/index.js';
import type { AttributeFilter, TimeWindow } from '../../src/mpd/index.js';
import type { Catalogue } from './catalogue.js';
import type { DataDriveConfig } from './config.js';
import { plainPattern } from './pattern.js';
import { siteField } from './record.js';
import { type FieldInfo, TYPE_FIELD } from './schema.js';

/** Query DSL. Values of users only ever stand as values of JSON fields, never in a path or in query syntax. */
export type Clause = Readonly<Record<string, unknown>>;

export interface Search {
  readonly aliases: readonly string[];
  /** All hold; null = nothing can be found. */
  readonly filter: readonly Clause[] | null;
}

const NOTHING: Search = { aliases: [], filter: null };
const MS = 1_000_000n;
const floorMs = (ns: bigint): number => Number(ns / MS - (ns % MS < 0n ? 1n : 0n));

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

export const anyOf = (should: readonly Clause[]): Clause => ({ bool: { should, minimum_should_match: 1 } });

const within = (field: string, { start, end }: TimeWindow): Clause => between(field, floorMs(start), floorMs(end));

/** Ms since 1970, both ends included. Older servers take no negative numbers, so these stand for "any". */
const between = (field: string, low: number | undefined, high: number | undefined, more: Clause = {}): Clause => ({
  range: {
    [field]: {
      ...(low !== undefined && low >= 0 && { gte: low }),
      ...(high !== undefined && { lte: Math.max(high, 0) }),
      format: 'epoch_millis',
      ...more,
    },
  },
});

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

const isIndexed = (catalogue: Catalogue, field: string): boolean => infoOf(catalogue, field, true)?.kind === 'keyword';

/** Texts longer than the index takes are found by nothing, so they are let through. */
const orUnindexed = (info: FieldInfo, field: string, clause: Clause): Clause =>
  info.ignoreAbove === null ? clause : anyOf([clause, { bool: { must_not: [{ exists: { field } }] } }]);

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

/** null: only the exact evaluation can tell. `nothing`: no value of the attribute's type passes. */
function attributeClause(
  filter: AttributeFilter,
  catalogue: Catalogue,
  config: DataDriveConfig,
): Clause | 'nothing' | null {
  const origin = catalogue.mapper.origin(filter.name);
  if (!filter.include || !origin) return null;
  const field = siteField(origin.field, config.fields);
  const isCommon = catalogue.rules.common.attributes.some(({ name }) => name === filter.name);
  const isDeclared = catalogue.rules.types.some(
    (rule) => catalogue.declared.has(rule.name) && rule.attributes.some(({ name }) => name === filter.name),
  );
  const info = infoOf(catalogue, field, isCommon || isDeclared);
  if (!info?.exact || info.range) return null;
  const family = familyOf(origin.type);
  const fits = {
    text: info.kind === 'keyword' || info.kind === 'text',
    number: info.kind === 'integer' || info.kind === 'double' || info.kind === 'single',
    time: info.kind === 'date' || info.kind === 'date-nanos',
    boolean: info.kind === 'boolean',
  };
  if (!Object.hasOwn(fits, family) || !fits[family as keyof typeof fits]) return null;
  switch (filter.type) {
    case 'StringPattern': {
      return family === 'text' ? patternClause(info, info.exact, filter.regex) : null;
    }
    case 'ValueSet': {
      if (filter.values.length === 0) return null;
      const wanted = filter.values.filter((value) => familyOf(value.type) === family);
      if (wanted.length === 0) return 'nothing';
      const clauses = wanted.map((value) => rangeClause(info, value, value));
      return clauses.every((clause) => clause !== null) ? anyOf(clauses) : null;
    }
    case 'ValueRange': {
      const ends = [filter.minimum, filter.maximum].filter((end) => end !== null);
      if (ends.length === 0) return null;
      if (ends.some((end) => familyOf(end.type) !== family)) return 'nothing';
      return rangeClause(info, filter.minimum, filter.maximum);
    }
  }
}

/** A part of every text that the pattern finds; null where there is none that can be told. */
function patternClause(info: FieldInfo, field: string, regex: string): Clause | null {
  const plain = plainPattern(regex);
  if (plain !== null) {
    const { text, fromStart, toEnd } = plain;
    if (fromStart && toEnd) return equalText(info, field, text);
    if (!fromStart) {
      // A number that the document has may be indexed in another spelling.
      if (/^[\d.eE+-]*$/.test(text)) return null;
      const value = `*${text.replace(/[\\*?]/g, '\\$&')}${toEnd ? '' : '*'}`;
      return orUnindexed(info, field, { wildcard: { [field]: { value } } });
    }
  }
  const prefix = literalPrefix(regex);
  if (prefix === null || isNumeric(prefix)) return null;
  return orUnindexed(info, field, { prefix: { [field]: { value: prefix } } });
}

const isNumeric = (text: string): boolean => /^[+-]?[\d.]/.test(text);

/** A superset of the values between two of one family; both the same = that value. */
function rangeClause(info: FieldInfo, minimum: Attribute | null, maximum: Attribute | null): Clause | null {
  const field = info.exact;
  if (field === null) return null;
  switch (info.kind) {
    case 'keyword':
    case 'text':
      return textClause(info, field, minimum, maximum);
    case 'boolean':
      return minimum ? { term: { [field]: { value: minimum.value } } } : null;
    case 'date':
    case 'date-nanos': {
      // One millisecond more on each side: the index holds milliseconds, and the filter compares at its own resolution.
      const gte = minimum ? floorMs(minimum.value as bigint) - 1 : undefined;
      const lte = maximum ? floorMs(maximum.value as bigint) + 1 : undefined;
      return between(field, gte, lte);
    }
    case 'single': {
      const ends = [minimum, maximum].map((end) => (end ? Number(end.value) : undefined));
      if (ends.some((end) => end !== undefined && !(Math.abs(end) < LARGEST_SINGLE))) return null;
      const [low, high] = ends;
      const gte = low === undefined ? undefined : low - slack(low);
      const lte = high === undefined ? undefined : high + slack(high);
      return { range: { [field]: { gte, lte } } };
    }
    case 'integer':
    case 'double': {
      const ends = [minimum, maximum].map((end) => (end ? Number(end.value) : undefined));
      // Beyond this the numbers of JSON are not exact.
      if (ends.some((end) => end !== undefined && !(Math.abs(end) < Number.MAX_SAFE_INTEGER))) return null;
      const [low, high] = ends;
      const whole = info.kind === 'integer';
      const gte = low !== undefined && whole ? Math.ceil(low) : low;
      const lte = high !== undefined && whole ? Math.floor(high) : high;
      if (gte !== undefined && lte !== undefined && gte > lte) return { match_none: {} };
      return { range: { [field]: { gte, lte } } };
    }
    default:
      return null;
  }
}

/** Beyond this the index refuses a number of single precision. */
const LARGEST_SINGLE = 3e38;

/** More than single precision can be off by. */
const slack = (value: number): number => Math.abs(value) * 2 ** -23 + 2 ** -126;

/** Text that looks like a number may be indexed in another spelling (`1.0`) than a number of JSON has here (`1`). */
function textClause(
  info: FieldInfo,
  field: string,
  minimum: Attribute | null,
  maximum: Attribute | null,
): Clause | null {
  const [gte, lte] = [minimum?.value as string | undefined, maximum?.value as string | undefined];
  if (gte !== undefined && gte === lte) return equalText(info, field, gte);
  const numbers: Clause = { regexp: { [field]: { value: '[+-]?[0-9.].*' } } };
  return orUnindexed(info, field, anyOf([{ range: { [field]: { gte, lte } } }, numbers]));
}

const equalText = (info: FieldInfo, field: string, value: string): Clause | null =>
  isNumeric(value) || (info.ignoreAbove !== null && value.length > info.ignoreAbove)
    ? null
    : { term: { [field]: { value } } };
