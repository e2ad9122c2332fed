import type { Attribute, NamedValue } from '../../mal/index.js';
import { invalid } from '../errors.js';
import type { AttributeFilter, StringPattern, ValueRange, ValueSet } from '../types.js';
import type { Meter } from './limits.js';
import { compilePattern } from './pattern.js';
import { compareToFilter, equalsFilter, type Family, familyOf, isOrdered } from './values.js';

/** A condition on one value: null when the value is of a type the filter says nothing about. */
type Test = (value: Attribute) => boolean | null;

/**
 * Compiles one attribute filter (area 9, AttributeFilter). A missing attribute, one of another type, or a null value fails it,
 * including and excluding alike; of several attributes with the name, any may match.
 * @throws MpdError Invalid naming the field
 */
export function compileAttributeFilter(
  filter: AttributeFilter,
  field: string,
  meter: Meter,
): (attributes: readonly NamedValue[] | null) => boolean {
  meter.node(field);
  meter.text(filter.name.length, `${field}.name`);
  const test = compileTest(filter, field, meter);
  const { name, include } = filter;
  return (attributes) => {
    if (attributes === null) return false;
    let comparable = false;
    for (const attribute of attributes) {
      if (attribute.name !== name || attribute.value === null) continue;
      const result = test(attribute.value);
      if (result === true) return include;
      if (result === false) comparable = true;
    }
    return comparable && !include;
  };
}

function compileTest(filter: AttributeFilter, field: string, meter: Meter): Test {
  switch (filter.type) {
    case 'ValueRange':
      return rangeTest(filter, field, meter);
    case 'ValueSet':
      return setTest(filter, field, meter);
    case 'StringPattern':
      return patternTest(filter, field, meter);
  }
}

function rangeTest({ minimum, maximum }: ValueRange, field: string, meter: Meter): Test {
  const ends = [
    ['minimum', minimum],
    ['maximum', maximum],
  ] as const;
  let family: Family | null = null;
  for (const [name, end] of ends) {
    if (end === null) continue;
    meter.text(sizeOf(end), `${field}.${name}`);
    if (!isOrdered(end.type)) throw invalid(`${field}.${name}`, `values of type ${end.type} have no order`);
    if (Number.isNaN(end.value)) throw invalid(`${field}.${name}`, 'NaN is no end of a range');
    if (family !== null && family !== familyOf(end.type)) {
      throw invalid(`${field}.${name}`, `a ${end.type} cannot end a range that a ${minimum?.type} begins`);
    }
    family = familyOf(end.type);
  }
  if (family === null) return () => true;
  return (value) => {
    if (familyOf(value.type) !== family) return null;
    return (
      (minimum === null || compareToFilter(value, minimum) >= 0) &&
      (maximum === null || compareToFilter(value, maximum) <= 0)
    );
  };
}

function setTest({ values, include }: ValueSet, field: string, meter: Meter): Test {
  values.forEach((value, i) => {
    meter.term(sizeOf(value), `${field}.values[${i}]`);
  });
  if (values.length === 0) return () => include;
  const byFamily = new Map<Family, Attribute[]>();
  for (const value of values) {
    const family = familyOf(value.type);
    const same = byFamily.get(family);
    if (same === undefined) byFamily.set(family, [value]);
    else same.push(value);
  }
  const texts = new Set((byFamily.get('text') ?? []).map((value) => value.value as string));
  return (value) => {
    const family = familyOf(value.type);
    const wanted = byFamily.get(family);
    if (wanted === undefined) return null;
    if (family === 'text') return texts.has(value.value as string);
    return wanted.some((one) => equalsFilter(value, one));
  };
}

function patternTest({ regex }: StringPattern, field: string, meter: Meter): Test {
  meter.text(regex.length, `${field}.regex`);
  const found = compilePattern(regex, `${field}.regex`, meter.limits);
  return (value) => (familyOf(value.type) === 'text' ? found(value.value as string) : null);
}

function sizeOf(value: Attribute): number {
  if (typeof value.value === 'string' || value.type === 'Blob') return (value.value as string | Uint8Array).length;
  return value.type === 'ObjectRef' ? value.value.key.length + value.value.domain.join().length : 8;
}
