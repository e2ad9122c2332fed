import { describe } from 'vitest';
import { changingRules } from './changing.js';
import { backendFilterProperties } from './filters.js';
import type { BackendHarness } from './fixture.js';
import { holdingRules } from './holding.js';
import { backendUpstream } from './upstream.js';

export type { BackendFixture, BackendHarness, ProductHints, SkippableAbility } from './fixture.js';
export type { UpstreamView } from './upstream.js';

/** The rules of the Backend port, for any implementation. */
export function backendConformance(name: string, harness: BackendHarness): void {
  describe(`backend conformance: ${name}`, () => {
    holdingRules(harness);
    backendFilterProperties(harness);
    backendUpstream(harness);
    changingRules(harness);
  });
}
