/** Conformance suites of the ports, for implementations anywhere. They need `vitest` and `fast-check` beside them. */
export {
  type BackendFixture,
  type BackendHarness,
  backendConformance,
  type ProductHints,
  type SkippableAbility,
} from './backend.js';
export type { UpstreamView } from './backend-upstream.js';
export * from './target.js';
