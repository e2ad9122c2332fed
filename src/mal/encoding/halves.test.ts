import fc from 'fast-check';
import { expect, it } from 'vitest';
import { timeFrom } from './cds.js';
import { fromHalves } from './halves.js';

it('puts 64-bit integers together from their halves', () => {
  fc.assert(
    fc.property(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), (value) => {
      expect(fromHalves(Number(value >> 32n), Number(BigInt.asIntN(32, value)))).toBe(value);
    }),
  );
});

it('gives the nanoseconds of every day and millisecond that the wire has', () => {
  const day = fc.oneof(fc.integer({ min: 0, max: 65_535 }), fc.constantFrom(0, 4382, 4383, 4384, 65_535));
  const ms = fc.oneof(fc.integer({ min: 0, max: 86_400_999 }), fc.constantFrom(0, 1, 86_399_999, 86_400_999));
  fc.assert(
    fc.property(day, ms, (days, time) => {
      expect(timeFrom(days, time)).toBe((BigInt(days - 4383) * 86_400_000n + BigInt(time)) * 1_000_000n);
    }),
    { numRuns: 2000 },
  );
});
