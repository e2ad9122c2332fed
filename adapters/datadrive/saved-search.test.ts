import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Attribute, parseTime } from '../../src/mal/index.js';
import { compileTree, decodeTree, encodeTree, type FilterTree } from '../../src/mpd/filter/index.js';
import type { ProductMetadata } from '../../src/mpd/index.js';
import type { FieldMap, FieldMeaning } from './field-map.js';
import { translateSearch } from './saved-search.js';
import { readFields } from './schema.js';

const attribute = (
  name: string,
  type: 'String' | 'Long' | 'Double' | 'Time' | 'Boolean',
  kind: string,
): FieldMeaning => ({
  ...{ attribute: name, type, ignoreAbove: null },
  kind: kind as 'keyword',
});
const FIELDS: Readonly<Record<string, FieldMeaning>> = {
  kind: attribute('kind', 'String', 'keyword'),
  note: attribute('note', 'String', 'text'),
  'note.keyword': { attribute: 'note', type: 'String', kind: 'keyword', ignoreAbove: 8 },
  count: attribute('count', 'Long', 'integer'),
  ratio: attribute('ratio', 'Double', 'double'),
  when: attribute('when', 'Time', 'date'),
  flag: attribute('flag', 'Boolean', 'boolean'),
  ocs_type_name: { part: 'productType' },
  ocs_created_by: { part: 'source' },
  ocs_created_at: { part: 'created' },
};
const fieldMap: FieldMap = (field) => FIELDS[field] ?? { reason: `${field} is no field of the index` };

const T0 = parseTime('2021-03-01T00:00:00Z')!;
type Values = Readonly<Record<string, Attribute | undefined>>;
const product = (values: Values, over: Partial<ProductMetadata> = {}): ProductMetadata => ({
  productType: { name: 'image', description: null, attributeDefs: null },
  productRef: { domain: ['nasa'], type: 'Product', key: 'a', version: 1 },
  ...{ creationDate: T0, source: 'ops', externalURI: null, contentDate: { start: T0, end: T0 } },
  attributes: Object.entries(values).flatMap(([name, value]) => (value ? [{ name, value }] : [])),
  ...{ description: null, fileMetadata: null, checksum: null },
  ...over,
});
const text = (value: string): Attribute => ({ type: 'String', value });
const long = (value: number): Attribute => ({ type: 'Long', value: BigInt(value) });
const time = (value: string): Attribute => ({ type: 'Time', value: parseTime(value)! });

/** The tree, through its stored form as a named filter is. */
function treeOf(dsl: unknown): FilterTree {
  const { tree, unsupported } = translateSearch(dsl, fieldMap);
  expect(unsupported).toEqual([]);
  return decodeTree(JSON.parse(JSON.stringify(encodeTree(tree!))));
}
const finds = (dsl: unknown, values: Values, over?: Partial<ProductMetadata>): boolean =>
  compileTree(treeOf(dsl))(product(values, over));

it('relies on no field whose texts the index normalises', () => {
  const normalised = { type: 'keyword', normalizer: 'lowercase' };
  const fields = readFields({ code: normalised, title: { type: 'text', fields: { keyword: normalised } } });
  expect(fields.get('code')?.kind).toBe('other');
  expect(fields.get('title')?.exact).toBeNull();
});

describe('translateSearch', () => {
  const CK = { kind: text('CK') };
  it.each<[string, unknown, Values, Values | null]>([
    ['term', { term: { kind: 'CK' } }, CK, { kind: text('ck') }],
    ['term as an object', { term: { kind: { value: 'CK', boost: 2 } } }, CK, {}],
    ['terms', { terms: { kind: ['SCLK', 'CK'] } }, CK, { kind: text('MK') }],
    ['match on a keyword', { match: { kind: { query: 'CK', operator: 'and' } } }, CK, { kind: text('CK 2') }],
    ['a keyword part', { term: { 'note.keyword': 'short' } }, { note: text('short') }, { note: text('shor') }],
    ['prefix, taken literally', { prefix: { kind: { value: 'a.[' } } }, { kind: text('a.[b') }, { kind: text('axb') }],
    ['a prefix at the beginning only', { prefix: { kind: 'CK' } }, CK, { kind: text('\nCK') }],
    ['exists', { exists: { field: 'kind' } }, CK, { count: long(1) }],
    ['gte and lte', { range: { count: { gte: 2, lte: 3 } } }, { count: long(3) }, { count: long(4) }],
    ['gt', { range: { count: { gt: 2 } } }, { count: long(3) }, { count: long(2) }],
    [
      'lt',
      { range: { ratio: { lt: 0.5 } } },
      { ratio: { type: 'Double', value: 0.4 } },
      { ratio: { type: 'Double', value: 0.5 } },
    ],
    ['a broken number as an end', { range: { count: { gte: 2.5 } } }, { count: long(3) }, { count: long(2) }],
    [
      'boolean',
      { term: { flag: 'true' } },
      { flag: { type: 'Boolean', value: true } },
      { flag: { type: 'Boolean', value: false } },
    ],
    [
      'lte of a day',
      { range: { when: { lte: '2021-03-02' } } },
      { when: time('2021-03-02T23:59:59.999Z') },
      { when: time('2021-03-03T00:00:00Z') },
    ],
    [
      'gt of a day',
      { range: { when: { gt: '2021-03-02' } } },
      { when: time('2021-03-03T00:00:00Z') },
      { when: time('2021-03-02T23:59:59.999Z') },
    ],
    [
      'lt of a day',
      { range: { when: { lt: '2021-03-02' } } },
      { when: time('2021-03-01T23:59:59.999Z') },
      { when: time('2021-03-02T00:00:00Z') },
    ],
    [
      'lte of a second',
      { range: { when: { lte: '2021-03-02T00:00:00Z' } } },
      { when: time('2021-03-02T00:00:00.999Z') },
      { when: time('2021-03-02T00:00:01Z') },
    ],
    [
      'lte of a millisecond',
      { range: { when: { lte: '2021-03-02T00:00:00.000Z' } } },
      { when: time('2021-03-02T00:00:00Z') },
      { when: time('2021-03-02T00:00:00.001Z') },
    ],
    [
      'a zone',
      { range: { when: { gte: '2021-03-02T02:00:00+02:00' } } },
      { when: time('2021-03-02T00:00:00Z') },
      { when: time('2021-03-01T23:59:59Z') },
    ],
    [
      'epoch_millis',
      { range: { when: { gte: 1614643200000, format: 'epoch_millis' } } },
      { when: time('2021-03-02T00:00:00Z') },
      { when: time('2021-03-01T23:59:59Z') },
    ],
    [
      'a day as a value',
      { term: { when: '2021-03-02' } },
      { when: time('2021-03-02T12:00:00Z') },
      { when: time('2021-03-03T00:00:00Z') },
    ],
    [
      'must_not, where the field is missing too',
      { bool: { must_not: { term: { kind: 'MK' } } } },
      {},
      { kind: text('MK') },
    ],
    [
      'must and filter',
      { bool: { must: { term: { kind: 'CK' } }, filter: [{ range: { count: { gte: 1 } } }] } },
      { ...CK, count: long(1) },
      CK,
    ],
    [
      'should alone',
      { bool: { should: [{ term: { kind: 'CK' } }, { term: { count: 1 } }] } },
      { count: long(1) },
      { count: long(2) },
    ],
    [
      'should that only ranks',
      { bool: { must: [{ term: { kind: 'CK' } }], should: [{ term: { count: 1 } }] } },
      CK,
      { count: long(1) },
    ],
    [
      'should that decides',
      { bool: { must: [{ term: { kind: 'CK' } }], should: [{ term: { count: 1 } }], minimum_should_match: 1 } },
      { ...CK, count: long(1) },
      CK,
    ],
    [
      'all of should',
      { bool: { should: [{ term: { kind: 'CK' } }, { term: { count: 1 } }], minimum_should_match: '2' } },
      { ...CK, count: long(1) },
      CK,
    ],
    ['constant_score', { constant_score: { filter: { term: { kind: 'CK' } } } }, CK, {}],
    ['match_all', { match_all: {} }, {}, null],
    ['an empty bool', { bool: {} }, {}, null],
    ['not nothing', { bool: { must_not: [{ match_none: {} }, { terms: { kind: [] } }] } }, {}, null],
    [
      'not an empty period',
      { bool: { must_not: { range: { when: { gt: '2021-01-02', lt: '2021-01-01' } } } } },
      {},
      null,
    ],
  ])('reads %s', (_, dsl, inside, outside) => {
    expect(finds(dsl, inside)).toBe(true);
    if (outside) expect(finds(dsl, outside)).toBe(false);
  });

  it('reads object type, owner and creation time as parts of the product', () => {
    const other = { productType: { name: 'label', description: null, attributeDefs: null }, source: 'me' };
    expect(finds({ terms: { ocs_type_name: ['image'] } }, {})).toBe(true);
    expect(finds({ terms: { ocs_type_name: ['image'] } }, {}, other)).toBe(false);
    expect(finds({ match: { ocs_created_by: 'ops' } }, {})).toBe(true);
    expect(finds({ match: { ocs_created_by: 'ops' } }, {}, other)).toBe(false);
    for (const [range, found] of [
      [{ gte: '2021-03-01' }, true],
      [{ gt: '2021-03-01' }, false],
      [{ lte: '2021-03-01' }, true],
      [{ lt: '2021-03-01' }, false],
      [{}, true],
    ] as const)
      expect(finds({ range: { ocs_created_at: range } }, {})).toBe(found);
  });

  it.each<[string, unknown, RegExp]>([
    ['full text', { query_string: { query: 'rover' } }, /full text/],
    ['a match on text', { match: { note: 'rover' } }, /full text/],
    ['a shape', { geo_shape: { place: {} } }, /map/],
    ['a pattern of the index', { regexp: { kind: 'C.*' } }, /pattern/],
    ['an unknown field', { term: { other: 1 } }, /no field/],
    ['date math', { range: { when: { gte: 'now-1d' } } }, /anew/],
    ['date math after a date', { range: { when: { gte: '2021-03-01||/d' } } }, /anew/],
    ['a month', { range: { when: { gte: '2021-03' } } }, /whole days/],
    ['a day that is none', { range: { when: { gte: '2021-02-30' } } }, /not a date/],
    ['a year that the gateway does not reach', { range: { when: { gte: '2500-01-01' } } }, /2262/],
    ['a number without a format', { range: { when: { gte: 1614643200000 } } }, /epoch_millis/],
    ['a time zone setting', { range: { when: { gte: '2021-03-01', time_zone: '+01:00' } } }, /time_zone/],
    ['another case', { term: { kind: { value: 'ck', case_insensitive: true } } }, /case/],
    ['fuzziness', { match: { kind: { query: 'CK', fuzziness: 1 } } }, /fuzziness/],
    ['long texts that the index leaves out', { prefix: { 'note.keyword': 'a' } }, /more than 8/],
    ['a value that the index leaves out', { term: { 'note.keyword': '123456789' } }, /more than 8/],
    ['some of the choices', { bool: { should: [{}, {}, {}], minimum_should_match: 2 } }, /one or all/],
    ['a share of the choices', { bool: { should: [{}, {}], minimum_should_match: '50%' } }, /one or all/],
    ['no choices', { bool: { minimum_should_match: 1 } }, /nothing to choose/],
    ['an unknown key of bool', { bool: { shuold: [] } }, /shuold/],
    ['values from elsewhere', { terms: { kind: { index: 'x' } } }, /another document/],
    ['text as JSON', 'kind:CK', /one key/],
    ['nothing', undefined, /one key/],
  ])('does not read %s, and says why', (_, dsl, reason) => {
    const { tree, unsupported } = translateSearch(dsl, fieldMap);
    expect(tree).toBeNull();
    expect(unsupported.map((one) => one.reason).join()).toMatch(reason);
  });

  it('reads no search in part, and names every clause that is in the way', () => {
    const good = { term: { kind: 'CK' } };
    const [text, shape] = [{ query_string: { query: 'x' } }, { geo_shape: { place: {} } }];
    for (const key of ['must', 'filter', 'should', 'must_not']) {
      const { tree, unsupported } = translateSearch({ bool: { [key]: [good, text, shape] } }, fieldMap);
      expect(tree).toBeNull();
      expect(unsupported.map(({ clause }) => JSON.parse(clause))).toEqual([text, shape]);
    }
  });

  it('ends at a depth that no search of a user has', () => {
    let dsl: unknown = { match_all: {} };
    for (let i = 0; i < 10_000; i++) dsl = { constant_score: { filter: dsl } };
    expect(translateSearch(dsl, fieldMap)).toMatchObject({
      tree: null,
      unsupported: [{ reason: 'more than 24 levels' }],
    });
  });

  it('gives back what a tree was written as', () => {
    const name = fc.constantFrom('kind', 'count');
    const leaf = name.chain((field): fc.Arbitrary<FilterTree> => {
      const value =
        field === 'kind' ? fc.constantFrom('', 'a', 'ab', 'b^').map(text) : fc.integer({ min: 0, max: 3 }).map(long);
      const end = fc.option(value);
      const set = fc.array(value, { minLength: 1, maxLength: 3 });
      return fc.oneof(
        set.map((values) => ofAttribute({ type: 'ValueSet', name: field, include: true, values })),
        fc
          .tuple(end, end)
          .map(([minimum, maximum]) =>
            ofAttribute({ type: 'ValueRange', name: field, include: true, minimum, maximum }),
          ),
      );
    });
    const { tree } = fc.letrec<{ tree: FilterTree }>((tie) => ({
      tree: fc.oneof(
        { maxDepth: 4, withCrossShrink: true },
        leaf,
        fc.array(tie('tree'), { maxLength: 3 }).map((all) => ({ all })),
        fc.array(tie('tree'), { minLength: 1, maxLength: 3 }).map((any) => ({ any })),
        tie('tree').map((not) => ({ not })),
      ),
    }));
    const values = fc.record({
      kind: fc.option(fc.constantFrom('', 'a', 'ab', 'b', 'b^').map(text), { nil: undefined }),
      count: fc.option(fc.integer({ min: 0, max: 3 }).map(long), { nil: undefined }),
    });
    fc.assert(
      fc.property(tree, values, (given, has) => {
        expect(finds(toDsl(given), has)).toBe(compileTree(given)(product(has)));
      }),
      { numRuns: 500 },
    );
  });
});

type Leaf = NonNullable<Extract<FilterTree, { filter: unknown }>['filter']['attributeFilter']>[number];
const ofAttribute = (leaf: Leaf): FilterTree => ({
  filter: { productType: null, domain: null, sources: null, attributeFilter: [leaf] },
});

/** Query DSL of the simple trees above. */
function toDsl(tree: FilterTree): object {
  if ('all' in tree) return { bool: { filter: tree.all.map(toDsl) } };
  if ('any' in tree) return { bool: { should: tree.any.map(toDsl), minimum_should_match: 1 } };
  if ('not' in tree) return { bool: { must_not: [toDsl(tree.not)] } };
  const [leaf] = 'filter' in tree ? (tree.filter.attributeFilter ?? []) : [];
  const plain = (value: Attribute): unknown => (typeof value.value === 'bigint' ? Number(value.value) : value.value);
  if (leaf?.type === 'ValueSet') return { terms: { [leaf.name]: leaf.values.map(plain) } };
  if (leaf?.type !== 'ValueRange') throw new Error('not one of the simple trees');
  const { minimum, maximum } = leaf;
  return {
    range: { [leaf.name]: { ...(minimum && { gte: plain(minimum) }), ...(maximum && { lte: plain(maximum) }) } },
  };
}
