import { describe, expect, it } from 'vitest';
import { body, hex, pattern, STAT, sha256 } from './contents.js';
import type { Placed } from './placed.js';

const AWKWARD = [
  'a b.dat',
  `it's "quoted".txt`,
  'hash#1.bin',
  'what?.bin',
  '100%.txt',
  '%41.txt',
  '日本語 データ.fits',
  'a+b&c=d;e,f.x',
  '~tilde',
  '-dash',
  '.hidden',
  'trailing.',
];

/** `put`: bytes, names, sizes and folders. */
export function putRules(at: Placed): void {
  const { put, needs, visible, targetCheck } = at;

  describe('put', () => {
    it('stores the bytes, and says where, how many and their SHA-256', async () => {
      const content = pattern(300_000);
      const result = await put('product.dat', body(content, { chunk: 7_001 }));
      expect(result).toMatchObject({ bytes: content.length, targetCheck: targetCheck });
      expect(hex(result.checksum)).toBe(sha256(content));
      expect(result.location).toMatch(/product\.dat$/);
      expect(new URL(result.location).password).toBe('');
      expect(await at.place.list()).toEqual(['product.dat']);
      expect(sha256(await at.place.read('product.dat'))).toBe(sha256(content));
    });

    for (const file of AWKWARD)
      needs('awkwardNames', `stores under the name ${JSON.stringify(file)}`, async () => {
        await put(file, body(pattern(10)));
        expect(await at.place.list()).toEqual([file]);
        expect(await at.place.read(file)).toEqual(pattern(10));
        expect(await at.target.stat(at.place.uri, file, STAT())).toMatchObject({ bytes: 10 });
      });

    it('stores a file of zero bytes', async () => {
      const result = await put('empty', body(new Uint8Array(0)));
      expect(result.bytes).toBe(0);
      expect(hex(result.checksum)).toBe(sha256(new Uint8Array(0)));
      expect(await at.place.read('empty')).toHaveLength(0);
    });

    it('stores a body of unknown size, also an empty one', async () => {
      const content = pattern(6 * 1024 * 1024 + 17);
      const result = await put('unknown', body(content, { size: null, chunk: 64 * 1024 }));
      expect(result.bytes).toBe(content.length);
      expect(sha256(await at.place.read('unknown'))).toBe(sha256(content));
      expect((await put('nothing', body(new Uint8Array(0), { size: null }))).bytes).toBe(0);
    });

    it('stores in sub-folders that did not exist, and in those that did', async () => {
      await put('a b/日/one.dat', body(pattern(5)));
      await put('a b/日/two.dat', body(pattern(6)));
      expect(await visible()).toEqual(['a b/日/one.dat', 'a b/日/two.dat']);
      expect(await at.place.read('a b/日/two.dat')).toEqual(pattern(6));
    });

    it('reports progress up to the size', async () => {
      const seen: number[] = [];
      await put('p', body(pattern(1000), { chunk: 100 }), { progress: (bytes) => seen.push(bytes) });
      expect(seen.at(-1)).toBe(1000);
      expect(seen).toEqual([...seen].sort((a, b) => a - b));
    });

    it('stores many at once', async () => {
      await Promise.all(
        Array.from({ length: 20 }, (_, i) => put(`f${i}`, body(pattern(1000 + i)), { deliveryId: `d${i}` })),
      );
      const names = Array.from({ length: 20 }, (_, i) => `f${i}`).sort();
      expect(await at.place.list().then((list) => [...list].sort())).toEqual(names);
      for (let i = 0; i < 20; i++) expect(await at.place.read(`f${i}`)).toEqual(pattern(1000 + i));
    });
  });
}
