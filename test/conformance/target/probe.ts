import { describe, expect, it } from 'vitest';
import { MpdError } from '../../../src/mpd/index.js';
import { body, DEFAULTS, pattern } from './contents.js';
import type { TargetHarness } from './fixture.js';
import type { Placed } from './placed.js';

/** `probe`, and what `put` refuses alike. */
export function probeRules(at: Placed, harness: TargetHarness): void {
  const { needs, expectNothing } = at;

  describe('probe', () => {
    it('is ok for a writable place and leaves nothing behind', async () => {
      expect(await at.target.probe(at.place.uri, new AbortController().signal)).toEqual({ status: 'ok' });
      await expectNothing();
    });

    for (const [uri, reason] of harness.refused)
      it(`refuses, with the reason ${reason}, what put refuses too`, async () => {
        const probed = await at.target.probe(new URL(uri()), new AbortController().signal);
        expect(probed).toMatchObject({ status: 'refused', reason: expect.stringMatching(reason) });
        const options = { ...DEFAULTS, signal: new AbortController().signal };
        await expect(at.target.put(new URL(uri()), 'f', body(pattern(1)), options)).rejects.toBeInstanceOf(MpdError);
      });

    needs('notYet', 'says notYet, with the reason, where it may work later', async () => {
      const [uri, reason] = harness.notYet()!;
      const probed = await at.target.probe(new URL(uri), new AbortController().signal);
      expect(probed).toMatchObject({ status: 'notYet', reason: expect.stringMatching(reason) });
    });
  });
}
