import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { malArea, NamedValue } from '../area.js';
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
});
