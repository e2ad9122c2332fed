import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AnyAttribute, malArea, NamedValue, Subscription } from '../area.js';
import { arbitraryOf } from './arbitrary.js';
import { body, list, nullable } from './declare.js';
import { DecodeError, decodeJson, encodeJson } from './json.js';

const fault = (run: () => unknown): string => {
  try {
    run();
  } catch (error) {
    expect(error).toBeInstanceOf(DecodeError);
    return (error as Error).message;
  }
  throw new Error('nothing was refused');
};

describe('JSON form', () => {
  for (const type of malArea.types) {
    it(`gives back any ${type.name}`, () => {
      fc.assert(
        fc.property(arbitraryOf(type), (value) => {
          const text = JSON.stringify(encodeJson(type, value));
          expect(decodeJson(type, JSON.parse(text))).toEqual(value);
        }),
      );
    });
  }

  it('writes what people read: ISO times, decimal text for wide integers, base64', () => {
    const values = [
      { type: 'Time', value: 1_700_000_000_123_456_789n },
      { type: 'Duration', value: 1_500_000_000n },
      { type: 'Long', value: 5n },
      { type: 'ULong', value: 2n ** 64n - 1n },
      { type: 'Blob', value: new Uint8Array([1, 2, 3]) },
      { type: 'Double', value: Number.NEGATIVE_INFINITY },
    ] as const;
    expect(values.map((value) => encodeJson(AnyAttribute, value))).toEqual([
      { type: 'Time', value: '2023-11-14T22:13:20.123456789Z' },
      { type: 'Duration', value: 'PT1.5S' },
      { type: 'Long', value: 5 },
      { type: 'ULong', value: '18446744073709551615' },
      { type: 'Blob', value: 'AQID' },
      { type: 'Double', value: '-Infinity' },
    ]);
  });

  it('takes an absent nullable field as null', () => {
    expect(decodeJson(NamedValue, { name: 'a' })).toEqual({ name: 'a', value: null });
    expect(decodeJson(body({ a: nullable(NamedValue) }), {})).toEqual({ a: null });
  });

  it('refuses by path and name', () => {
    const bad = (json: unknown): string => fault(() => decodeJson(Subscription, json));
    expect(bad({})).toBe('subscriptionId: is missing');
    expect(bad({ subscriptionId: null })).toBe('subscriptionId: must not be null');
    expect(bad({ subscriptionId: 'a', extra: 1 })).toBe('extra: unknown field');
    expect(bad({ subscriptionId: 'a', domain: ['x', 5] })).toBe('domain[1]: expected text, not number');
    expect(bad({ subscriptionId: 'a', filters: [{ name: 'k', values: [{ type: 'Octet', value: 200 }] }] })).toBe(
      'filters[0].values[0].value: expected a whole number from -128 to 127',
    );
    expect(bad({ subscriptionId: 'a', filters: [{ name: 'k', values: [{ type: 'Int', value: 2 }] }] })).toMatch(
      /^filters\[0\]\.values\[0\]\.type: expected one of Blob, Boolean/,
    );
    expect(fault(() => decodeJson(list(NamedValue), [{}]))).toBe('[0].name: is missing');
    expect(fault(() => decodeJson(list(NamedValue), {}))).toBe('expected a list, not an object');
  });

  it('refuses values outside their type', () => {
    for (const [type, value] of [
      ['Long', 2 ** 60],
      ['Long', '9223372036854775808'],
      ['ULong', -1],
      ['ULong', '1e3'],
      ['Float', '1'],
      ['Blob', 'A'],
      ['Blob', 'AQ=D'],
      ['Time', '2023-02-30T00:00:00Z'],
      ['Duration', 'P1Y'],
      ['Boolean', 'true'],
      ['ObjectRef', { domain: [], key: 'k', version: -1 }],
    ]) {
      expect(
        fault(() => decodeJson(AnyAttribute, { type, value })),
        `${type} ${value}`,
      ).toMatch(/^value/);
    }
  });

  it('is not fooled by inherited property names', () => {
    expect(fault(() => decodeJson(AnyAttribute, { type: 'constructor', value: 1 }))).toMatch(/^type: expected one of/);
    expect(fault(() => decodeJson(NamedValue, JSON.parse('{"name":"a","__proto__":1}')))).toBe(
      '__proto__: unknown field',
    );
  });
});
