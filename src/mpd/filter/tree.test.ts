import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Attribute, DecodeError } from '../../mal/index.js';
import { MpdError } from '../errors.js';
import type { AttributeFilter, ProductFilter, ProductMetadata, TimeWindow } from '../types.js';
import { filterBounds } from './bounds.js';
import { domainMatches } from './domain.js';
import { resolveNamed } from './named.js';
import { literalPrefix } from './pattern.js';
import { compileFilter } from './product-filter.js';
import { compileTree, type FilterTree } from './tree.js';
import { decodeTree, encodeTree } from './tree-json.js';

/** Few names and small numbers, so that filters and products meet often. */
const name = fc.constantFrom('a', 'b', 'c');
const domain = fc.array(fc.constantFrom('x', 'y'), { maxLength: 3 });
const domainPattern = fc
  .tuple(domain, fc.boolean())
  .map(([parts, open]): readonly string[] => (open ? [...parts, '*'] : parts));
const window: fc.Arbitrary<TimeWindow> = fc
  .tuple(fc.bigInt(0n, 9n), fc.bigInt(0n, 4n))
  .map(([start, length]) => ({ start, end: start + length }));
const value: fc.Arbitrary<Attribute> = fc.oneof(
  fc.integer({ min: -2, max: 2 }).map((n): Attribute => ({ type: 'Octet', value: n })),
  fc.bigInt(0n, 2n).map((n): Attribute => ({ type: 'ULong', value: n })),
  fc.constantFrom(-1.5, 0, 0.5, 1).map((n): Attribute => ({ type: 'Double', value: n })),
  fc.constantFrom('p', 'pq', 'q').map((s): Attribute => ({ type: 'String', value: s })),
  fc.constantFrom('p', 'r').map((s): Attribute => ({ type: 'Identifier', value: s })),
  fc.boolean().map((b): Attribute => ({ type: 'Boolean', value: b })),
);
const number = value.filter((v) => typeof v.value === 'number' || typeof v.value === 'bigint');

const metadata: fc.Arbitrary<ProductMetadata> = fc.record({
  productType: name.map((n) => ({ name: n, description: null, attributeDefs: null })),
  productRef: fc.record({
    domain,
    type: fc.constant('Product'),
    key: fc.constantFrom('d/1', 'd/e/2', 'f'),
    version: fc.constant(1),
  }),
  creationDate: fc.bigInt(0n, 12n),
  source: fc.option(name),
  externalURI: fc.constant(null),
  contentDate: window,
  attributes: fc.option(fc.array(fc.record({ name, value: fc.option(value) }), { maxLength: 3 })),
  description: fc.constant(null),
  fileMetadata: fc.constant(null),
  checksum: fc.constant(null),
});

const attributeFilter: fc.Arbitrary<AttributeFilter> = fc.oneof(
  fc.record({
    type: fc.constant('ValueRange' as const),
    name,
    include: fc.boolean(),
    minimum: fc.option(number),
    maximum: fc.option(number),
  }),
  fc.record({
    type: fc.constant('ValueSet' as const),
    name,
    include: fc.boolean(),
    values: fc.array(value, { maxLength: 3 }),
  }),
  fc.record({
    type: fc.constant('StringPattern' as const),
    name,
    include: fc.boolean(),
    regex: fc.constantFrom('p', '^q', 'q$', '.', '^p[qr]'),
  }),
);
const productFilter: fc.Arbitrary<ProductFilter> = fc.record({
  productType: fc.option(name, { freq: 1 }),
  domain: fc.option(domainPattern, { freq: 1 }),
  sources: fc.option(fc.array(name, { maxLength: 2 }), { freq: 1 }),
  attributeFilter: fc.option(fc.array(attributeFilter, { maxLength: 2 }), { freq: 1 }),
});
const { tree } = fc.letrec<{ tree: FilterTree }>((tie) => ({
  tree: fc.oneof(
    { maxDepth: 4, depthIdentifier: 'tree' },
    fc.record({ filter: productFilter }),
    fc.record({ productTypes: fc.array(name, { maxLength: 2 }) }),
    fc.record({ domain: domainPattern }),
    fc.record({ pathPrefix: fc.constantFrom('', 'd', 'd/e', 'g') }),
    fc.record({ created: window }),
    fc.record({ content: window }),
    fc.record({ not: tie('tree') }),
    fc.record({ all: fc.array(tie('tree'), { maxLength: 3 }) }),
    fc.record({ any: fc.array(tie('tree'), { maxLength: 3 }) }),
  ),
}));

/** The rules again, written down as plainly as can be. */
function naive(node: FilterTree, m: ProductMetadata): boolean {
  if ('all' in node) return node.all.every((child) => naive(child, m));
  if ('any' in node) return node.any.some((child) => naive(child, m));
  if ('not' in node) return !naive(node.not, m);
  if ('productTypes' in node) return node.productTypes.includes(m.productType.name);
  if ('domain' in node) return naiveDomain(m.productRef.domain, node.domain);
  if ('pathPrefix' in node) return m.productRef.key.slice(0, node.pathPrefix.length) === node.pathPrefix;
  if ('created' in node) return m.creationDate >= node.created.start && m.creationDate <= node.created.end;
  if ('content' in node) return m.contentDate.end >= node.content.start && m.contentDate.start <= node.content.end;
  if ('named' in node) throw new Error('not generated');
  const f = node.filter;
  if (f.productType !== null && f.productType !== m.productType.name) return false;
  if (f.domain !== null && !naiveDomain(m.productRef.domain, f.domain)) return false;
  if (f.sources !== null && !f.sources.some((source) => source === m.source)) return false;
  return (f.attributeFilter ?? []).every((one) => naiveAttribute(one, m));
}

function naiveDomain(domain: readonly string[], pattern: readonly string[]): boolean {
  const escaped = (parts: readonly string[]): string => parts.map((part) => `${part}/`).join('');
  return pattern.at(-1) === '*'
    ? escaped(domain).startsWith(escaped(pattern.slice(0, -1)))
    : escaped(domain) === escaped(pattern);
}

function naiveAttribute(f: AttributeFilter, m: ProductMetadata): boolean {
  const values = (m.attributes ?? []).filter((a) => a.name === f.name && a.value !== null).map((a) => a.value!);
  const kind = (v: Attribute): string => (typeof v.value === 'bigint' ? 'number' : typeof v.value);
  const equal = (a: Attribute, b: Attribute): boolean =>
    kind(a) === kind(b) && !(a.value < b.value) && !(a.value > b.value);
  const wanted =
    f.type === 'ValueSet' ? f.values : f.type === 'ValueRange' ? [f.minimum, f.maximum].filter((v) => v !== null) : [];
  const relevant = values.filter((v) =>
    f.type === 'StringPattern' ? kind(v) === 'string' : wanted.length === 0 || wanted.some((w) => kind(w) === kind(v)),
  );
  if (relevant.length === 0) return false;
  if (f.type === 'ValueSet' && f.values.length === 0) return true;
  const hit = relevant.some((v) => {
    if (f.type === 'ValueSet') return f.values.some((w) => equal(v, w));
    if (f.type === 'StringPattern') return new RegExp(f.regex).test(v.value as string);
    return (f.minimum === null || v.value >= f.minimum.value) && (f.maximum === null || v.value <= f.maximum.value);
  });
  return hit === f.include;
}

function fault(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    expect(error).toBeInstanceOf(MpdError);
    expect((error as MpdError).code).toBe('Invalid');
    return (error as Error).message;
  }
  throw new Error('nothing was refused');
}

describe('filter tree', () => {
  it('decides as the rules say', () => {
    let accepted = 0;
    fc.assert(
      fc.property(tree, fc.array(metadata, { minLength: 1, maxLength: 8 }), (node, products) => {
        const passes = compileTree(node);
        for (const product of products) {
          const expected = naive(node, product);
          if (expected) accepted++;
          expect(passes(product)).toBe(expected);
        }
      }),
      { numRuns: 2000 },
    );
    expect(accepted).toBeGreaterThan(100);
  });

  it('agrees with a plain ProductFilter', () => {
    fc.assert(
      fc.property(productFilter, metadata, (filter, product) => {
        expect(compileFilter(filter)(product)).toBe(naive({ filter }, product));
      }),
      { numRuns: 2000 },
    );
  });

  it('is read back from its JSON form', () => {
    fc.assert(
      fc.property(tree, (node) => {
        expect(decodeTree(JSON.parse(JSON.stringify(encodeTree(node))))).toEqual(node);
      }),
    );
    const named: FilterTree = { all: [{ named: '@ops/x' }] };
    expect(decodeTree(encodeTree(named))).toEqual(named);
  });

  it('gives bounds that nothing accepted lies outside of', () => {
    let bounded = 0;
    fc.assert(
      fc.property(tree, metadata, (node, product) => {
        const bounds = filterBounds(node);
        if (bounds.domains !== null || bounds.productTypes !== null) bounded++;
        if (!naive(node, product)) return;
        const { domain, key } = product.productRef;
        expect(bounds.domains?.some((pattern) => domainMatches(domain, pattern)) ?? true).toBe(true);
        expect(bounds.productTypes?.includes(product.productType.name) ?? true).toBe(true);
        expect(bounds.sources?.includes(product.source ?? '') ?? true).toBe(true);
        expect(bounds.pathPrefixes?.some((prefix) => key.startsWith(prefix)) ?? true).toBe(true);
        for (const filter of bounds.filters) expect(naive({ filter }, product)).toBe(true);
        if (bounds.created !== null) expect(naive({ created: bounds.created }, product)).toBe(true);
        for (const content of bounds.content) expect(naive({ content }, product)).toBe(true);
      }),
      { numRuns: 3000 },
    );
    expect(bounded).toBeGreaterThan(100);
  });

  it('narrows domains and types of conditions that all hold', () => {
    const node: FilterTree = {
      all: [
        { domain: ['esa', '*'] },
        { any: [{ domain: ['esa', 'solo'] }, { domain: ['nasa', '*'] }] },
        { productTypes: ['a', 'b'] },
        { productTypes: ['b', 'c'] },
      ],
    };
    expect(filterBounds(node)).toMatchObject({ domains: [['esa', 'solo']], productTypes: ['b'] });
    expect(filterBounds({ any: [] })).toMatchObject({ domains: [], productTypes: [] });
  });

  it('refuses what it cannot evaluate, by path', () => {
    const reversed = { start: 2n, end: 1n };
    expect(fault(() => compileTree({ all: [{ any: [{ created: reversed }] }] }))).toBe(
      'filter.all[0].any[0].created: the window ends before it starts',
    );
    expect(fault(() => compileTree({ not: { named: 'x' } }, 'policy'))).toMatch(/^policy\.not\.named: .*not resolved/);
    let deep: FilterTree = { pathPrefix: '' };
    for (let i = 0; i < 40; i++) deep = { not: deep };
    expect(fault(() => compileTree(deep))).toMatch(/more than 32 levels/);
    const wide: FilterTree = { any: Array.from({ length: 5000 }, () => ({ pathPrefix: 'a' })) };
    expect(fault(() => compileTree(wide))).toMatch(/more than 2000 conditions/);
    expect(fault(() => compileTree({ pathPrefix: 'x'.repeat(10_000_000) }))).toMatch(/too big/);
  });

  it.each([
    [{}, /^expected an object with one of all, any, not/],
    [[], /^expected an object/],
    [{ all: [], any: [] }, /^expected an object with one of/],
    [{ constructor: 1 }, /^constructor: unknown/],
    [{ all: [{ some: 1 }] }, /^all\[0\]\.some: unknown/],
    [{ any: [{ filter: { domain: ['x', 3] } }] }, /^any\[0\]\.filter\.domain\[1\]: expected text/],
    [{ not: { created: { start: 'today', end: '2020-01-01T00:00:00Z' } } }, /^not\.created\.start: not an ISO 8601/],
  ])('refuses the JSON %j', (json, message) => {
    expect(() => decodeTree(json)).toThrow(DecodeError);
    expect(() => decodeTree(json)).toThrow(message);
  });

  it('does not run out of stack on nested JSON', () => {
    const text = `${'{"not":'.repeat(5000)}{"pathPrefix":""}${'}'.repeat(5000)}`;
    expect(() => decodeTree(JSON.parse(text))).toThrow(DecodeError);
  });
});

describe('named filters', () => {
  const stored: Record<string, FilterTree> = {
    inner: { productTypes: ['a'] },
    outer: { any: [{ named: 'inner' }, { pathPrefix: 'x' }] },
    loop: { not: { named: 'pool' } },
    pool: { all: [{ named: 'loop' }] },
    bomb0: { pathPrefix: 'x' },
    ...Object.fromEntries(
      Array.from({ length: 20 }, (_, i) => [`bomb${i + 1}`, { all: [{ named: `bomb${i}` }, { named: `bomb${i}` }] }]),
    ),
  };
  const resolve = (name: string): FilterTree | null => stored[name] ?? null;

  it('are put in the place of their names', async () => {
    expect(await resolveNamed({ all: [{ named: 'outer' }] }, resolve)).toEqual({
      all: [{ any: [{ productTypes: ['a'] }, { pathPrefix: 'x' }] }],
    });
  });

  it.each([
    ['missing', /^filter\.named: there is no filter named "missing"/],
    ['loop', /"loop" refers to itself/],
    ['bomb20', /too big/],
  ])('%s is refused', async (name, message) => {
    await expect(resolveNamed({ named: name }, resolve)).rejects.toThrow(message);
  });
});

describe('literal prefix of a pattern', () => {
  it.each([
    ['^abc', 'abc'],
    ['^abc.*', 'abc'],
    ['^a\\.b[0-9]', 'a.b'],
    ['^abc?', 'ab'],
    ['^abc*d', 'ab'],
    ['^abc+d', 'abc'],
    ['^ab{0,2}', 'a'],
    ['^a|b', null],
    ['abc', null],
    ['^\\d', null],
    ['^(abc)', null],
    ['^世x', '世x'],
  ])('%s: %s', (regex, expected) => {
    expect(literalPrefix(regex)).toBe(expected);
  });
});
