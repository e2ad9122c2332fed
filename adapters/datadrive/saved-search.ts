import type { Attribute } from '../../src/mal/index.js';
import type { FilterTree } from '../../src/mpd/filter/index.js';
import type { AttributeFilter } from '../../src/mpd/index.js';
import { LATEST_MS, type Span, spanOf } from './dates.js';
import type { FieldMap, FieldMeaning } from './field-map.js';

export interface Unsupported {
  /** The clause as JSON, shortened. */
  readonly clause: string;
  readonly reason: string;
}

/** `tree` is null as soon as one clause that decides cannot be expressed: a part of a search is another search. */
export interface Translation {
  readonly tree: FilterTree | null;
  readonly unsupported: readonly Unsupported[];
}

type Json = Readonly<Record<string, unknown>>;
/** A text is the reason why not. */
type Read = FilterTree | string;
type AttributeMeaning = Extract<FieldMeaning, { readonly attribute: string }>;

const ALL: FilterTree = { all: [] };
const NOTHING: FilterTree = { any: [] };
const DEEPEST = 24;
const MS = 1_000_000n;
/** Open ends of a window of creation times. */
const EVER = { start: -LATEST_MS * MS, end: LATEST_MS * MS };

/** Reads query DSL back as a filter that finds the same products, nothing more and nothing less. */
export function translateSearch(dsl: unknown, fieldMap: FieldMap): Translation {
  const unsupported: Unsupported[] = [];
  const refuse = (clause: unknown, reason: string): null => {
    const text = JSON.stringify(clause) ?? String(clause);
    unsupported.push({ clause: text.length > 200 ? `${text.slice(0, 199)}…` : text, reason });
    return null;
  };

  function visit(clause: unknown, depth: number): FilterTree | null {
    if (depth > DEEPEST) return refuse('…', `more than ${DEEPEST} levels`);
    const only = onlyEntry(clause);
    if (!only) return refuse(clause, 'not a query with one key');
    const [key, body] = only;
    if (key === 'bool') return isJson(body) ? visitBool(body, depth) : refuse(clause, 'not an object');
    if (key === 'constant_score' && isJson(body)) return visit(body.filter, depth + 1);
    const read = readLeaf(key, body, fieldMap);
    return typeof read === 'string' ? refuse(clause, read) : read;
  }

  function visitBool(body: Json, depth: number): FilterTree | null {
    const { must, filter, should, must_not, minimum_should_match, adjust_pure_negative, boost, _name, ...more } = body;
    const [other] = Object.keys(more);
    if (other !== undefined) return refuse({ bool: { [other]: more[other] } }, `${other} of bool is not known here`);
    if (adjust_pure_negative === false) return refuse({ bool: { adjust_pure_negative } }, 'a rare setting');
    const needed = [...listOf(must), ...listOf(filter)];
    const choices = listOf(should);
    const parts: (FilterTree | null)[] = needed.map((clause) => visit(clause, depth + 1));
    const least =
      minimum_should_match === undefined ? Number(needed.length === 0 && choices.length > 0) : minimum_should_match;
    const count = typeof least === 'string' && /^\d+$/.test(least) ? Number(least) : least;
    if (count === choices.length || count === 1) {
      if (choices.length === 0 && count !== 0) parts.push(refuse({ bool: { should } }, 'nothing to choose from'));
      const read = choices.map((clause) => visit(clause, depth + 1));
      const trees = read.filter((tree) => tree !== null);
      if (trees.length < read.length) parts.push(null);
      else if (trees.length > 0) parts.push(count === 1 ? any(trees) : all(trees));
    } else if (count !== 0) {
      parts.push(refuse({ bool: { minimum_should_match } }, 'only one or all of the choices can be asked for'));
    }
    for (const clause of listOf(must_not)) {
      const tree = visit(clause, depth + 1);
      parts.push(tree && { not: tree });
    }
    const trees = parts.filter((tree) => tree !== null);
    return trees.length < parts.length ? null : all(trees);
  }

  const tree = visit(dsl, 0);
  return { tree: unsupported.length > 0 ? null : tree, unsupported };
}

const REASONS: readonly (readonly [RegExp, string])[] = [
  [/^(query_string|simple_query_string|multi_match|match_.*|more_like_this|intervals|combined_fields)$/, 'full text'],
  [/^(geo_|shape)/, 'places on a map'],
  [/^(regexp|wildcard|fuzzy)$/, 'a pattern of the index, which reads patterns in its own way'],
];

function readLeaf(key: string, body: unknown, fieldMap: FieldMap): Read {
  if (key === 'match_all') return ALL;
  if (key === 'match_none') return NOTHING;
  if (key === 'exists') {
    const { field } = isJson(body) ? body : {};
    return typeof field === 'string' ? readExists(fieldMap(field)) : 'no field';
  }
  const leaf = LEAVES[key];
  if (!leaf) return REASONS.find(([name]) => name.test(key))?.[1] ?? `${key} has no counterpart here`;
  const { boost, ...named } = isJson(body) ? body : {};
  const only = onlyEntry(named);
  if (!only) return 'not a condition on one field';
  const meaning = fieldMap(only[0]);
  if ('reason' in meaning) return meaning.reason;
  if ('attribute' in meaning && meaning.kind === 'text') return 'full text';
  return leaf(meaning, only[1]);
}

type Known = Exclude<FieldMeaning, { readonly reason: string }>;

const LEAVES: Readonly<Record<string, (meaning: Known, argument: unknown) => Read>> = {
  term: (meaning, argument) => withValue(argument, 'value', [], (value) => equal(meaning, [value])),
  match: (meaning, argument) => withValue(argument, 'query', ['operator'], (value) => equal(meaning, [value])),
  match_phrase: (meaning, argument) => withValue(argument, 'query', [], (value) => equal(meaning, [value])),
  terms: (meaning, argument) => (Array.isArray(argument) ? equal(meaning, argument) : 'values from another document'),
  prefix: (meaning, argument) => withValue(argument, 'value', ['rewrite'], (value) => startsWith(meaning, value)),
  range: (meaning, argument) => (isJson(argument) ? between(meaning, argument) : 'no ends'),
};

/** A condition is written as its value or as an object around it; settings that change what it finds are refused. */
function withValue(argument: unknown, key: string, harmless: readonly string[], read: (value: unknown) => Read): Read {
  if (!isJson(argument)) return read(argument);
  const { [key]: value, boost, _name, case_insensitive, ...more } = argument;
  if (case_insensitive === true) return 'upper and lower case are told apart here';
  const other = Object.keys(more).find((name) => !harmless.includes(name));
  return other === undefined ? read(value) : `${other} has no counterpart here`;
}

function readExists(meaning: FieldMeaning): Read {
  if ('reason' in meaning) return meaning.reason;
  if ('part' in meaning) return meaning.part === 'created' ? ALL : `every product has a ${meaning.part} or none`;
  if (meaning.ignoreAbove !== null && meaning.kind !== 'text') return tooLong(meaning.ignoreAbove);
  return attributeTree(range(meaning, null, null));
}

function equal(meaning: Known, values: readonly unknown[]): Read {
  if ('part' in meaning ? meaning.part === 'created' : meaning.kind === 'date') {
    const trees: FilterTree[] = [];
    for (const value of values) {
      const span = spanOf(value, undefined);
      if (typeof span === 'string') return span;
      trees.push(inSpan(meaning, span.first, span.last));
    }
    return any(trees);
  }
  if (values.length === 0) return NOTHING;
  if ('part' in meaning) {
    const texts = values.filter((value) => typeof value === 'string');
    if (texts.length < values.length) return 'not a text';
    if (meaning.part === 'productType') return { productTypes: texts };
    return { filter: { productType: null, domain: null, sources: texts, attributeFilter: null } };
  }
  const attributes: Attribute[] = [];
  for (const value of values) {
    const attribute = attributeFor(meaning, value);
    if (typeof attribute === 'string') return attribute;
    attributes.push(attribute);
  }
  return attributeTree({ type: 'ValueSet', name: meaning.attribute, include: true, values: attributes });
}

function startsWith(meaning: Known, value: unknown): Read {
  if (typeof value !== 'string') return 'not a text';
  if ('part' in meaning || meaning.kind !== 'keyword') return 'the beginning of what is no text attribute';
  if (meaning.ignoreAbove !== null) return tooLong(meaning.ignoreAbove);
  const regex = `^${value.replace(/[\\^$.[\]|()?*+{}]/g, '\\$&')}`;
  return attributeTree({ type: 'StringPattern', name: meaning.attribute, include: true, regex });
}

function between(meaning: Known, body: Json): Read {
  const { gte, gt, lte, lt, format, boost, _name, ...more } = body;
  const [other] = Object.keys(more);
  if (other !== undefined) return `${other} has no counterpart here`;
  if ((gte ?? null) !== null && (gt ?? null) !== null) return 'two lower ends';
  if ((lte ?? null) !== null && (lt ?? null) !== null) return 'two upper ends';
  if ('part' in meaning ? meaning.part === 'created' : meaning.kind === 'date') {
    const [low, high] = [gte ?? gt ?? null, lte ?? lt ?? null].map((end) =>
      end === null ? null : spanOf(end, format),
    );
    if (typeof low === 'string') return low;
    if (typeof high === 'string') return high;
    return inSpan(meaning, lowEnd(low ?? null, (gt ?? null) !== null), highEnd(high ?? null, (lt ?? null) !== null));
  }
  if ('part' in meaning || meaning.kind === 'boolean') return 'a range over what has no order here';
  if (format !== undefined) return 'format has no counterpart here';
  if (meaning.ignoreAbove !== null) return tooLong(meaning.ignoreAbove);
  const ends = [gte ?? gt ?? null, lte ?? lt ?? null].map((end) => (end === null ? null : attributeFor(meaning, end)));
  const wrong = ends.find((end) => typeof end === 'string');
  if (typeof wrong === 'string') return wrong;
  const [low = null, high = null] = ends as (Attribute | null)[];
  const open = [(gt ?? null) === null ? null : low, (lt ?? null) === null ? null : high].filter((end) => end !== null);
  const within = attributeTree(range(meaning, low, high));
  if (open.length === 0) return within;
  const edge = attributeTree({ type: 'ValueSet', name: meaning.attribute, include: true, values: open });
  return { all: [within, { not: edge }] };
}

/** As the index rounds: the lower end of `gt` is after all that the date stands for, of `gte` at its first instant. */
const lowEnd = (span: Span | null, open: boolean): bigint | null => span && (open ? span.last + MS : span.first);
const highEnd = (span: Span | null, open: boolean): bigint | null => span && (open ? span.first - MS : span.last);

function inSpan(meaning: Known, first: bigint | null, last: bigint | null): FilterTree {
  if (first !== null && last !== null && first > last) return NOTHING;
  if ('part' in meaning) return { created: { start: first ?? EVER.start, end: last ?? EVER.end } };
  const end = (value: bigint | null): Attribute | null => (value === null ? null : { type: 'Time', value });
  return attributeTree(range(meaning, end(first), end(last)));
}

function attributeFor({ kind, ignoreAbove }: AttributeMeaning, value: unknown): Attribute | string {
  switch (kind) {
    case 'keyword':
      if (typeof value !== 'string') return 'not a text';
      return ignoreAbove !== null && [...value].length > ignoreAbove ? tooLong(ignoreAbove) : { type: 'String', value };
    case 'boolean':
      if (value !== true && value !== false && value !== 'true' && value !== 'false') return 'neither true nor false';
      return { type: 'Boolean', value: String(value) === 'true' };
    default: {
      if (typeof value !== 'number') return 'not a number';
      // Beyond this the numbers of JSON are not exact.
      if (!(Math.abs(value) <= Number.MAX_SAFE_INTEGER)) return 'a number that JSON does not hold exactly';
      return Number.isInteger(value) ? { type: 'Long', value: BigInt(value) } : { type: 'Double', value };
    }
  }
}

const range = (
  { attribute }: AttributeMeaning,
  minimum: Attribute | null,
  maximum: Attribute | null,
): AttributeFilter => ({ type: 'ValueRange', name: attribute, include: true, minimum, maximum });

const attributeTree = (filter: AttributeFilter): FilterTree => ({
  filter: { productType: null, domain: null, sources: null, attributeFilter: [filter] },
});

const tooLong = (limit: number): string => `the index leaves out texts of more than ${limit} characters`;
const all = (trees: readonly FilterTree[]): FilterTree => (trees.length === 1 ? trees[0]! : { all: trees });
const any = (trees: readonly FilterTree[]): FilterTree => (trees.length === 1 ? trees[0]! : { any: trees });
const listOf = (value: unknown): readonly unknown[] =>
  value === undefined || value === null ? [] : Array.isArray(value) ? value : [value];
const isJson = (value: unknown): value is Json => typeof value === 'object' && value !== null && !Array.isArray(value);

function onlyEntry(value: unknown): readonly [string, unknown] | undefined {
  const entries = isJson(value) ? Object.entries(value) : [];
  return entries.length === 1 ? entries[0] : undefined;
}
