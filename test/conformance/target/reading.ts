import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { body, hex, pattern, STAT, sha256 } from './contents.js';
import type { Placed } from './placed.js';

/** `stat`, and `list` and `read` where a target has them. */
export function readingRules(at: Placed): void {
  const { put, targetCheck } = at;

  describe('stat', () => {
    it('gives size, SHA-256 when asked and obtainable, and the location of put', async () => {
      const sent = await put('dir/f 1', body(pattern(70_000)));
      const found = await at.target.stat(at.place.uri, 'dir/f 1', STAT(true));
      expect(found).toMatchObject({ bytes: 70_000, location: sent.location });
      if (targetCheck === 'verified') expect(hex(found!.checksum!)).toBe(sha256(pattern(70_000)));
      expect((await at.target.stat(at.place.uri, 'dir/f 1', STAT(false)))?.checksum ?? null).toBeNull();
    });

    it('is null where there is nothing, also in a folder that is not there', async () => {
      expect(await at.target.stat(at.place.uri, 'none', STAT(true))).toBeNull();
      expect(await at.target.stat(at.place.uri, 'no/such/folder', STAT(true))).toBeNull();
    });
  });

  describe('list and read', () => {
    it('lists the files of the place that begin with a prefix, and reads one to its end', async ({ skip }) => {
      if (at.target.list === undefined || at.target.read === undefined) return skip('this target cannot read back');
      const content = pattern(700_001);
      await at.place.write('part-1.xml', content);
      await at.place.write('part-2.xml', new Uint8Array(0));
      await at.place.write('other.xml', pattern(3));
      const { signal } = new AbortController();
      expect(await at.target.list(at.place.uri, 'part-', signal)).toEqual(['part-1.xml', 'part-2.xml']);
      expect(await at.target.list(new URL(`${at.place.uri.href}/absent`), '', signal)).toEqual([]);
      const read = (name: string) =>
        at.target.read?.(at.place.uri, name, signal, async ({ bytes, location, stream }) => {
          const hash = createHash('sha256');
          for await (const piece of stream) hash.update(piece);
          return { bytes, location, sha256: hash.digest('hex') };
        });
      const { location, ...found } = (await read('part-1.xml'))!;
      expect(found).toEqual({ bytes: content.length, sha256: sha256(content) });
      expect(new URL(location).password).toBe('');
      expect(await read('part-2.xml')).toMatchObject({ bytes: 0, sha256: sha256(new Uint8Array(0)) });
      expect(await read('absent.xml')).toBeNull();
      expect(await read('absent/absent.xml')).toBeNull();
    });

    it('lets the reader fail with its own error, and stop early', async ({ skip }) => {
      if (at.target.read === undefined) return skip('this target cannot read back');
      await at.place.write('one.xml', pattern(700_001));
      const { signal } = new AbortController();
      const own = Object.assign(new Error('mine'), { code: 'ENOENT' });
      await expect(at.target.read(at.place.uri, 'one.xml', signal, () => Promise.reject(own))).rejects.toBe(own);
      const first = await at.target.read(at.place.uri, 'one.xml', signal, async ({ stream }) => {
        for await (const piece of stream) return piece[0];
        return null;
      });
      expect(first).toBe(pattern(1)[0]);
    });
  });
}
