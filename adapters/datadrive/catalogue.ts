import { memo } from '../../src/mal/index.js';
import {
  type Described,
  type MappingFile,
  type ProductMapper,
  type ProductRules,
  productMapper,
} from '../../src/mapping/index.js';
import type { DataDriveConfig } from './config.js';
import { fault } from './http.js';
import { placeIn } from './record.js';
import { type FieldTable, type ObjectType, readFields, ruleFor } from './schema.js';
import { type Document, type SearchClient, SearchError } from './search.js';

/** What the index says of itself: aliases, fields, object types; and the mapping compiled for them. */
export interface Catalogue {
  /** For the path of a search: names that the server or the configuration gave, never a user. */
  readonly aliases: readonly string[];
  readonly tables: ReadonlyMap<string, FieldTable>;
  /** Object types that were found under an alias. */
  readonly typesOf: ReadonlyMap<string, readonly string[]>;
  knowsType(objectType: string): boolean;
  of(index: string): IndexView;
  /** Of the products of a package. */
  domainOf(pkg: string | null): readonly string[];
  readonly rules: ProductRules;
  /** Types that the mapping table declares; the others come from the index. */
  readonly declared: ReadonlySet<string>;
  readonly mapper: ProductMapper;
}

/** What is known of the documents of one index. */
export interface IndexView {
  readonly fields: FieldTable;
  /** A document by the mapping; null = no product. */
  describe(document: Document): Described | null;
}

export interface CatalogueSource {
  /** At most a minute old. */
  current(signal: AbortSignal): Promise<Catalogue>;
  /** Looks again, but not more often than every two seconds: an object type turned up that was not known. */
  again(signal: AbortSignal): Promise<Catalogue>;
}

const NO_FIELDS: FieldTable = new Map();
const MOST_INDICES = 10_000;
const MOST_PACKAGES = 1000;
const FRESH_MS = 60_000;
const AGAIN_MS = 2000;
const PLAIN = /^[^\s"\\/*?<>|,#:_-][^\s"\\/*?<>|,#:]*$/;

export function createCatalogue(
  config: DataDriveConfig,
  search: SearchClient,
  products: MappingFile['products'],
  objectTypes: readonly ObjectType[],
): CatalogueSource {
  let known: Catalogue | undefined;
  let at = Number.NEGATIVE_INFINITY;
  let running: Promise<Catalogue> | undefined;
  const read = (): Promise<Catalogue> => {
    running ??= readCatalogue(config, search, products, objectTypes)
      .then((found) => {
        known = found;
        at = performance.now();
        return found;
      })
      .finally(() => {
        running = undefined;
      });
    return running;
  };
  const younger = (milliseconds: number): Catalogue | undefined =>
    performance.now() - at < milliseconds ? known : undefined;
  return {
    async current(signal) {
      signal.throwIfAborted();
      const fresh = younger(FRESH_MS);
      if (fresh) return fresh;
      const stale = known;
      // A listing must not fail because the look at the types did.
      return stale ? read().catch(() => stale) : read();
    },
    async again(signal) {
      signal.throwIfAborted();
      return younger(AGAIN_MS) ?? read();
    },
  };
}

type AliasAnswer = Readonly<Record<string, { readonly aliases: Readonly<Record<string, unknown>> }>>;
type MappingAnswer = Readonly<
  Record<string, { readonly mappings: { readonly properties?: Parameters<typeof readFields>[0] } }>
>;

async function readCatalogue(
  config: DataDriveConfig,
  search: SearchClient,
  products: MappingFile['products'],
  objectTypes: readonly ObjectType[],
): Promise<Catalogue> {
  const signal = AbortSignal.timeout(config.elasticsearch.timeout);
  const named = await readAliases(search, signal);
  const indicesOf = [...named].filter(([name]) => isWanted(name, config.elasticsearch.aliases));
  if (indicesOf.length === 0)
    throw fault('no alias of the index fits the configuration (elasticsearch.aliases)', 'target-down');
  const tables = new Map<string, FieldTable>();
  const byIndex = new Map<string, FieldTable>();
  for (const [alias, indices] of indicesOf) {
    const found = await readTables(alias, indices, search, signal);
    const merged = mergeTables(found);
    if (!merged.has(config.fields.id)) continue;
    tables.set(alias, merged);
    for (const [i, index] of indices.entries()) byIndex.set(index, found[i] ?? merged);
  }
  const aliases = [...tables.keys()].sort();
  if (aliases.length === 0) throw fault(`no alias maps the field ${config.fields.id} (fields.id)`, 'target-down');
  const typesOf = new Map<string, readonly string[]>();
  for (const alias of aliases) typesOf.set(alias, await typesIn(alias, config, search, signal));
  const rules = rulesFor(config, products, objectTypes, tables, typesOf);
  const declared = new Set(products.types.map(({ name }) => name));
  const all = new Set([...typesOf.values()].flat());
  const knowsType = (type: string): boolean => all.has(type);
  const mapper = productMapper(rules);
  const of = memo(MOST_INDICES, (index: string): IndexView => {
    const fields = byIndex.get(index) ?? NO_FIELDS;
    return { fields, describe: mapper.describer(placeIn(fields, config.fields)) };
  });
  const { domain, packageDomains } = config;
  const domainOf = memo(MOST_PACKAGES, (pkg: string | null) => (packageDomains ? [...domain, pkg ?? ''] : domain));
  return { aliases, tables, typesOf, knowsType, of, domainOf, rules, declared, mapper };
}

/** Names for the path of a search, each with its indices; an index without an alias stands for itself. */
export async function readAliases(
  search: SearchClient,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, readonly string[]>> {
  const answer = await search.call<AliasAnswer>('GET', '/_alias', undefined, signal);
  const indicesOf = new Map<string, string[]>();
  for (const [index, { aliases }] of Object.entries(answer)) {
    const names = Object.keys(aliases);
    for (const name of names.length > 0 ? names : [index]) if (PLAIN.test(name)) append(indicesOf, name, index);
  }
  return indicesOf;
}

/** Fields of each index of an alias. */
export async function readTables(
  alias: string,
  indices: readonly string[],
  search: SearchClient,
  signal: AbortSignal,
): Promise<readonly FieldTable[]> {
  const path = `/${encodeURIComponent(alias)}/_mapping`;
  const mappings = await search.call<MappingAnswer>('GET', path, undefined, signal);
  return indices.map((index) => readFields(mappings[index]?.mappings.properties ?? {}));
}

const append = (map: Map<string, string[]>, key: string, value: string): void => {
  const list = map.get(key);
  if (list) list.push(value);
  else map.set(key, [value]);
};

/** Without a list every alias is looked at, save the server's own. */
export function isWanted(name: string, patterns: readonly string[] | undefined): boolean {
  if (!patterns) return !name.startsWith('.');
  return patterns.some((pattern) => {
    const parts = pattern.split('*').map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));
    return new RegExp(`^${parts.join('.*')}$`).test(name);
  });
}

/** Fields of several indices under one alias; where they differ, nothing can be relied on. */
export function mergeTables(
  tables: readonly FieldTable[],
): Map<string, FieldTable extends ReadonlyMap<string, infer I> ? I : never> {
  const merged = new Map(tables[0] ?? []);
  for (const table of tables.slice(1)) {
    for (const [name, info] of table) {
      const other = merged.get(name);
      const same = other && JSON.stringify(other) === JSON.stringify(info);
      if (!same) merged.set(name, { kind: 'other', exact: null, ignoreAbove: null, range: null });
    }
    for (const name of merged.keys())
      if (!table.has(name)) merged.set(name, { kind: 'other', exact: null, ignoreAbove: null, range: null });
  }
  return merged;
}

/** Object types whose documents are there; an alias without documents stands for the type of its name. */
async function typesIn(
  alias: string,
  config: DataDriveConfig,
  search: SearchClient,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const body = {
    size: 0,
    track_total_hits: false,
    aggs: { types: { terms: { field: config.fields.type, size: 1000 } } },
  };
  try {
    const answer = await search.search(`/${encodeURIComponent(alias)}/_search`, body, signal);
    const found = (answer.aggregations?.types?.buckets ?? []).map(({ key }) => String(key));
    return found.length > 0 ? found : [alias];
  } catch (error) {
    if (!(error instanceof SearchError)) throw error;
    throw fault(
      `the field ${config.fields.type} (fields.type) cannot be counted: ${error.message}`,
      'target-down',
      error,
    );
  }
}

function rulesFor(
  config: DataDriveConfig,
  products: MappingFile['products'],
  objectTypes: readonly ObjectType[],
  tables: ReadonlyMap<string, FieldTable>,
  typesOf: ReadonlyMap<string, readonly string[]>,
): ProductRules {
  const system = new Set([...Object.values(config.fields), ...SYSTEM]);
  const declared = new Set(products.types.map(({ name }) => name));
  const generated = [...typesOf].flatMap(([alias, types]) =>
    types
      .filter((type) => !declared.has(type))
      .map((type) => {
        const known = objectTypes.find(({ name }) => name === type);
        return ruleFor(type, tables.get(alias) ?? new Map(), system, known);
      }),
  );
  // A rule without conditions takes what nothing else took.
  const special = products.types.filter(({ when }) => when !== undefined);
  const general = products.types.filter(({ when }) => when === undefined);
  return { ...products, types: [...special, ...generated, ...general] };
}

const SYSTEM = ['ocs_package_id', 'ocs_path', 'group_id', 'overlay_id'];
