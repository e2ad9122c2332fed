import fc from 'fast-check';
import { expect, it } from 'vitest';
import { parseReferencePath, referencePath } from './reference.js';

const part = fc.string({ unit: 'binary', minLength: 1, maxLength: 8 }).filter((text) => text.isWellFormed?.() ?? true);
const key = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 20 }),
  fc
    .array(fc.constantFrom('', '.', '..', '~', 'a b', '%', '#?', '日本', '%2F', ':', '\\'), { maxLength: 5 })
    .map((parts) => parts.join('/')),
);
const ref = fc.record({
  domain: fc.array(fc.oneof(part, fc.constantFrom('.', '..', '~', 'a.b')), { maxLength: 3 }),
  type: fc.constant('Product'),
  key,
  version: fc.nat(0xffff_ffff),
});

it('reads back exactly, also after a URL parser has had it', () => {
  fc.assert(
    fc.property(ref, (given) => {
      const path = referencePath(given);
      expect(parseReferencePath(path)).toEqual(given);
      const passed = new URL(`http://host/api/v1/bodies/${path}?x=1`).pathname;
      expect(parseReferencePath(passed.slice('/api/v1/bodies/'.length))).toEqual(given);
    }),
  );
});

it('is what a person would write where nothing is special', () => {
  expect(referencePath({ domain: ['esa', 'solo'], type: 'Product', key: 'a b/日本#1.fits', version: 7 })).toBe(
    'esa.solo/7/a%20b/%E6%97%A5%E6%9C%AC%231.fits',
  );
});

it.each(['', 'local', 'local/1', 'local/x/k', 'local/4294967296/k', 'local/-1/k', 'lo%zzcal/1/k', 'local/1/%E0%A4'])(
  'refuses %j',
  (path) => {
    expect(parseReferencePath(path)).toBeNull();
  },
);
