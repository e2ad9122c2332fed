import { describe, expect, it } from 'vitest';
import { body, expectClass, pattern } from './contents.js';
import type { Placed } from './placed.js';

/** `overwrite` of `put`. */
export function overwriteRules(at: Placed): void {
  const { put, needs } = at;

  describe('overwrite', () => {
    it('true replaces what is there', async () => {
      await at.place.write('f', pattern(100));
      await put('f', body(pattern(50, 9)));
      expect(await at.place.read('f')).toEqual(pattern(50, 9));
      expect(await at.place.list()).toEqual(['f']);
    });

    needs('noOverwrite', 'false refuses other content and leaves it, class refuse', async () => {
      await at.place.write('f', pattern(50));
      await expectClass(put('f', body(pattern(50, 9)), { overwrite: false }), 'refuse', /overwrit|exists/i);
      expect(await at.place.read('f')).toEqual(pattern(50));
      expect(await at.place.list()).toEqual(['f']);
    });

    needs('noOverwrite', 'false takes equal content for success', async () => {
      await at.place.write('f', pattern(50));
      expect(await put('f', body(pattern(50)), { overwrite: false })).toMatchObject({ bytes: 50 });
      expect(await at.place.list()).toEqual(['f']);
    });

    it('false stores where there is nothing', async () => {
      await put('f', body(pattern(50)), { overwrite: false });
      expect(await at.place.list()).toEqual(['f']);
      expect(await at.place.read('f')).toEqual(pattern(50));
    });

    needs('directoryInTheWay', 'a folder of that name is refused and kept', async () => {
      await at.place.makeFolder?.('f');
      await expectClass(put('f', body(pattern(50))), 'refuse');
      await put('f/inside', body(pattern(1)));
      expect(await at.place.list()).toEqual(['f/inside']);
    });
  });
}
