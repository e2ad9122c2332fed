import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Backend } from '../../../src/gateway/backend.js';
import { bodyRules } from './bodies.js';
import { type BackendFixture, type BackendHarness, rulesFor } from './fixture.js';
import { listingRules } from './listing.js';
import { ALL, all, bytesOf, keyOf, SECOND, T0, take, until } from './reading.js';

/** A system with products whose contents are known; its tests run one after the other on the same one. */
export interface Holding {
  system: BackendFixture;
  backend: Backend;
  readonly contents: Map<string, Uint8Array>;
}

const AWKWARD = [
  'a b.dat',
  `it's "quoted".txt`,
  'hash#1.bin',
  'what?.bin',
  '100%.txt',
  '%41.txt',
  '日本語 データ.fits',
  'a+b&c=d;e,f.x',
  '-dash',
  'back\\slash',
  'emoji 🛰.bin',
];

export function holdingRules(harness: BackendHarness): void {
  const rules = rulesFor(harness);
  const { skip, key, patience, unless } = rules;

  describe('a system that holds products', () => {
    const held = { contents: new Map() } as Holding;

    beforeAll(async () => {
      held.system = await harness.create();
      held.backend = held.system.backend;
      for (let n = 0; n < 12; n++) held.contents.set(key(n), bytesOf(n, 100 + n));
      if (skip.awkwardNames === undefined) for (const odd of AWKWARD) held.contents.set(`odd/${odd}`, bytesOf(77, 10));
      if (skip.zeroLength === undefined) held.contents.set(key(1000), new Uint8Array(0));
      let n = 0n;
      for (const [product, bytes] of held.contents) {
        // Three at a time are created in the same second.
        await held.system.put(product, bytes, { created: T0 + (n++ / 3n) * SECOND });
      }
      await until(
        patience,
        'all products are listed',
        async () => (await all(held.backend)).length >= held.contents.size,
      );
    });
    afterAll(() => held.system?.close());

    listingRules(held);
    bodyRules(held, rules);

    it('is healthy and says what it has checked', async () => {
      expect(await held.backend.check()).toEqual({ ok: true, reason: expect.stringMatching(/\S/) });
    });

    unless('outage')('says why it is not healthy while the system is away, and recovers', async () => {
      const back = await held.system.outage!();
      try {
        await until(patience, 'the backend notices', async () => !(await held.backend.check()).ok);
        expect((await held.backend.check()).reason).toMatch(/\S/);
      } finally {
        await back();
      }
      await until(patience, 'the backend recovers', async () => (await held.backend.check()).ok);
      expect(await all(held.backend)).toHaveLength(held.contents.size);
    });

    unless('equalTimes')('pages each product exactly once while others of the same time are added', async () => {
      const before = (await all(held.backend)).map(({ entry }) => keyOf(entry));
      const created = T0 + SECOND;
      const got: string[] = [];
      let after: string | undefined;
      for (let page = 0; ; page++) {
        const rows = await take(
          held.backend,
          ALL,
          { order: 'created', limit: 2, ...(after !== undefined && { after }) },
          2,
        );
        got.push(...rows.map(({ entry }) => keyOf(entry)));
        after = rows.at(-1)?.position;
        if (rows.length === 0) break;
        if (page >= 6) continue;
        const added = key(2000 + page * 7);
        held.contents.set(added, bytesOf(page, 20));
        await held.system.put(added, bytesOf(page, 20), { created });
        await until(patience, `${added} is listed`, async () =>
          (await all(held.backend)).some(({ entry }) => keyOf(entry) === added),
        );
      }
      expect(new Set(got).size).toBe(got.length);
      expect(got).toEqual(expect.arrayContaining(before));
    });
  });
}
