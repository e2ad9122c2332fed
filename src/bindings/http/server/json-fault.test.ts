import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { jsonFaultAt } from './json-fault.js';

const parses = (text: string): boolean => {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
};

describe('where a text stops being JSON', () => {
  it.each([
    ['{"a": 1,}', 8],
    ['{"a" 1}', 5],
    ['{"a": 01}', 6],
    ['[1 2]', 3],
    ['[1,]', 3],
    ['{"a":1} x', 8],
    ['{"a":tru}', 5],
    ['"a\nb"', 0],
    ['{"a":1', 6],
    ['', 0],
    ['{a:1}', 1],
    ['[}', 1],
  ])('%s at %i', (text, at) => {
    expect(jsonFaultAt(text)).toBe(at);
  });

  it('finds nothing in what parses and something in what does not', () => {
    const texts = fc.tuple(
      fc.json(),
      fc.nat(),
      fc.constantFrom('', ',', ':', '"', '{', '}', '[', ']', '1', 'x', '\\', ' '),
    );
    fc.assert(
      fc.property(texts, ([json, place, sign]) => {
        const at = place % (json.length + 1);
        for (const text of [json, json.slice(0, at) + sign + json.slice(at), json.slice(0, at) + json.slice(at + 1)]) {
          expect(jsonFaultAt(text) === null).toBe(parses(text));
        }
      }),
    );
  });

  it('is at ease with large texts', () => {
    expect(jsonFaultAt(`["${'x\\n'.repeat(700_000)}"}`)).toBe(2_100_003);
    expect(jsonFaultAt('['.repeat(2_000_000))).toBe(2_000_000);
  });
});
