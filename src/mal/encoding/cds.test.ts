import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MAX_TIME, MIN_TIME, toMsDown, toMsUp } from '../types/index.js';
import { dayOf, fineTimeFrom, msOfDay, picosecondsOf, timeFrom, timeToMs } from './cds.js';

const MS_1958 = 378_691_200_000n;
const instant = fc.bigInt(MIN_TIME, MAX_TIME);

describe('CCSDS day segmented time', () => {
  it('is milliseconds since 1958, rounded as told, exactly', () => {
    fc.assert(
      fc.property(instant, fc.boolean(), (ns, up) => {
        const expected = (up ? toMsUp(ns) : toMsDown(ns)) + MS_1958;
        if (expected < 0n || expected >= 65_536n * 86_400_000n) expect(() => timeToMs(ns, up)).toThrow('outside 1958');
        else expect(BigInt(timeToMs(ns, up))).toBe(expected);
      }),
      {
        numRuns: 5000,
        examples: [
          [-1n, true],
          [-1n, false],
          [999_999n, true],
          [-(2n ** 32n), false],
          [2n ** 32n, true],
        ],
      },
    );
  });

  it('of a FineTime keeps nanoseconds', () => {
    fc.assert(
      fc.property(fc.bigInt(-MS_1958 * 1_000_000n, 5_000_000_000_000_000_000n), (ns) => {
        const ms = timeToMs(ns, false);
        expect(fineTimeFrom(dayOf(ms), msOfDay(ms), picosecondsOf(ns))).toBe(ns);
      }),
    );
  });

  it('refuses what no clock shows', () => {
    expect(() => timeFrom(0, 86_401_000)).toThrow('ms in a day');
    expect(() => fineTimeFrom(0, 0, 1_000_000_000)).toThrow('ps in a millisecond');
    expect(() => timeToMs(2n ** 64n, false)).toThrow('more than 64 bits');
    expect(timeFrom(4383, 0)).toBe(0n);
  });
});
