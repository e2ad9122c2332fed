import type { Attribute } from '../../src/mal/index.js';
import { familyOf, literalPrefix } from '../../src/mpd/filter/index.js';
import type { AttributeFilter } from '../../src/mpd/index.js';
import type { Catalogue } from './catalogue.js';
import { anyOf, between, type Clause, floorMs } from './clause.js';
import type { DataDriveConfig } from './config.js';
import { infoOf, orUnindexed } from './indexed.js';
import { plainPattern } from './pattern.js';
import { siteField } from './record.js';
import type { FieldInfo } from './schema.js';

/** A condition that what passes the filter fulfils. null: only the exact evaluation can tell. `nothing`: no value of the attribute's type passes. */
export function attributeClause(
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
