import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compileFilter, compileTree, type FilterTree } from '../../src/mpd/filter/index.js';
import type { ProductFilter } from '../../src/mpd/index.js';
import { product } from '../../test/interop/products.js';
import { interestOf } from './interest.js';

const config = { domains: [['test']], quirks: 'none' } as const;
const esa = { ...config, quirks: 'esa-12.2' } as const;
const filter = (part: Partial<ProductFilter>): FilterTree => ({
  filter: { productType: null, domain: null, sources: null, attributeFilter: null, ...part },
});
const band = { type: 'ValueSet', name: 'band', include: true, values: [{ type: 'Long', value: 3n }] } as const;
const pattern = { type: 'StringPattern', name: 'band', include: true, regex: '3' } as const;

describe('what is ordered at the provider', () => {
  it('is nothing without orders, and everything owned for one that wants everything', () => {
    expect(interestOf([], config)).toBeNull();
    expect(interestOf([filter({ productType: 'a' }), null], config)).toMatchObject({
      productType: null,
      domain: ['test', '*'],
    });
    expect(interestOf([{ any: [] }], config)).toBeNull();
    expect(interestOf([{ domain: ['elsewhere'] }], config)).toBeNull();
  });

  it('is what one order says, as far as the standard can', () => {
    const one = { productType: 'a', domain: ['test', 'x'], sources: ['s'], attributeFilter: [band] };
    expect(interestOf([filter(one)], config)).toEqual(one);
    expect(interestOf([{ all: [filter(one), { pathPrefix: 'hk/' }] }], config)).toEqual(one);
    expect(interestOf([filter({ ...one, attributeFilter: [band, pattern] })], config)).toEqual(one);
  });

  it('is the narrowest that has all of them', () => {
    const some = [
      filter({ productType: 'a', domain: ['test', 'x', 'y'], sources: ['s'] }),
      filter({ productType: 'a', domain: ['test', 'x', 'z'], sources: ['r', 's'] }),
    ];
    expect(interestOf(some, config)).toEqual({
      productType: 'a',
      domain: ['test', 'x', '*'],
      sources: ['r', 's'],
      attributeFilter: null,
    });
    expect(interestOf([...some, filter({ productType: 'b' })], config)).toMatchObject({
      productType: null,
      domain: ['test', '*'],
      sources: null,
    });
  });

  it('leaves out what ESA’s provider fails on', () => {
    const asked = filter({ productType: 'a', domain: ['test', 'x'], sources: ['s'], attributeFilter: [band] });
    expect(interestOf([asked], esa)).toEqual({ productType: 'a', domain: null, sources: ['s'], attributeFilter: null });
  });

  it('never leaves out a product that an order matches', () => {
    const name = fc.constantFrom('a', 'b');
    const domain = fc.constantFrom(['test'], ['test', 'x'], ['test', 'x', '*'], ['test', 'y'], ['*'], ['else']);
    const leaf: fc.Arbitrary<FilterTree> = fc.oneof(
      fc.record({
        filter: fc.record({
          productType: fc.option(name),
          domain: fc.option(domain),
          sources: fc.option(fc.subarray(['s', 'r'])),
          attributeFilter: fc.option(fc.constantFrom([band], [pattern], [{ ...band, include: false }])),
        }),
      }),
      fc.record({ productTypes: fc.subarray(['a', 'b']) }),
      fc.record({ domain }),
      fc.record({ pathPrefix: fc.constantFrom('k', 'x') }),
    );
    const tree: fc.Arbitrary<FilterTree> = fc.oneof(
      leaf,
      fc.record({ all: fc.array(leaf, { maxLength: 3 }) }),
      fc.record({ any: fc.array(leaf, { maxLength: 3 }) }),
      fc.record({ not: leaf }),
    );
    const made = fc.record({
      type: name,
      domain: fc.constantFrom(['test'], ['test', 'x'], ['test', 'x', 'y'], ['test', 'y']),
      source: fc.constantFrom('s', 'r', null),
      attributes: fc.constantFrom({ band: { type: 'Long', value: 3n } } as const, {}),
    });
    let matched = 0;
    fc.assert(
      fc.property(
        fc.array(fc.option(tree), { maxLength: 3 }),
        made,
        fc.constantFrom(config, esa),
        (trees, options, at) => {
          const { productMetadata } = product('key', options);
          if (!trees.some((each) => compileTree(each)(productMetadata, null))) return;
          matched++;
          const wanted = interestOf(trees, at);
          expect(wanted).not.toBeNull();
          expect(compileFilter(wanted)(productMetadata, null)).toBe(true);
        },
      ),
      { numRuns: 3000 },
    );
    expect(matched).toBeGreaterThan(500);
  });
});
