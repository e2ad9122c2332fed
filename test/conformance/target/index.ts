import { describe, expect, it } from 'vitest';
import { cleanRules } from './clean.js';
import { body, expectClass, pattern } from './contents.js';
import type { TargetHarness } from './fixture.js';
import { overwriteRules } from './overwrite.js';
import { placed } from './placed.js';
import { probeRules } from './probe.js';
import { putRules } from './put.js';
import { readingRules } from './reading.js';
import { visibilityRules } from './visibility.js';

export type { SkippableCapability, TargetHarness, TargetPlace } from './fixture.js';

/** The contract of `DeliveryTarget`, once for every implementation and server. */
export function targetConformance(name: string, harness: TargetHarness): void {
  describe(`target conformance: ${name}`, () => {
    const at = placed(harness);
    const { put, expectNothing } = at;

    putRules(at);
    visibilityRules(at);
    overwriteRules(at);
    readingRules(at);
    cleanRules(at);
    probeRules(at, harness);

    it.each(['../f', 'a/../../f', '/etc/f', 'a//b', '', '.mpd-x-1.part', 'a\u0000b'])(
      'refuses the name %j',
      async (file) => {
        await expectClass(put(file, body(pattern(1))), 'refuse');
        await expectNothing();
      },
    );

    it('is healthy, with a reason', async () => {
      const health = await at.target.check();
      expect(health).toMatchObject({ ok: true, reason: expect.stringMatching(/\S/) });
    });
  });
}
