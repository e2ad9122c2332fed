import { describe, expect, it } from 'vitest';
import { MpdError } from '../../../src/mpd/index.js';
import { body, chunks, expectClass, failAfter, gated, pattern, STAT, sha256 } from './contents.js';
import type { Placed } from './placed.js';

/** `put` that fails, is slow or is aborted. */
export function visibilityRules(at: Placed): void {
  const { put, needs, visible, expectNothing } = at;

  describe('a file is visible whole or not at all', () => {
    it('while it is being written nobody sees it; then everybody sees all of it', async () => {
      const content = pattern(400_000);
      const gate = gated(content, 200_000);
      const done = put('whole', { size: content.length, stream: gate.stream });
      await gate.reached;
      expect(await visible()).toEqual([]);
      expect(await at.target.stat(at.place.uri, 'whole', STAT())).toBeNull();
      gate.open();
      await done;
      expect(await at.place.list()).toEqual(['whole']);
      expect(sha256(await at.place.read('whole'))).toBe(sha256(content));
    });

    it('an older file stays readable until the new one is complete', async () => {
      await put('same', body(pattern(50_000)));
      const content = pattern(60_000, 3);
      const gate = gated(content, 30_000);
      const done = put('same', { size: content.length, stream: gate.stream }, { epoch: 2 });
      await gate.reached;
      expect(await at.place.read('same')).toEqual(pattern(50_000));
      gate.open();
      await done;
      expect(await at.place.read('same')).toEqual(content);
    });

    it.each([0, 1, 100_000, 5_500_000])('a source that fails after %i bytes leaves nothing', async (at) => {
      const fault = new MpdError('Internal', { class: 'retry', message: 'the source broke' });
      const failing = put('broken', { size: 8_000_000, stream: failAfter(pattern(8_000_000), at, fault) });
      await expect(failing).rejects.toBe(fault);
      await expectNothing();
    });

    it('a source that ends cleanly before its size leaves nothing, class retry', async () => {
      await expectClass(put('short', { size: 5_001, stream: chunks(pattern(5_000), 999) }), 'retry');
      await expectNothing();
    });

    it('a source that sends more than its size leaves nothing, class retry', async () => {
      await expectClass(put('long', { size: 4_999, stream: chunks(pattern(5_000), 999) }), 'retry');
      await expectClass(put('some', { size: 0, stream: chunks(pattern(1), 1) }), 'retry');
      await expectNothing();
    });

    it('an abort ends a silent source at once and leaves nothing', async () => {
      const gate = gated(pattern(400_000), 200_000);
      const abort = new AbortController();
      const done = put('aborted', { size: 400_000, stream: gate.stream }, { signal: abort.signal });
      done.catch(() => undefined);
      await gate.reached;
      const reason = new Error('order cancelled');
      abort.abort(reason);
      await expect(done).rejects.toBe(reason);
      await expectNothing();
    });

    it('a failure leaves the older file as it was', async () => {
      await put('same', body(pattern(10)));
      await expectClass(put('same', { size: 99, stream: chunks(pattern(20), 9) }, { epoch: 2 }), 'retry');
      expect(await at.place.list()).toEqual(['same']);
      expect(await at.place.read('same')).toEqual(pattern(10));
    });

    needs('corruption', 'bytes changed on their way are found before the file is visible, class retry', async () => {
      async function* corrupting() {
        yield* chunks(pattern(2_000_000), 64 * 1024);
        await at.place.corrupt?.();
      }
      await expectClass(put('corrupt', { size: 2_000_000, stream: corrupting() }), 'retry', /SHA-256|checksum|differ/i);
      await expectNothing();
    });
  });
}
