import { describe, expect, it } from 'vitest';
import { temporaryName } from '../../../src/gateway/delivery/file-name.js';
import { body, DEFAULTS, pattern } from './contents.js';
import type { Placed } from './placed.js';

/** `clean`. */
export function cleanRules(at: Placed): void {
  const { put, needs, expectNothing } = at;

  describe('clean', () => {
    needs('temporaryFiles', 'removes temporary files of this delivery only', async () => {
      const old = temporaryName(DEFAULTS.deliveryId, 3);
      const other = temporaryName('another', 3);
      await at.place.write(`sub/${old}`, pattern(5));
      await at.place.write(`sub/${other}`, pattern(5));
      await at.place.write('sub/f', pattern(5));
      await at.target.clean(at.place.uri, 'sub/f', DEFAULTS.deliveryId, new AbortController().signal);
      expect([...(await at.place.list())].sort()).toEqual([`sub/${other}`, 'sub/f'].sort());
    });

    it('is harmless when there is nothing, also no folder', async () => {
      await at.target.clean(at.place.uri, 'f', DEFAULTS.deliveryId, new AbortController().signal);
      await at.target.clean(at.place.uri, 'no/such/f', DEFAULTS.deliveryId, new AbortController().signal);
      await expectNothing();
    });

    needs('temporaryFiles', 'what an earlier epoch left does not disturb a later put', async () => {
      await at.place.write(temporaryName(DEFAULTS.deliveryId, 1), pattern(5));
      await put('f', body(pattern(60)), { epoch: 2 });
      expect(await at.place.read('f')).toEqual(pattern(60));
      await at.target.clean(at.place.uri, 'f', DEFAULTS.deliveryId, new AbortController().signal);
      expect(await at.place.list()).toEqual(['f']);
    });
  });
}
