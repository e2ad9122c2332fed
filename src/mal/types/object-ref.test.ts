import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ObjectRefType } from '../area.js';
import { arbitraryOf } from '../schema/arbitrary.js';
import { compareObjectRefs, objectRefId, sameObjectRef } from './object-ref.js';
import { compareUtf8 } from './text.js';

describe('object references', () => {
  it('have one identity, whether asked by equality, order or id', () => {
    const ref = arbitraryOf(ObjectRefType);
    fc.assert(
      fc.property(ref, ref, (a, b) => {
        expect(compareObjectRefs(a, a)).toBe(0);
        expect(sameObjectRef(a, { ...a, domain: [...a.domain] })).toBe(true);
        const same = sameObjectRef(a, b);
        expect(compareObjectRefs(a, b) === 0).toBe(same);
        expect(objectRefId(a) === objectRefId(b)).toBe(same);
        expect(Math.sign(compareObjectRefs(a, b))).toBe(-Math.sign(compareObjectRefs(b, a)) || 0);
      }),
    );
  });

  it('are not mixed up by separators inside names', () => {
    const ref = { type: 'Product', key: 'k', version: 1 };
    expect(objectRefId({ ...ref, domain: ['a.b'] })).not.toBe(objectRefId({ ...ref, domain: ['a', 'b'] }));
    expect(sameObjectRef({ ...ref, domain: ['a.b'] }, { ...ref, domain: ['a', 'b'] })).toBe(false);
  });
});

describe('text order', () => {
  it('is that of the UTF-8 bytes', () => {
    const text = fc.string({ unit: 'binary', maxLength: 6 });
    fc.assert(
      fc.property(text, text, (a, b) => {
        expect(Math.sign(compareUtf8(a, b))).toBe(Buffer.compare(Buffer.from(a), Buffer.from(b)));
      }),
      { examples: [['\u{10000}', '\uffff']] },
    );
  });
});
