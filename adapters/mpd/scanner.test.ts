import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ProductMetadata } from '../../src/mpd/index.js';
import { tooMany } from '../../src/mpd/index.js';
import { FIRST_MS, LAST_MS, listCreated } from './scanner.js';
import type { ListQuery } from './service.js';

/** A provider that lists so many at a time. */
function provider(createdMs: readonly bigint[], limit: number) {
  const asked: ListQuery[] = [];
  return {
    asked,
    async list(query: ListQuery) {
      asked.push(query);
      const { created } = query;
      const found = createdMs.filter(
        (ms) => created === null || (created.start <= ms * 1_000_000n && ms * 1_000_000n <= created.end),
      );
      if (found.length > limit) throw tooMany(limit, found.length);
      return found.map((ms) => ({ creationDate: ms }) as unknown as ProductMetadata);
    },
  };
}

async function listed(service: ReturnType<typeof provider>, fromMs: bigint | null = null): Promise<bigint[]> {
  const found: bigint[] = [];
  for await (const part of listCreated(service, null, fromMs, new AbortController().signal))
    found.push(...part.map(({ creationDate }) => creationDate));
  return found;
}

describe('a listing cut up by creation time', () => {
  it('has every product once, part after part in order, whatever the limit', async () => {
    const times = fc.uniqueArray(fc.bigInt({ min: FIRST_MS, max: LAST_MS }), { maxLength: 60 });
    await fc.assert(
      fc.asyncProperty(times, fc.integer({ min: 1, max: 20 }), async (given, limit) => {
        const sorted = [...given].sort((a, b) => (a < b ? -1 : 1));
        expect(await listed(provider(sorted, limit))).toEqual(sorted);
      }),
    );
  });

  it('asks once, without a window, where the provider lists it all', async () => {
    const service = provider([5n, 6n], 2);
    expect(await listed(service)).toEqual([5n, 6n]);
    expect(service.asked).toEqual([{ domain: null, created: null }]);
  });

  it('starts where it is told', async () => {
    expect(await listed(provider([1n, 2n, 3n, 4n], 1), 3n)).toEqual([3n, 4n]);
  });

  it('fails where one millisecond alone has too many', async () => {
    await expect(listed(provider([7n, 7n, 8n], 1))).rejects.toMatchObject({ code: 'Too Many', class: 'fatal' });
  });
});
