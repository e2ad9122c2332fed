import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { inParts } from './in-parts.js';

/** Parts that note that they were ended. */
function partsOf<T>(lists: readonly (() => Iterable<T>)[]) {
  const ended: number[] = [];
  let given = 0;
  async function* parts() {
    try {
      for (const list of lists) {
        given++;
        yield list()[Symbol.iterator]();
      }
    } finally {
      ended.push(given);
    }
  }
  return { parts: parts(), ended };
}

describe('what parts hold', () => {
  it('comes in order, whatever is empty', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.array(fc.integer(), { maxLength: 4 }), { maxLength: 6 }), async (lists) => {
        const { parts, ended } = partsOf(lists.map((list) => () => list));
        const found: number[] = [];
        for await (const one of inParts(parts)) found.push(one);
        expect(found).toEqual(lists.flat());
        expect(ended).toEqual([lists.length]);
      }),
    );
  });

  it('ends the parts with whoever stops early', async () => {
    const { parts, ended } = partsOf([() => [1, 2], () => [3]]);
    for await (const one of inParts(parts)) if (one === 2) break;
    expect(ended).toEqual([1]);
  });

  it.each([0, 1])('ends the parts when one throws after %i', async (before) => {
    const { parts, ended } = partsOf([
      function* () {
        yield* Array.from({ length: before }, (_, i) => i);
        throw new Error('broken');
      },
      () => [9],
    ]);
    const found: number[] = [];
    const read = async () => {
      for await (const one of inParts(parts)) found.push(one);
    };
    await expect(read()).rejects.toThrow('broken');
    expect(found).toHaveLength(before);
    expect(ended).toEqual([1]);
  });
});
