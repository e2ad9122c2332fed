import { describe, expect, it } from 'vitest';
import type { Backend, Entry } from '../backend.js';
import { lookAhead } from './look-ahead.js';
import type { Claimed } from './rows.js';

const claim = (key: string, revision: string, backend = 'one') =>
  ({ row: { key, revision, backend, domain: '["esa"]', version: 1n } }) as unknown as Claimed;
const entry = (key: string, revision: string) => ({ revision, metadata: { productRef: { key } } }) as unknown as Entry;

function withBackend(get: Backend['get']) {
  const asked: string[][] = [];
  const backend = {
    get: (refs: Parameters<Backend['get']>[0]) => {
      asked.push(refs.map(({ key }) => key));
      return get(refs);
    },
  } as unknown as Backend;
  const backends = { byId: (id: string) => (id === 'one' ? backend : undefined) } as Parameters<typeof lookAhead>[1];
  return { asked, backends };
}

const knownOf = (claims: readonly Claimed[]) => Promise.all(claims.map(async ({ known }) => known?.()));

describe('products that are about to be sent', () => {
  it('are asked for at once, and known where they still are what is to be sent', async () => {
    const found = { a: entry('a', 'r1'), b: entry('b', 'other') } as Record<string, Entry>;
    const { asked, backends } = withBackend(async (refs) => refs.map(({ key }) => found[key] ?? 'unknown'));
    const claims = lookAhead(
      [claim('a', 'r1'), claim('b', 'r1'), claim('c', 'r1'), claim('d', 'r1', 'gone')],
      backends,
    );
    expect(claims.map(({ row }) => row.key)).toEqual(['a', 'b', 'c', 'd']);
    expect(await knownOf(claims)).toEqual([found.a, undefined, undefined, undefined]);
    expect(asked).toEqual([['a', 'b', 'c']]);
  });

  it('that come alone are left to the opening', async () => {
    const { asked, backends } = withBackend(async () => []);
    expect(lookAhead([claim('a', 'r1')], backends)[0]?.known).toBeUndefined();
    expect(asked).toEqual([]);
  });

  it('are not held up by a backend that fails', async () => {
    for (const get of [
      () => Promise.reject(new Error('down')),
      () => {
        throw new Error('at once');
      },
    ]) {
      const { backends } = withBackend(get);
      expect(await knownOf(lookAhead([claim('a', 'r1'), claim('b', 'r1')], backends))).toEqual([undefined, undefined]);
    }
  });
});
