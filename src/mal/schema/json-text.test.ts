import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { malArea, NamedValue } from '../area.js';
import type { Attribute } from '../types/index.js';
import { arbitraryOf } from './arbitrary.js';
import { list } from './declare.js';
import { encodeJson } from './json.js';
import { jsonText, jsonWriter } from './json-text.js';

describe('a prepared JSON writer', () => {
  for (const type of [...malArea.types, list(NamedValue)]) {
    it(`writes any ${'name' in type ? type.name : 'list'} as the plain encoder does`, () => {
      const write = jsonWriter(type);
      fc.assert(
        fc.property(arbitraryOf(type), (value) => {
          expect(jsonText(write, value as never)).toBe(JSON.stringify(encodeJson(type, value as never)));
        }),
      );
    });
  }

  it('remembers what it is told to, by the value itself', () => {
    const write = jsonWriter(list(NamedValue), [NamedValue]);
    const values = ['a', 'b'].map((name) => ({ name, value: { type: 'Long' as const, value: 1n } }));
    const twice = [values[0]!, values[1]!, values[0]!, { ...values[1]!, name: 'c' }];
    expect(jsonText(write, twice)).toBe(JSON.stringify(encodeJson(list(NamedValue), twice)));
    expect(jsonText(write, twice)).toBe(JSON.stringify(encodeJson(list(NamedValue), twice)));
  });

  it('writes lists of named values one after another, whatever they have in common', () => {
    const write = jsonWriter(list(NamedValue));
    const few = fc.record({ name: fc.constantFrom('a', 'b'), value: fc.constantFrom<Attribute>(...VALUES) });
    fc.assert(
      fc.property(fc.array(fc.array(few, { maxLength: 4 }), { maxLength: 8 }), (lists) => {
        for (const values of lists)
          expect(jsonText(write, values)).toBe(JSON.stringify(encodeJson(list(NamedValue), values)));
      }),
    );
  });

  it('writes bytes as they are now', () => {
    const write = jsonWriter(list(NamedValue));
    const bytes = Uint8Array.of(1, 2, 3);
    const values = [{ name: 'a', value: { type: 'Blob' as const, value: bytes } }];
    const before = [jsonText(write, values), jsonText(write, values)];
    bytes[0] = 9;
    expect([...before, jsonText(write, values)].map((text) => JSON.parse(text)[0].value.value)).toEqual([
      ...['AQID', 'AQID', 'CQID'],
    ]);
  });
});

const VALUES: readonly Attribute[] = [
  { type: 'String', value: 'x' },
  { type: 'String', value: 'x'.repeat(300) },
  { type: 'URI', value: 'x' },
  { type: 'Long', value: 1n },
  { type: 'ULong', value: 2n ** 60n },
  { type: 'Time', value: 1n },
  { type: 'Double', value: -0 },
  { type: 'Double', value: Number.NaN },
  { type: 'Boolean', value: true },
  { type: 'ObjectRef', value: { domain: ['d'], type: 'Product', key: 'k', version: 1 } },
];
