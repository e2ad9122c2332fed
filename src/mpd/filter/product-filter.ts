import type { ProductFilter, ProductMetadata, TimeWindow } from '../types.js';
import { compileAttributeFilter } from './attribute-filter.js';
import { domainMatches } from './domain.js';
import { createMeter, type FilterLimits, type Meter } from './limits.js';
import { checkWindow, inWindow, windowsOverlap } from './window.js';

/** `path` is the product's place in a folder view, where it has one; only the extension `pathPrefix` looks at it. */
export type Predicate = (metadata: ProductMetadata, path?: string | null) => boolean;

export const acceptAll: Predicate = () => true;

/**
 * Compiles a filter once for many products (area 9, ProductFilter); null accepts all.
 * @param field what errors call the filter
 * @throws MpdError Invalid naming the first bad field
 */
export const compileFilter = (
  filter: ProductFilter | null,
  field = 'productFilter',
  limits?: FilterLimits,
): Predicate => (filter === null ? acceptAll : compileMetered(filter, field, createMeter(limits)));

/** The same, counting into a meter that is shared with other parts of a tree. */
export function compileMetered(filter: ProductFilter, field: string, meter: Meter): Predicate {
  meter.node(field);
  const { productType, domain, sources, attributeFilter } = filter;
  const parts: Predicate[] = [];
  if (productType !== null) {
    meter.text(productType.length, `${field}.productType`);
    parts.push((metadata) => metadata.productType.name === productType);
  }
  if (domain !== null) {
    meterList(domain, `${field}.domain`, meter);
    parts.push((metadata) => domainMatches(metadata.productRef.domain, domain));
  }
  if (sources !== null) {
    meterList(sources, `${field}.sources`, meter);
    const wanted = new Set(sources);
    parts.push((metadata) => metadata.source !== null && wanted.has(metadata.source));
  }
  attributeFilter?.forEach((entry, i) => {
    const test = compileAttributeFilter(entry, `${field}.attributeFilter[${i}]`, meter);
    parts.push((metadata) => test(metadata.attributes));
  });
  return allOf(parts);
}

export interface Query {
  readonly productFilter: ProductFilter | null;
  /** On creationDate, ends included. */
  readonly creationDate: TimeWindow | null;
  /** On contentDate, by overlap, ends included. */
  readonly contentDate: TimeWindow | null;
}

/**
 * Compiles what listProducts asks for.
 * @throws MpdError Invalid naming the first bad field
 */
export function compileQuery(query: Query, limits?: FilterLimits): Predicate {
  const filter = compileFilter(query.productFilter, 'productFilter', limits);
  return allOf([
    filter,
    ...(query.creationDate === null ? [] : [compileCreated(query.creationDate, 'creationDate')]),
    ...(query.contentDate === null ? [] : [compileContent(query.contentDate, 'contentDate')]),
  ]);
}

export function compileCreated(window: TimeWindow, field: string): Predicate {
  checkWindow(window, field);
  return (metadata) => inWindow(metadata.creationDate, window);
}

export function compileContent(window: TimeWindow, field: string): Predicate {
  checkWindow(window, field);
  return (metadata) => windowsOverlap(metadata.contentDate, window);
}

export function allOf(parts: readonly Predicate[]): Predicate {
  const [first, second] = parts;
  if (first === undefined) return acceptAll;
  if (second === undefined) return first;
  return (metadata, path) => {
    for (const part of parts) if (!part(metadata, path)) return false;
    return true;
  };
}

export function meterList(entries: readonly string[], field: string, meter: Meter): void {
  entries.forEach((entry, i) => {
    meter.term(entry.length, `${field}[${i}]`);
  });
}
