import { describe, expect, it } from 'vitest';
import { type Attribute, parseTime } from '../../mal/index.js';
import { isMpdError } from '../errors.js';
import type { AttributeFilter, ProductFilter, ProductMetadata } from '../types.js';
import { compileFilter, compileQuery } from './product-filter.js';

const NO_FILTER: ProductFilter = { productType: null, domain: null, sources: null, attributeFilter: null };

function product(over: Partial<ProductMetadata> & { domain?: readonly string[] } = {}): ProductMetadata {
  const { domain = ['nasa', 'hubble'], ...rest } = over;
  return {
    productType: { name: 'image', description: null, attributeDefs: null },
    productRef: { domain, type: 'Product', key: 'img/1', version: 1 },
    creationDate: 100n,
    source: null,
    externalURI: null,
    contentDate: { start: 10n, end: 20n },
    attributes: null,
    description: null,
    fileMetadata: null,
    checksum: null,
    ...rest,
  };
}

const withValue = (value: Attribute | null): ProductMetadata => product({ attributes: [{ name: 'a', value }] });
const passes = (filter: Partial<ProductFilter>, metadata: ProductMetadata): boolean =>
  compileFilter({ ...NO_FILTER, ...filter })(metadata);
const attributePasses = (filter: AttributeFilter, metadata: ProductMetadata): boolean =>
  passes({ attributeFilter: [filter] }, metadata);

const range = (minimum: Attribute | null, maximum: Attribute | null, include = true): AttributeFilter => ({
  type: 'ValueRange',
  name: 'a',
  include,
  minimum,
  maximum,
});
const set = (values: readonly Attribute[], include = true): AttributeFilter => ({
  type: 'ValueSet',
  name: 'a',
  include,
  values,
});
const pattern = (regex: string, include = true): AttributeFilter => ({
  type: 'StringPattern',
  name: 'a',
  include,
  regex,
});

const long = (value: bigint): Attribute => ({ type: 'Long', value });
const double = (value: number): Attribute => ({ type: 'Double', value });
const text = (value: string): Attribute => ({ type: 'String', value });

function fault(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    if (!isMpdError(error, 'Invalid')) throw error;
    expect(error.class).toBe('refuse');
    expect(error.extraInformation).toBe(error.message);
    return `${error.field} | ${error.message}`;
  }
  throw new Error('nothing was refused');
}

describe('product filter', () => {
  it('takes everything when it says nothing', () => {
    expect(compileFilter(null)(product())).toBe(true);
    expect(passes({}, product())).toBe(true);
    expect(passes({ attributeFilter: [] }, product())).toBe(true);
  });

  it('compares the type exactly, `*` being no wildcard', () => {
    expect(passes({ productType: 'image' }, product())).toBe(true);
    for (const productType of ['Image', 'imag', '*', '']) expect(passes({ productType }, product())).toBe(false);
  });

  it.each([
    [['nasa', 'hubble'], true],
    [['nasa'], false],
    [['nasa', '*'], true],
    [['nasa', 'hubble', '*'], true],
    [['nasa', 'hubble', 'x'], false],
    [['nasa', 'hubble', 'x', '*'], false],
    [['*'], true],
    [[], false],
    [['*', 'hubble'], false],
    [['NASA', '*'], false],
  ])('domain %j against nasa.hubble: %s', (domain, expected) => {
    expect(passes({ domain }, product())).toBe(expected);
  });

  it('takes any of the sources; an empty list takes nothing', () => {
    const sources = ['a', 'b'];
    expect(passes({ sources }, product({ source: 'b' }))).toBe(true);
    expect(passes({ sources }, product({ source: 'c' }))).toBe(false);
    expect(passes({ sources }, product())).toBe(false);
    expect(passes({ sources: [] }, product({ source: 'a' }))).toBe(false);
    expect(passes({ sources: [] }, product())).toBe(false);
  });
});

describe('attribute filter', () => {
  it('fails for a missing attribute, a null value or another type, including and excluding alike', () => {
    for (const include of [true, false]) {
      for (const filter of [
        range(long(1n), null, include),
        range(null, null, include),
        set([long(1n)], include),
        set([], include),
        pattern('.', include),
      ]) {
        expect(attributePasses(filter, product())).toBe(false);
        expect(attributePasses(filter, product({ attributes: [] }))).toBe(false);
        expect(attributePasses(filter, product({ attributes: [{ name: 'A', value: long(1n) }] }))).toBe(false);
        expect(attributePasses(filter, withValue(null))).toBe(false);
      }
      expect(attributePasses(range(long(1n), null, include), withValue(text('5')))).toBe(false);
      expect(attributePasses(set([long(1n)], include), withValue(text('1')))).toBe(false);
      expect(attributePasses(pattern('1', include), withValue(long(1n)))).toBe(false);
    }
  });

  it('includes both ends of a range, and leaves null ends open', () => {
    const inside = (a: Attribute | null, b: Attribute | null, value: Attribute): boolean => {
      const result = attributePasses(range(a, b), withValue(value));
      expect(attributePasses(range(a, b, false), withValue(value))).toBe(!result);
      return result;
    };
    expect(inside(long(1n), long(3n), long(1n))).toBe(true);
    expect(inside(long(1n), long(3n), long(3n))).toBe(true);
    expect(inside(long(1n), long(3n), long(4n))).toBe(false);
    expect(inside(null, long(3n), long(-4n))).toBe(true);
    expect(inside(long(1n), null, long(1n << 62n))).toBe(true);
    expect(inside(null, null, text('anything'))).toBe(true);
    expect(inside(text('b'), text('d'), { type: 'Identifier', value: 'c' })).toBe(true);
    expect(inside(text('\uffff'), null, text('\u{10000}'))).toBe(true);
    expect(inside(double(0), double(1), double(Number.NaN))).toBe(false);
  });

  it('compares numbers of different types exactly', () => {
    const big = 2n ** 53n;
    expect(attributePasses(set([double(Number(big))]), withValue(long(big)))).toBe(true);
    expect(attributePasses(set([double(Number(big))]), withValue(long(big + 1n)))).toBe(false);
    expect(attributePasses(range(double(Number(big)), null), withValue(long(big - 1n)))).toBe(false);
    expect(attributePasses(range(null, double(1.5)), withValue({ type: 'UOctet', value: 1 }))).toBe(true);
    expect(attributePasses(range(null, double(1.5)), withValue({ type: 'ULong', value: 2n }))).toBe(false);
    expect(attributePasses(set([double(0.1)]), withValue({ type: 'Float', value: Math.fround(0.1) }))).toBe(false);
    expect(attributePasses(set([double(-0)]), withValue(long(0n)))).toBe(true);
    expect(attributePasses(set([double(Number.NaN)]), withValue(double(Number.NaN)))).toBe(true);
  });

  it('passes an empty set, and any value of a mixed one', () => {
    expect(attributePasses(set([]), withValue(long(1n)))).toBe(true);
    expect(attributePasses(set([], false), withValue(long(1n)))).toBe(true);
    const mixed = [text('x'), long(1n), { type: 'Blob', value: new Uint8Array([1, 2]) }] as const;
    for (const value of [{ type: 'URI', value: 'x' }, { type: 'Octet', value: 1 }, mixed[2]] as const) {
      expect(attributePasses(set(mixed), withValue(value))).toBe(true);
      expect(attributePasses(set(mixed, false), withValue(value))).toBe(false);
    }
    expect(attributePasses(set(mixed, false), withValue(text('y')))).toBe(true);
    expect(attributePasses(set(mixed, false), withValue({ type: 'Boolean', value: true }))).toBe(false);
    const ref = { domain: ['a'], type: 'Product', key: 'k', version: 1 };
    const refs = set([{ type: 'ObjectRef', value: ref }]);
    expect(attributePasses(refs, withValue({ type: 'ObjectRef', value: { ...ref } }))).toBe(true);
    expect(attributePasses(refs, withValue({ type: 'ObjectRef', value: { ...ref, version: 2 } }))).toBe(false);
  });

  it('compares times at the resolution of the filter', () => {
    const value: Attribute = { type: 'FineTime', value: parseTime('2024-01-01T00:00:00.123456789Z') };
    const ms: Attribute = { type: 'Time', value: parseTime('2024-01-01T00:00:00.123Z') };
    expect(attributePasses(set([ms]), withValue(value))).toBe(true);
    expect(attributePasses(set([{ ...ms, type: 'FineTime' }]), withValue(value))).toBe(false);
    expect(attributePasses(range(null, ms), withValue(value))).toBe(true);
  });

  it('searches a pattern in text of every kind', () => {
    for (const type of ['String', 'Identifier', 'URI'] as const) {
      expect(attributePasses(pattern('ar'), withValue({ type, value: 'Earth' }))).toBe(true);
      expect(attributePasses(pattern('ar', false), withValue({ type, value: 'Earth' }))).toBe(false);
      expect(attributePasses(pattern('^ar'), withValue({ type, value: 'Earth' }))).toBe(false);
    }
    expect(attributePasses(pattern('^\\p{Han}+$'), withValue(text('世界')))).toBe(true);
  });

  it('is linear in the text even for a pattern that explodes elsewhere', () => {
    const steps = 200_000;
    expect(attributePasses(pattern('^(a+)+$'), withValue(text(`${'a'.repeat(steps)}b`)))).toBe(false);
  });

  it('counts any of several attributes with one name', () => {
    const twice = product({
      attributes: [
        { name: 'a', value: long(1n) },
        { name: 'a', value: long(2n) },
      ],
    });
    expect(attributePasses(set([long(2n)]), twice)).toBe(true);
    expect(attributePasses(set([long(2n)], false), twice)).toBe(false);
    expect(attributePasses(set([long(3n)], false), twice)).toBe(true);
  });
});

describe('a filter that cannot be evaluated is Invalid and names the field', () => {
  it.each([
    [pattern('('), /^productFilter\.attributeFilter\[1\]\.regex \| .*not a regular expression/],
    [pattern('a'.repeat(10_000)), /regex \| .*longer than 8192/],
    [pattern('(?=a)'), /regex/],
    [range(long(1n), text('x')), /^productFilter\.attributeFilter\[1\]\.maximum \| /],
    [range(double(Number.NaN), null), /\.minimum \| .*NaN/],
    [range({ type: 'Boolean', value: true }, null), /\.minimum \| .*no order/],
    [set(Array.from({ length: 30_000 }, (_, i) => long(BigInt(i)))), /values\[20000\] \| .*too big/],
    [set([text('x'.repeat(10_000_000))]), /values\[0\] \| .*too big/],
  ])('%#', (filter, message) => {
    expect(fault(() => passes({ attributeFilter: [set([]), filter] }, product()))).toMatch(message);
  });

  it('also for a reversed window, while equal ends are fine', () => {
    const query = { productFilter: NO_FILTER, creationDate: null, contentDate: null };
    const reversed = { start: 2n, end: 1n };
    expect(fault(() => compileQuery({ ...query, creationDate: reversed, contentDate: reversed }))).toMatch(
      /^creationDate /,
    );
    expect(fault(() => compileQuery({ ...query, contentDate: reversed }))).toMatch(/^contentDate /);
    expect(compileQuery({ ...query, creationDate: { start: 100n, end: 100n } })(product())).toBe(true);
  });
});

describe('time windows', () => {
  const query = { productFilter: null, creationDate: null, contentDate: null };
  it.each([
    [0n, 99n, false],
    [0n, 100n, true],
    [100n, 200n, true],
    [101n, 200n, false],
  ])('creation at 100 in [%s, %s]: %s', (start, end, expected) => {
    expect(compileQuery({ ...query, creationDate: { start, end } })(product())).toBe(expected);
  });
  it.each([
    [0n, 9n, false],
    [0n, 10n, true],
    [20n, 30n, true],
    [21n, 30n, false],
    [12n, 13n, true],
    [0n, 99n, true],
  ])('content 10 to 20 against [%s, %s]: %s', (start, end, expected) => {
    expect(compileQuery({ ...query, contentDate: { start, end } })(product())).toBe(expected);
  });
});
