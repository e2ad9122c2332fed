import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readUtf8 } from './bytes.js';

describe('texts of a message', () => {
  it('are read as they are, whatever was read before', () => {
    const alike = fc.string({ unit: fc.constantFrom('a', 'b', '\u0000', '\u007f', 'é', '漢'), maxLength: 4 });
    fc.assert(
      fc.property(
        fc.array(fc.oneof(alike, fc.string({ unit: 'grapheme', maxLength: 40 })), { maxLength: 50 }),
        (texts) => {
          for (const text of texts) {
            const bytes = Buffer.from(` ${text} `);
            expect(readUtf8(bytes, 1, bytes.length - 1)).toBe(text);
          }
        },
      ),
      { numRuns: 500 },
    );
  });

  it('are taken for no other of the same hash', () => {
    // 'Aa' and 'BB' are the same in base 31.
    for (const text of ['Aa', 'BB', 'Aa', 'AaAa', 'BBBB', 'AaBB', 'AaAa'])
      expect(readUtf8(Buffer.from(text), 0, text.length)).toBe(text);
  });

  it('are refused when they are no UTF-8, short or long', () => {
    for (const length of [1, 5, 40])
      expect(() => readUtf8(Buffer.alloc(length, 0xff), 0, length)).toThrow('text that is not UTF-8');
  });
});
