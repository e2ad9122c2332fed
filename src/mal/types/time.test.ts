import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  ceilToMs,
  floorToMs,
  formatDuration,
  formatTime,
  formatTimeDayOfYear,
  MAX_TIME,
  MIN_TIME,
  parseDuration,
  parseTime,
} from './time.js';

const instant = fc.bigInt(MIN_TIME, MAX_TIME);

describe('time', () => {
  it('reads back what it writes, to the nanosecond', () => {
    fc.assert(
      fc.property(instant, (ns) => {
        expect(parseTime(formatTime(ns))).toBe(ns);
        expect(parseTime(formatTimeDayOfYear(ns))).toBe(ns);
        expect(parseDuration(formatDuration(ns))).toBe(ns);
      }),
    );
  });

  it('reads the usual form as it reads every other', () => {
    const fraction = fc.string({ unit: fc.constantFrom('0', '1', '9'), minLength: 1, maxLength: 9 });
    fc.assert(
      fc.property(fc.bigInt(MIN_TIME + 10n ** 9n, MAX_TIME - 10n ** 9n), fc.option(fraction), (ns, given) => {
        const text = formatTime(ns).replace(/(\.\d+)?Z$/, given === null ? '' : `.${given}`);
        expect(parseTime(`${text}Z`)).toBe(parseTime(`${text}+00:00`));
      }),
    );
    for (const text of [
      '2026-02-30T00:00:00Z',
      '2026-13-01T00:00:00Z',
      '2026-01-01T00:00:00.Z',
      '2026-01-01T0x:00:00Z',
    ])
      expect(() => parseTime(text)).toThrow(RangeError);
  });

  it.each([
    ['1970-01-01T00:00:00Z', 0n],
    ['1969-12-31T23:59:59.999999999Z', -1n],
    ['2010-01-01T09:13:51.352Z', 1_262_337_231_352_000_000n],
    ['2010-001T09:13:51.352', 1_262_337_231_352_000_000n],
    ['2024-366T00:00:00Z', 1_735_603_200_000_000_000n],
    ['2010-01-01T10:13:51.352+01:00', 1_262_337_231_352_000_000n],
    ['2010-01-01', 1_262_304_000_000_000_000n],
    ['2016-12-31T23:59:60Z', 1_483_228_800_000_000_000n],
    ['2016-12-31T24:00:00Z', 1_483_228_800_000_000_000n],
    ['1970-01-01T00:01', 60_000_000_000n],
  ])('reads %s', (text, ns) => {
    expect(parseTime(text)).toBe(ns);
  });

  it.each([
    '',
    'yesterday',
    '2023-02-29T00:00:00Z',
    '2023-13-01T00:00:00Z',
    '2023-366T00:00:00Z',
    '2023-000T00:00:00Z',
    '2023-01-01T25:00:00Z',
    '2023-01-01T24:00:01Z',
    '2023-01-01T00:60:00Z',
    '2023-01-01T00:00:00.1234567890Z',
    '9999-12-31T00:00:00Z',
    '2023-01-01T00:00:00+25:00',
  ])('refuses %j', (text) => {
    expect(() => parseTime(text)).toThrow(RangeError);
  });

  it('rounds to milliseconds away from and towards the past, also before 1970', () => {
    expect([floorToMs(-1n), ceilToMs(-1n), floorToMs(1n), ceilToMs(1n), ceilToMs(1_000_000n)]).toEqual([
      -1_000_000n,
      0n,
      0n,
      1_000_000n,
      1_000_000n,
    ]);
  });

  it.each([
    ['PT1.5S', 1_500_000_000n],
    ['-P1DT2H', -93_600_000_000_000n],
    ['PT0S', 0n],
    ['P0D', 0n],
  ])('reads the duration %s', (text, ns) => {
    expect(parseDuration(text)).toBe(ns);
  });

  it.each(['P', 'PT', 'P1Y', 'P1DT', '1S', 'PT1.1234567890S', 'PT99999999999S'])('refuses the duration %j', (text) => {
    expect(() => parseDuration(text)).toThrow(RangeError);
  });
});
