import type { Attribute } from '../../src/mal/index.js';
import { covers, type FilterTree, filterBounds } from '../../src/mpd/filter/index.js';
import type { AttributeFilter, ProductFilter } from '../../src/mpd/index.js';
import type { MpdConfig } from './config.js';

type AttributeType = Attribute['type'];
type Asked = Pick<MpdConfig, 'domains' | 'quirks'>;

/** Domain to ask the provider for; null where one pattern cannot say it, or its provider cannot take it. */
export function askedDomain({ domains, quirks }: Asked): readonly string[] | null {
  // ESA's provider fails on products whose domain is shorter than the one asked for.
  if (quirks === 'esa-12.2' || domains.length !== 1 || domains[0]!.length === 0) return null;
  return [...domains[0]!, '*'];
}

/** Everything that the backend owns. */
export const everything = (config: Asked): ProductFilter => ({
  productType: null,
  domain: askedDomain(config),
  sources: null,
  attributeFilter: null,
});

/**
 * The narrowest ProductFilter that accepts whatever one of the trees does; null when there is no tree, or nothing can pass. What
 * MPD cannot say, or providers read in different ways, is left out: the orders here are matched here.
 */
export function interestOf(trees: readonly (FilterTree | null)[], config: Asked): ProductFilter | null {
  if (trees.length === 0) return null;
  const whole = everything(config);
  if (trees.includes(null)) return whole;
  const bounds = filterBounds({ any: trees as readonly FilterTree[] });
  const { productTypes, domains, sources, filters } = bounds;
  if ([productTypes, domains, sources].some((some) => some?.length === 0)) return null;
  const domain =
    config.quirks === 'esa-12.2' || domains === null ? whole.domain : within(whole.domain, common(domains));
  if (domain === undefined) return null;
  const attributes = config.quirks === 'esa-12.2' ? [] : filters.flatMap((filter) => plain(filter.attributeFilter));
  return {
    productType: productTypes?.length === 1 ? productTypes[0]! : null,
    domain,
    sources: sources === null ? null : [...sources].sort(),
    attributeFilter: attributes.length === 0 ? null : attributes,
  };
}

/** Without patterns, whose dialects differ, and without values that the wire rounds: a list of orders would show others. */
const plain = (filters: readonly AttributeFilter[] | null): readonly AttributeFilter[] =>
  (filters ?? []).filter((filter) => {
    if (filter.type === 'StringPattern') return false;
    const values = filter.type === 'ValueSet' ? filter.values : [filter.minimum, filter.maximum];
    return values.every((value) => value === null || EXACT.has(value.type));
  });

const EXACT: ReadonlySet<AttributeType> = new Set<AttributeType>([
  'String',
  'Identifier',
  'URI',
  'Boolean',
  'Double',
  'Octet',
  'UOctet',
  'Short',
  'UShort',
  'Integer',
  'UInteger',
  'Long',
  'ULong',
]);

/** One pattern that covers them all. */
function common(patterns: readonly (readonly string[])[]): readonly string[] | null {
  const widest = patterns.find((pattern) => patterns.every((other) => covers(pattern, other)));
  if (widest !== undefined) return widest;
  const [first = [], ...rest] = patterns.map((pattern) => (pattern.at(-1) === '*' ? pattern.slice(0, -1) : pattern));
  const same = first.findIndex((part, i) => rest.some((other) => other[i] !== part));
  const prefix = same === -1 ? first : first.slice(0, same);
  return prefix.length === 0 ? null : [...prefix, '*'];
}

/** The narrower of two patterns, null being any; undefined when they have nothing in common. */
function within(
  outer: readonly string[] | null,
  inner: readonly string[] | null,
): readonly string[] | null | undefined {
  if (outer === null || inner === null) return inner ?? outer;
  if (covers(outer, inner)) return inner;
  return covers(inner, outer) ? outer : undefined;
}
